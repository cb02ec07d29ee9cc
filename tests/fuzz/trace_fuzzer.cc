// A line of `trace --batch`, and a facts file. A packet that is taken has a frame that carries it.
#include <nlohmann/json.hpp>

#include "engine/frame.h"
#include "engine/packet_json.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  const auto json = nlohmann::json::parse(fuzz::Input(data, size).text(), nullptr, false);
  const auto packet = engine::packet_from_json(json);
  if (packet) {
    const auto frame = engine::build_frame(*packet);
    const auto without = engine::build_l3_packet(*packet);
    fuzz::require(packet->source.family == packet->destination.family, "both addresses are of one family");
    fuzz::require(frame.size() == without.size() + 14, "a frame is an Ethernet header and the packet");
  } else {
    fuzz::require(!packet.error().message().empty(), "an error has words");
  }
  const auto facts = engine::facts_from_json(json, "node1");
  if (!facts) fuzz::require(!facts.error().message().empty(), "an error has words");
  return 0;
}
