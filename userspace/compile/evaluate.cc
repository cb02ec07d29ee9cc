// The image walked in user space.
#include <span>

#include "compile/ports.h"
#include "compile/table_image.h"

using nw_image = std::span<const nw_line>;

static inline const nw_line* nw_image_line(nw_image image, __u32 index) {
  return index < image.size() ? &image[index] : nullptr;
}

#include "maps/policy_walk.h"

namespace nodewall::compile {
namespace {

nw_query query_of(std::uint32_t endpoint, const resolve::PacketQuery& packet) {
  nw_query query{};
  query.is_v4 = packet.source.family == Family::v4 ? 1 : 0;
  query.source_high = query.is_v4 ? 0 : packet.source.high();
  query.source_low = query.is_v4 ? packet.source.v4_host_order() : packet.source.low();
  query.destination_high = query.is_v4 ? 0 : packet.destination.high();
  query.destination_low = query.is_v4 ? packet.destination.v4_host_order() : packet.destination.low();
  query.protocol = packet.protocol;
  if (packet.protocol == (query.is_v4 ? 1 : 58)) {
    query.destination_port = static_cast<__u32>(packet.icmp_type << 8 | packet.icmp_code);
  } else if (has_ports(packet.protocol)) {
    query.source_port = packet.source_port;
    query.destination_port = packet.destination_port;
  }
  query.slot = endpoint;
  query.direction = packet.direction;
  return query;
}

}  // namespace

resolve::Judgement evaluate(const TableImage& image, std::uint32_t endpoint, const resolve::PacketQuery& packet) {
  const auto query = query_of(endpoint, packet);
  nw_answer answer{};
  nw_walk(nw_image(image.lines), &query, &answer);
  resolve::Judgement judgement{.allow = answer.verdict == NW_ALLOW, .reason = answer.reason, .origin = {}};
  if (answer.rule < image.origins.size()) judgement.origin = image.origins[answer.rule];
  return judgement;
}

}  // namespace nodewall::compile
