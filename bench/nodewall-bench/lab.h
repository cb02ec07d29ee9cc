// The wire of the harness: a veth pair between two namespaces. Frames leave `sender` by BPF_PROG_TEST_RUN with live frames and XDP_TX,
// on CPU 0; the receiver's NAPI runs in a thread of its own on the last CPU, so what it handles and the CPU time it takes for that are
// the receiver's alone. The sender is slowed down until no more than one frame in a hundred is lost on the wire: the rate is what the
// receiver keeps up with.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "netns.h"
#include "stream.h"

namespace nodewall::bench {

struct Rate {
  double mpps = 0;            // frames a second that the receiver handled, in millions
  double ns_per_packet = 0;   // CPU time of the receiver's thread, by frames handled
};

class Lab {
 public:
  static Result<Lab> make();
  Lab(Lab&&) noexcept;
  Lab& operator=(Lab&&) noexcept;
  ~Lab();

  [[nodiscard]] const Netns& node() const;
  [[nodiscard]] const Netns& sender() const;
  [[nodiscard]] const std::string& device() const;  // the node's side
  [[nodiscard]] std::uint32_t ifindex() const;      // of it, in the node's namespace
  [[nodiscard]] const Mac& mac() const;             // of it
  [[nodiscard]] int program(const std::string& name) const;  // of bench.bpf.c

  // Sends the frames in a circle for that long.
  Result<Rate> measure(const Stream& stream, std::chrono::milliseconds duration);
  // Sends each once; how many of them reached a transport protocol of the node: what its engine let through.
  Result<std::uint64_t> delivered(const Stream& stream);
  // For TCP between the two: 10.255.0.2 at the sender, 10.255.0.1 at the node. Frames of scenarios are no longer the node's own then.
  Status prepare_tcp();
  // What passes the engine is dropped at tc, behind it: the cost of the network stack stays out of the figures.
  Result<Fd> sink();
  // The CPU that receives, for the calling thread: what runs there is measured alone.
  static void pin_to_receiver();

  struct State;

 private:
  explicit Lab(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nodewall::bench
