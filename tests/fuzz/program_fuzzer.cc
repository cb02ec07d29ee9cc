// The whole program, stage after stage, on any frames: XDP, tc ingress and tc egress, with state from one packet to the next.
//
// Input: a byte for the interface (bit 0: no Ethernet header; bit 1: loopback; bit 2: no host endpoint; bit 3: established flows
// are kept; bit 4: damaged image; bit 5: untracked chains; bit 6: forward and preDNAT chains; bit 7: NodePorts, and a limit to logging), then up to 12 packets: a control byte, a place where the frame is split, a length of two bytes, the
// frame. Control: bits 0..1 hook (XDP, tc ingress, tc egress, tc egress of a forwarded packet), bit 2 a tag in metadata, bit 3 several
// segments, bits 4..5 time that passed, bit 6 the other policy goes live.
//
// For each packet: the sanitizers; one reason is counted, once, with the frame's bytes. For the whole: the same packets give the same
// verdicts and reasons when XDP and tc ingress change places and no frame is split.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/ip.h"
#include "input.h"
#include "maps/conntrack.h"
#include "maps/counters.h"
#include "maps/endpoint.h"
#include "maps/failsafe.h"
#include "maps/settings.h"
#include "program.h"
#include "program_policy.h"

namespace {

using namespace nodewall;

constexpr std::size_t kMostPackets = 12;
constexpr std::uint32_t kInterface = 7;
constexpr std::uint32_t kCounter = 3;  // the interface's block of counters
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPauses[] = {0, kSecond / 500, 31 * kSecond, 7200 * kSecond};

enum Hook : std::uint8_t { kXdp, kTcIngress, kTcEgress, kTcForwarded };

struct Packet {
  Hook hook = kXdp;
  bool has_tag = false;
  bool has_segments = false;
  bool changes_policy = false;
  std::uint64_t pause_ns = 0;
  std::size_t split = 0;
  std::span<const std::uint8_t> frame;
};

struct Scene {
  bool is_l3 = false;
  bool is_loopback = false;
  bool is_governed = true;
  bool keeps = false;
  bool is_damaged = false;
  bool has_untracked = false;
  bool has_forward = false;
  bool has_services = false;
  std::vector<Packet> packets;
};

struct Outcome {
  bool allow = false;
  std::uint32_t reason = 0;
  bool operator==(const Outcome&) const = default;
};

Scene scene_from(fuzz::Input& input) {
  Scene scene;
  const auto flags = input.byte();
  scene.is_l3 = flags & 1;
  scene.is_loopback = flags & 2;
  scene.is_governed = !(flags & 4);
  scene.keeps = flags & 8;
  scene.is_damaged = flags & 16;
  scene.has_untracked = flags & 32;
  scene.has_forward = flags & 64;
  scene.has_services = flags & 128;
  while (!input.empty() && scene.packets.size() < kMostPackets) {
    Packet packet;
    const auto control = input.byte();
    packet.hook = static_cast<Hook>(control & 3);
    packet.has_tag = control & 4;
    packet.has_segments = control & 8;
    packet.pause_ns = kPauses[control >> 4 & 3];
    packet.changes_policy = control & 64;
    packet.split = input.byte();
    packet.frame = input.bytes(input.u16());
    if (scene.is_l3 && packet.frame.empty()) continue;  // there is no such packet: nothing says what it would be
    scene.packets.push_back(packet);
  }
  return scene;
}

template <class Key, class Value>
void put(const void* map, const Key& key, const Value& value) {
  fuzz::require(bpf_map_update_elem(map, &key, &value, BPF_ANY) == 0, "the machine's map has room");
}

void put_failsafe() {
  const auto& maps = program_maps;
  nw_failsafe_word ssh{.any = 1ULL << 22, .nets = 0};
  nw_failsafe_word dhcp{.any = 0, .nets = 1ULL << (68 & 63)};
  put(maps.failsafe, nw_failsafe_index(NW_INGRESS, 0, 22), ssh);
  put(maps.failsafe, nw_failsafe_index(NW_EGRESS, 1, 68), dhcp);
  nw_failsafe_key peers{};
  peers.prefixlen = 32 + 96 + 8;
  peers.direction = NW_EGRESS;
  peers.is_udp = 1;
  peers.port_be[1] = 68;
  const std::array<std::uint8_t, 16> ten{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10};
  std::memcpy(peers.peer, ten.data(), ten.size());
  put(maps.failsafe_net, peers, std::uint8_t{1});
}

// The image's chunks as inner maps; damaged: with lines of ones in it.
std::vector<void*> inners_of(const std::vector<nw_line>& image, bool is_damaged) {
  std::vector<void*> inners;
  for (std::size_t begin = 0; begin < image.size(); begin += NW_CHUNK_LINES) {
    nw_chunk chunk{};
    for (std::size_t i = begin; i < std::min<std::size_t>(image.size(), begin + NW_CHUNK_LINES); ++i) {
      nw_line& line = chunk.lines[i - begin];
      line = image[i];
      if (is_damaged && i % 7 == 3) std::memset(&line, 0xff, sizeof(line));
    }
    inners.push_back(machine_add_inner(program_maps.policy, sizeof(nw_chunk), 1));
    put(inners.back(), __u32{0}, chunk);
  }
  return inners;
}

// Into the bank that is not live, and then the word that makes it live.
void put_policy(std::uint32_t generation, bool is_damaged) {
  static const std::vector<void*> images[] = {inners_of(fuzz::program_policy(0), false), inners_of(fuzz::program_policy(1), false),
                                              inners_of(fuzz::program_policy(0), true), inners_of(fuzz::program_policy(1), true)};
  static std::array<std::size_t, NW_BANKS> used{};
  const auto& inners = images[generation % 2 + (is_damaged ? 2 : 0)];
  const nw_live live{.bank = generation % NW_BANKS, .generation = generation};
  for (std::uint32_t i = 0; i < std::max(inners.size(), used[live.bank]); ++i)
    machine_put_inner(program_maps.policy, nw_chunk_entry(live.bank, i), i < inners.size() ? inners[i] : nullptr);
  used[live.bank] = inners.size();
  put(program_maps.live, __u32{0}, live);
}

void put_scene(const Scene& scene, bool has_caches) {
  const auto& maps = program_maps;
  for (const auto* map : {maps.settings, maps.failsafe, maps.failsafe_net, maps.interface, maps.interface_cache, maps.local, maps.local_cache, maps.ct, maps.ct_line, maps.ct_bucket, maps.ct_hint, maps.ct_new,
                          maps.fragment, maps.ct_counter, maps.event_state})
    machine_reset(map);
  nw_settings settings{};
  settings.syn_sent_ns = settings.tcp_established_ns = settings.udp_ns = settings.generic_ns = 60 * kSecond;
  settings.fins_seen_ns = settings.reset_seen_ns = settings.icmp_ns = 5 * kSecond;
  settings.flags = scene.keeps ? NW_SETTING_KEEP_ESTABLISHED : 0;
  if (scene.has_services) {
    settings.service_port_ranges = 1;
    settings.service_ports[0] = {.first = 8050, .last = 8060};
    settings.log_interval_ns = kSecond;
    settings.log_burst = 2;
  }
  put(maps.settings, __u32{0}, settings);
  put_failsafe();
  const nw_interface interface{.endpoint = 0,
                               .counter = kCounter,
                               .flags = (scene.is_l3 ? NW_INTERFACE_L3 : 0) | (scene.is_loopback ? NW_INTERFACE_LOOPBACK : 0) |
                                        (scene.has_untracked ? NW_INTERFACE_UNTRACKED | NW_INTERFACE_STRICT_INGRESS : 0) |
                                        (scene.has_forward ? NW_INTERFACE_FORWARD | NW_INTERFACE_STRICT_INGRESS | NW_INTERFACE_STRICT_EGRESS : 0),
                               .pad = 0};
  if (scene.is_governed) {
    put(maps.interface, kInterface, interface);
    if (has_caches) put(maps.interface_cache, nw_interface_line(kInterface), nw_interface_word(kInterface, &interface));
  }
  for (const auto* text : {"10.0.0.2", "fd00::2"}) {
    nw_addr address{};
    std::memcpy(address.bytes, parse_address(text)->bytes.data(), 16);
    put(maps.local, address, __u32{NW_LOCAL_ADDRESS});
    if (has_caches) put(maps.local_cache, nw_local_line(&address), nw_cached_local{.address = address, .flags = NW_LOCAL_ADDRESS, .pad = {}});
  }
}

// What a device without an Ethernet header says of the packet.
std::uint16_t protocol_of(std::span<const std::uint8_t> frame) {
  const auto version = frame.empty() ? 0 : frame.front() >> 4;
  return __builtin_bswap16(version == 4 ? 0x0800 : version == 6 ? 0x86dd : 0x8847);
}

// The frame as the machine's: each part in a block of its own size.
class Frame {
 public:
  Frame(std::span<const std::uint8_t> bytes, std::size_t linear)
      : linear_(std::make_unique<std::uint8_t[]>(linear)), rest_(std::make_unique<std::uint8_t[]>(bytes.size() - linear)) {
    std::ranges::copy(bytes.first(linear), linear_.get());
    std::ranges::copy(bytes.subspan(linear), rest_.get());
    context.linear = linear_.get();
    context.rest = rest_.get();
    context.linear_length = static_cast<__u32>(linear);
    context.rest_length = static_cast<__u32>(bytes.size() - linear);
  }
  machine_context context{};

 private:
  std::unique_ptr<std::uint8_t[]> linear_, rest_;
};

bool run_hook(const Packet& packet, Frame& frame) {
  auto& context = frame.context;
  if (packet.hook == kXdp) {
    context.as.xdp.ingress_ifindex = kInterface;
    const int answer = nw_xdp_ingress(&context.as.xdp);
    fuzz::require(answer == XDP_PASS || answer == XDP_DROP, "XDP passes or drops");
    return answer == XDP_PASS;
  }
  context.as.skb.ifindex = kInterface;
  context.as.skb.len = static_cast<__u32>(packet.frame.size());
  context.as.skb.protocol = protocol_of(packet.frame);
  context.as.skb.gso_segs = packet.has_segments ? 3 : 0;
  context.as.skb.vlan_present = packet.has_tag ? 1 : 0;
  context.as.skb.ingress_ifindex = packet.hook == kTcForwarded ? 9 : 0;
  const int answer = packet.hook == kTcIngress ? nw_tc_ingress(&context.as.skb) : nw_tc_egress(&context.as.skb);
  fuzz::require(answer == -1 || answer == 2, "tc goes on or drops");
  return answer == -1;
}

const void* counts_of_interfaces() {
  const __u32 first = 0;
  return bpf_map_lookup_elem(program_maps.counter, &first);
}

Outcome run(const Packet& packet, const Scene& scene, bool is_split) {
  machine_reset(counts_of_interfaces());
  const auto size = packet.frame.size();
  Frame frame(packet.frame, is_split ? std::min(packet.split, size) : size);
  Outcome outcome;
  outcome.allow = run_hook(packet, frame);
  const bool is_egress = packet.hook == kTcEgress || packet.hook == kTcForwarded;
  // What staged policies would change is counted beside the reason.
  for (const auto beside : {NW_COUNT_STAGED_DENY, NW_COUNT_STAGED_ALLOW})
    machine_forget(counts_of_interfaces(), nw_counter_index(kCounter, is_egress ? NW_EGRESS : NW_INGRESS, beside));
  std::uint32_t index = 0;
  const auto* count = static_cast<const nw_count*>(machine_only_entry(counts_of_interfaces(), &index));
  if (!scene.is_governed) {
    fuzz::require(!count && outcome.allow, "an interface without host endpoint is left alone");
    return outcome;
  }
  fuzz::require(count != nullptr, "a packet has one reason");
  outcome.reason = index - nw_counter_index(kCounter, is_egress ? NW_EGRESS : NW_INGRESS, 0);
  fuzz::require(outcome.reason != NW_REASON_NONE && outcome.reason < NW_REASON_COUNT, "the reason is one of the list");
  fuzz::require(count->packets == (packet.hook != kXdp && packet.has_segments ? 3U : 1U), "a packet is counted as its segments");
  // Of a frame in several buffers as many as had to be looked for.
  fuzz::require(packet.hook == kXdp ? count->bytes <= size : count->bytes == size, "the frame's bytes are counted");
  return outcome;
}

std::vector<Outcome> run_all(const Scene& scene, bool is_split, bool changes_places) {
  std::vector<Outcome> outcomes;
  std::uint64_t now = 1000 * kSecond;
  std::uint32_t generation = 1;
  put_scene(scene, changes_places);
  put_policy(generation, scene.is_damaged);
  for (auto packet : scene.packets) {
    machine_set_clock(now += packet.pause_ns);
    if (packet.changes_policy) put_policy(++generation, scene.is_damaged);
    if (changes_places && !packet.has_tag && !packet.has_segments && packet.hook <= kTcIngress)
      packet.hook = packet.hook == kXdp ? kTcIngress : kXdp;
    outcomes.push_back(run(packet, scene, is_split));
  }
  return outcomes;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  program_announce_maps();
  for (const auto* map : {program_maps.counter, program_maps.rule_counter})
    machine_put_inner(map, 0, machine_add_inner(map, sizeof(nw_count), NW_PART_COUNTS));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto scene = scene_from(input);
  const auto split = run_all(scene, true, false);
  const auto changed = run_all(scene, false, true);
  for (std::size_t i = 0; i < split.size(); ++i) {
    fuzz::require(split[i] == changed[i], "packet " + std::to_string(i) + ": reason " + std::to_string(split[i].reason) +
                                              " as it came, " + std::to_string(changed[i].reason) + " at the other hook in one piece");
  }
  return 0;
}
