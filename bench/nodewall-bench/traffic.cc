#include "traffic.h"

#include <fmt/format.h>

#include <algorithm>

namespace nodewall::bench {
namespace {

constexpr std::uint8_t kAck = 0x10;

Hit hit_of(const std::string& what) {
  if (what == "first") return Hit::first;
  if (what == "last") return Hit::last;
  return what == "new" || what == "established" ? Hit::any : Hit::none;
}

std::vector<std::uint32_t> reasons_of(const std::string& what) {
  if (what.starts_with("denied")) return {NW_REASON_POLICY, NW_REASON_TIER_DEFAULT, NW_REASON_NO_PROFILE};
  if (what == "established") return {NW_REASON_ESTABLISHED};
  if (what == "mixed") return {NW_REASON_POLICY, NW_REASON_TIER_DEFAULT, NW_REASON_NO_PROFILE, NW_REASON_ESTABLISHED};
  if (what == "failsafe") return {NW_REASON_FAILSAFE};
  if (what == "not-ip") return {NW_REASON_NOT_IP};
  if (what == "malformed") return {NW_REASON_SHORT, NW_REASON_MALFORMED};
  if (what == "martian") return {NW_REASON_MARTIAN};
  return {NW_REASON_POLICY};  // first, last, new
}

// Packets that every policy is given alike: those of the workload that would be denied, changed so that another stage decides.
void bend(const std::string& what, Family family, resolve::PacketQuery& packet) {
  if (what == "martian") packet.source = family == Family::v4 ? Address::v4(0x7f000001) : Address{.bytes = {0xff, 0x02}, .family = Family::v6};
  if (what != "failsafe") return;
  packet.protocol = 6;
  packet.destination_port = 22;
}

void bend(const std::string& what, Family family, Frame& frame) {
  if (what == "not-ip") frame[12] = 0x08, frame[13] = 0x06;  // ARP
  if (what == "malformed") frame[family == Family::v4 ? 16 : 18] = 0x7f;  // longer than the frame
}

bool makes_flows(const std::string& what) { return what == "first" || what == "last" || what == "new" || what == "failsafe"; }

Result<std::vector<resolve::PacketQuery>> packets_of(const std::string& what, const Workload& workload, std::size_t count, std::uint64_t seed) {
  const std::uint8_t protocol = what == "denied-udp" ? 17 : what == "denied-tcp" || what == "denied-ack" ? 6 : 0;
  auto packets = make_packets(workload, hit_of(what), count, seed + 1, protocol);
  if (packets || !(what == "not-ip" || what == "malformed" || what == "martian" || what == "failsafe")) return packets;
  return make_packets(workload, Hit::any, count, seed + 1);  // a policy that denies nothing
}

}  // namespace

Result<Traffic> make_traffic(const std::string& what, const Workload& workload, std::size_t flows, std::uint32_t frame_bytes, std::uint64_t seed) {
  Traffic traffic{.name = what, .packets = {}, .flows = {}, .stream = {}, .passes = Passes::none, .reasons = reasons_of(what)};
  auto packets = packets_of(what, workload, flows, seed);
  if (!packets) return fail(packets.error());
  traffic.packets = std::move(*packets);
  if (what == "established" || makes_flows(what) || what == "not-ip") traffic.passes = Passes::all;
  if (what == "mixed") {
    traffic.passes = Passes::half;
    const auto known = make_packets(workload, Hit::any, flows, seed + 1);
    if (!known) return fail(known.error());
    for (std::size_t i = 1; i < flows; i += 2) traffic.packets[i] = (*known)[i];
  }
  for (std::size_t i = 0; i < traffic.packets.size(); ++i) {
    auto& packet = traffic.packets[i];
    bend(what, workload.family, packet);
    if (what == "denied-ack") packet.tcp_flags = kAck;
    if (what == "established" || (what == "mixed" && i % 2 == 1)) {
      packet.tcp_flags = kAck;
      traffic.flows.push_back(packet);
    }
    traffic.stream.frames.push_back(to_frame(packet, frame_bytes));
    bend(what, workload.family, traffic.stream.frames.back());
  }
  same_length(traffic.stream.frames);
  if (makes_flows(what)) traffic.stream.vary_at = source_port_at(workload.family);
  return traffic;
}

Status check_reasons(const std::string& engine, const Traffic& traffic, const ReasonCounts& before, const ReasonCounts& after, double least_share) {
  if (after.empty() || before.size() != after.size()) return {};
  std::uint64_t all = 0, right = 0, most = 0;
  std::uint32_t wrong = NW_REASON_NONE;
  for (std::uint32_t reason = 0; reason < NW_REASON_COUNT; ++reason) {
    const auto packets = after[reason] - before[reason];
    all += packets;
    if (std::ranges::find(traffic.reasons, reason) != traffic.reasons.end()) right += packets;
    else if (packets > most) most = packets, wrong = reason;
  }
  if (all > 0 && static_cast<double>(right) >= least_share * static_cast<double>(all)) return {};
  return fail(Errc::internal, fmt::format("{}: wrong reason: of {} '{}' packets {} were counted as they must be, {} under '{}'", engine, all, traffic.name,
                                          right, most, resolve::reason_name(wrong)));
}

}  // namespace nodewall::bench
