#include "model/rule.h"

#include <utility>

namespace nodewall::model {
namespace {

constexpr std::pair<std::string_view, std::uint8_t> kProtocols[] = {
    {"TCP", 6}, {"UDP", 17}, {"ICMP", 1}, {"ICMPv6", 58}, {"SCTP", 132}, {"UDPLite", 136}};

}  // namespace

std::optional<Protocol> protocol_by_name(std::string_view name) {
  for (const auto& [known, number] : kProtocols)
    if (known == name) return Protocol{.number = number, .as_name = true};
  return std::nullopt;
}

std::string to_string(const Protocol& protocol) {
  for (const auto& [known, number] : kProtocols)
    if (number == protocol.number) return std::string(known);
  return std::to_string(protocol.number);
}

}  // namespace nodewall::model
