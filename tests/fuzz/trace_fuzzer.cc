// A line of `trace --batch`, and a facts file. A packet that is taken has a frame that carries it: addresses, ports, lengths and checksum
// are where the wire has them.
#include <nlohmann/json.hpp>

#include "engine/frame.h"
#include "engine/packet_json.h"
#include "input.h"

namespace {

using namespace nodewall;
using Bytes = std::span<const std::uint8_t>;

std::size_t u16_at(Bytes bytes, std::size_t at) { return static_cast<std::size_t>(bytes[at] << 8 | bytes[at + 1]); }

bool has_address(Bytes bytes, std::size_t at, const Address& address) {
  const auto wire = Bytes(address.bytes).subspan(address.family == Family::v4 ? 12 : 0);
  return std::ranges::equal(bytes.subspan(at, wire.size()), wire);
}

void carries(Bytes l3, const resolve::PacketQuery& packet) {
  const bool v4 = packet.source.family == Family::v4;
  const std::size_t header = v4 ? 20 : 40, addresses = v4 ? 12 : 8;
  fuzz::require(l3.size() >= header + 8 && l3[0] == (v4 ? 0x45 : 0x60), "a packet has its header");
  fuzz::require(u16_at(l3, v4 ? 2 : 4) == l3.size() - (v4 ? 0 : header), "a packet says its length");
  fuzz::require(l3[v4 ? 9 : 6] == packet.protocol, "a packet says its protocol");
  fuzz::require(!v4 || engine::internet_checksum(l3.first(header)) == 0, "a packet's checksum is right");
  fuzz::require(has_address(l3, addresses, packet.source), "a packet has its source");
  fuzz::require(has_address(l3, (addresses + header) / 2, packet.destination), "a packet has its destination");
  if (packet.protocol != 6 && packet.protocol != 17) return;
  fuzz::require(u16_at(l3, header) == packet.source_port && u16_at(l3, header + 2) == packet.destination_port, "a packet has its ports");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = nlohmann::json::parse(fuzz::Input(data, size).text(), nullptr, false);
  const auto packet = engine::packet_from_json(json);
  if (packet) {
    const auto frame = engine::build_frame(*packet);
    const auto without = engine::build_l3_packet(*packet);
    fuzz::require(packet->source.family == packet->destination.family, "both addresses are of one family");
    fuzz::require(frame.size() == without.size() + 14 && std::ranges::equal(Bytes(frame).subspan(14), without),
                  "a frame is an Ethernet header and the packet");
    carries(without, *packet);
  } else {
    fuzz::require(!packet.error().message().empty(), "an error has words");
  }
  const auto facts = engine::facts_from_json(json, "node1");
  if (!facts) fuzz::require(!facts.error().message().empty(), "an error has words");
  else fuzz::require(std::ranges::is_sorted(facts->interfaces, {}, &resolve::InterfaceFacts::name), "interfaces are in order");
  return 0;
}
