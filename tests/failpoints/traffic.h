// Traffic: the packets of a Site. Each carries a number, is sent at the far end of a wire or by a socket of the host, and is answered by
// whether it arrives.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/fd.h"
#include "prog/node.h"

namespace failpoints {

// Whether each packet got through, by its name.
using Answers = std::map<std::string, bool>;

class Traffic {
 public:
  Traffic();  // host0 and host1 have their addresses
  Answers ask();

 private:
  using Names = std::map<std::uint32_t, std::string>;  // of what was sent, by number

  std::uint32_t named(Names& names, const std::string& name) { return names.emplace(++sent_, name).first->first; }
  void send_in(Names& names, const std::string& name, const char* interface, std::uint16_t source, std::uint16_t port);
  void send_out(Names& names, const std::string& name, std::uint16_t port);
  void receive(const Names& names, Answers& answers) const;

  std::map<std::uint16_t, nodewall::Fd> receivers_;  // by port
  std::map<std::string, prog::Wire> wires_;
  nodewall::Fd tap_;                                 // what leaves by host0
  std::uint32_t sent_ = 0;
};

}  // namespace failpoints
