#include "worst.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "feeder.h"
#include "report.h"

namespace nodewall::bench {
namespace {

constexpr std::size_t kDenied = 1024, kFinalists = 32, kMedianOf = 256;
constexpr std::uint32_t kRough = 400, kExact = 4000;
constexpr int kPasses = 5;
using Random = std::mt19937_64;

std::string text_of(const resolve::PacketQuery& packet) {
  return fmt::format("{}:{} to {}:{}, protocol {}", to_string(packet.source), packet.source_port, to_string(packet.destination), packet.destination_port,
                     packet.protocol);
}

// The rule's source and destination, and a port beside its ports: every table but the last says yes.
resolve::PacketQuery near_miss(Random& random, const PlainRule& rule, resolve::PacketQuery packet) {
  if (rule.source) packet.source = rule.source->address;
  if (rule.destination) packet.destination = rule.destination->address;
  if (rule.protocol != 0) packet.protocol = rule.protocol;
  packet.destination_port = static_cast<std::uint16_t>(random() % 2 == 0 ? rule.destination_ports.last + 1 : rule.destination_ports.first - 1);
  packet.source_port = static_cast<std::uint16_t>(1 + random() % 65535);
  return packet;
}

// The frame with `bytes` inserted at `at`.
Frame with(const Frame& frame, std::size_t at, const std::vector<std::uint8_t>& bytes) {
  Frame out = frame;
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin(), bytes.end());
  return out;
}

void add16(Frame& frame, std::size_t at, unsigned more) {
  const unsigned sum = (static_cast<unsigned>(frame[at]) << 8 | frame[at + 1]) + more;
  frame[at] = static_cast<std::uint8_t>(sum >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(sum);
}

Frame two_tags(const Frame& frame) { return with(frame, 12, {0x88, 0xa8, 0x00, 0x01, 0x81, 0x00, 0x00, 0x02}); }

Frame v4_options(const Frame& frame) {
  Frame out = with(frame, 34, std::vector<std::uint8_t>(40, 1));  // no-operation
  out[14] = 0x4f;
  add16(out, 16, 40);
  return out;
}

// Destination options in front of the transport header, as often as the space that is written of a frame allows.
Frame v6_extensions(const Frame& frame, unsigned count) {
  Frame out = frame;
  const std::uint8_t transport = frame[20];
  for (unsigned i = 0; i < count; ++i) out = with(out, 54, {i == 0 ? transport : std::uint8_t{60}, 0, 1, 4, 0, 0, 0, 0});
  if (count > 0) out[20] = 60;
  add16(out, 18, count * 8);
  return out;
}

std::vector<Candidate> shapes(const Workload& workload, const resolve::PacketQuery& packet) {
  const bool v4 = workload.family == Family::v4;
  const Frame plain = to_frame(packet, 0);
  std::vector<Candidate> all{{two_tags(plain), "two VLAN tags, " + text_of(packet)}};
  if (v4) all.push_back({v4_options(plain), "40 bytes of options, " + text_of(packet)});
  else
    for (const unsigned count : {1U, 4U, 6U}) all.push_back({v6_extensions(plain, count), fmt::format("{} extension headers, {}", count, text_of(packet))});
  resolve::PacketQuery error = packet;
  error.protocol = v4 ? 1 : 58;
  error.icmp_type = v4 ? 3 : 1;
  all.push_back({to_frame(error, 0), "an ICMP error, " + text_of(packet)});
  resolve::PacketQuery segment = packet;
  segment.protocol = 6;
  segment.tcp_flags = 0x10;
  all.push_back({to_frame(segment, 0), "a segment of no flow, " + text_of(packet)});
  if (!v4) return all;
  for (const bool later : {false, true}) {
    Frame fragment = plain;
    if (later) fragment[21] = 0x08;
    else fragment[20] = 0x20;
    all.push_back({fragment, (later ? "a later fragment, " : "a first fragment, ") + text_of(packet)});
  }
  return all;
}

}  // namespace

std::vector<Candidate> worst_candidates(const Workload& workload, const std::vector<resolve::PacketQuery>& local, std::uint64_t seed) {
  std::vector<Candidate> candidates;
  const auto denied = make_packets(workload, Hit::none, kDenied, seed + 2);
  if (!denied) return candidates;
  Random random(seed);
  // Only what goes to an address of the node is judged to the end.
  const auto to_node = [&](resolve::PacketQuery packet) {
    packet.destination = local[random() % local.size()].destination;
    return packet;
  };
  for (auto packet : *denied) {
    packet = to_node(packet);
    candidates.push_back({to_frame(packet, 0), text_of(packet)});
    if (workload.rules.empty()) continue;
    const auto near = to_node(near_miss(random, workload.rules[random() % workload.rules.size()], packet));
    candidates.push_back({to_frame(near, 0), text_of(near)});
  }
  for (std::size_t i = 0; i < 16; ++i)
    for (auto& candidate : shapes(workload, to_node((*denied)[i]))) candidates.push_back(std::move(candidate));
  for (auto& candidate : candidates) candidate.frame.resize(128);
  return candidates;
}

Result<Worst> measure_worst(const Lab& lab, const Engine& engine, bool xdp, const std::vector<Candidate>& candidates) {
  if (candidates.size() < kMedianOf) return fail(Errc::not_found, "too few denied packets");
  auto feeder = Feeder::make(lab, {.frames = {candidates.front().frame}}, xdp);
  if (!feeder) return fail(feeder.error());
  const Fd program = engine.program();
  const int drop = lab.program(xdp ? "xdp_drop" : "tc_drop");
  // What disturbs a measurement only ever makes it dearer: the least counts.
  std::vector<double> least(candidates.size(), 1e18);
  const auto pass = [&](const std::vector<std::size_t>& which, std::uint32_t repeat) -> Status {
    std::vector<const Frame*> frames;
    for (const auto i : which) frames.push_back(&candidates[i].frame);
    const auto ns = feeder->time_each(program.get(), frames, repeat);
    if (!ns) return fail(ns.error());
    for (std::size_t i = 0; i < which.size(); ++i) least[which[i]] = std::min(least[which[i]], (*ns)[i]);
    return {};
  };
  std::vector<std::size_t> all(candidates.size());
  std::iota(all.begin(), all.end(), 0U);
  for (int i = 0; i < 2; ++i)
    if (auto done = pass(all, kRough); !done) return fail(done.error());
  std::ranges::stable_sort(all, [&](auto a, auto b) { return least[a] > least[b]; });
  std::vector<std::size_t> again(all.begin(), all.begin() + kFinalists), middle;
  // The median is one of plain denied packets, which come first.
  for (std::size_t i = 0; i < kMedianOf; ++i) middle.push_back(i * kDenied / kMedianOf % candidates.size());
  for (const auto& group : {again, middle}) {
    for (const auto i : group) least[i] = 1e18;
  }
  for (int i = 0; i < kPasses; ++i)
    for (const auto& group : {again, middle})
      if (auto done = pass(group, kExact); !done) return fail(done.error());
  auto nothing = feeder->time(drop, kExact * 8);
  if (!nothing) return fail(nothing.error());
  std::vector<double> ordinary;
  for (const auto i : middle) ordinary.push_back(least[i]);
  const auto worst = *std::ranges::max_element(again, [&](auto a, auto b) { return least[a] < least[b]; });
  return Worst{.of_median = least[worst] / std::max(1.0, median(ordinary)),
               .text = fmt::format("{:.0f} ns of {:.0f} in the median, {:.0f} with a program that does nothing: {}", least[worst], median(ordinary), *nothing,
                                   candidates[worst].text)};
}

}  // namespace nodewall::bench
