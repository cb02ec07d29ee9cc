// Tracer: one packet, three answers. The oracle walks the rules, the image engine walks the compiled image in user space, the program
// engine sends a frame through the real program with maps of its own; nothing that is enforced is touched. A packet is judged as the
// first of its flow, also when an earlier packet of the same Tracer began that flow.
#pragma once

#include <memory>

#include "base/result.h"
#include "resolve/endpoint_policy.h"
#include "resolve/facts.h"
#include "resolve/packet.h"

namespace nodewall::engine {

enum class TraceEngine : std::uint8_t { oracle, image, program };
std::string_view name(TraceEngine engine);

class Tracer {
 public:
  // The engines beside the oracle are made ready by their first packet: `program` needs privileges, the others none.
  static Tracer make(resolve::Resolved resolved, const resolve::NodeFacts& facts);
  Tracer(Tracer&&) noexcept;
  Tracer& operator=(Tracer&&) noexcept;
  ~Tracer();

  // Errc::not_found when the node has no such interface.
  Result<resolve::Judgement> judge(TraceEngine engine, const resolve::PacketQuery& packet);

 private:
  struct State;
  explicit Tracer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nodewall::engine
