#include "engine/packet_event.h"

#include <arpa/inet.h>

#include <algorithm>
#include <ctime>

#include "oracle/oracle.h"

namespace nodewall::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

bool has_ports(std::uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
}

// `is_v4`: both ends are, else neither is.
Address address_of(const nw_addr& from, bool is_v4) {
  Address address;
  std::copy_n(from.bytes, 16, address.bytes.begin());
  address.family = is_v4 ? Family::v4 : Family::v6;
  return address;
}

bool is_v4_mapped(const nw_addr& from) {
  const auto mapped = Address::v4(0);
  return std::equal(mapped.bytes.begin(), mapped.bytes.begin() + 12, from.bytes);
}

resolve::PacketQuery query_of(const PacketEvent& event) {
  resolve::PacketQuery query;
  query.interface = event.interface;
  query.direction = event.direction;
  query.source = event.source;
  query.destination = event.destination;
  query.protocol = event.protocol;
  query.source_port = event.source_port;
  query.destination_port = event.destination_port;
  query.icmp_type = event.icmp_type;
  query.icmp_code = event.icmp_code;
  query.tcp_flags = event.tcp_flags;
  query.forwarded = event.forwarded;
  return query;
}

void explain(PacketEvent& event, std::uint32_t counter, const EventContext& context) {
  const auto known = context.names->rules.find(counter);
  if (known != context.names->rules.end()) event.origin = known->second;
  const auto endpoint = std::ranges::find(context.applied->endpoints, event.host_endpoint,
                                          &resolve::EndpointPolicy::host_endpoint);
  if (endpoint == context.applied->endpoints.end()) return;
  event.log_rules = oracle::log_rules(*context.applied, endpoint->chains[event.chain], query_of(event));
}

}  // namespace

Moment moment_now() {
  timespec wall{}, monotonic{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return {.wall_ns = wall.tv_sec * kSecond + wall.tv_nsec,
          .monotonic_ns = static_cast<std::uint64_t>(monotonic.tv_sec * kSecond + monotonic.tv_nsec)};
}

std::int64_t wall_time(const Moment& now, std::uint64_t monotonic_ns) {
  if (monotonic_ns >= now.monotonic_ns) return now.wall_ns;
  const auto age = static_cast<std::int64_t>(std::min<std::uint64_t>(now.monotonic_ns - monotonic_ns, INT64_MAX));
  return now.wall_ns > age ? now.wall_ns - age : 0;
}

PacketEvent packet_event(const nw_event& raw, const EventContext& context) {
  const bool is_v4 = is_v4_mapped(raw.source) && is_v4_mapped(raw.destination);
  const bool ports = has_ports(raw.protocol);
  PacketEvent event;
  event.time_ns = wall_time(context.now, raw.time_ns);
  event.interface = context.interface.empty() ? "#" + std::to_string(raw.ifindex) : context.interface;
  event.host_endpoint = context.host_endpoint;
  event.direction = raw.direction;
  event.source = address_of(raw.source, is_v4);
  event.destination = address_of(raw.destination, is_v4);
  event.protocol = raw.protocol;
  event.source_port = ports ? ntohs(raw.source_port_be) : std::uint16_t{0};
  event.destination_port = ports ? ntohs(raw.destination_port_be) : std::uint16_t{0};
  const bool icmp = raw.protocol == (is_v4 ? 1 : 58);
  event.icmp_type = icmp ? raw.icmp_type : std::uint8_t{0};
  event.icmp_code = icmp ? raw.icmp_code : std::uint8_t{0};
  event.tcp_flags = raw.protocol == 6 ? raw.tcp_flags : std::uint8_t{0};
  event.length = raw.length;
  event.allow = raw.verdict == NW_ALLOW;
  event.reason = raw.reason;
  event.forwarded = raw.forwarded != 0;
  event.chain = raw.chain;
  event.generation = raw.generation;
  const bool known = context.applied && context.names && raw.generation != 0 &&
                     raw.generation == context.names->generation;
  if (known) explain(event, raw.counter, context);
  return event;
}

}  // namespace nodewall::engine
