// The tables of an image beside its diagrams: protocols, addresses, endpoints, rules, header.
#include <algorithm>
#include <cstring>

#include "compile/address_tables.h"
#include "compile/compilation.h"

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kMostEndpointSlots = 1U << 20;

}  // namespace

// The protocol's class, or the table of its 65,536 classes when it has several; equal tables are written once.
std::uint32_t Compilation::write_protocol(const PortClasses& ports, std::uint32_t protocol,
                                          std::map<std::vector<std::uint16_t>, std::uint32_t>& tables) {
  const auto& classes = ports.pieces;
  const auto base = protocol << 16;
  auto piece = static_cast<std::size_t>(std::ranges::upper_bound(classes.starts, base) - classes.starts.begin()) - 1;
  if (piece + 1 == classes.starts.size() || classes.starts[piece + 1] >= base + kPorts) return classes.classes[piece];
  std::vector<std::uint16_t> by_port(kPorts);
  for (std::uint32_t port = 0; port < kPorts; ++port) {
    while (piece + 1 < classes.starts.size() && classes.starts[piece + 1] <= (base | port)) ++piece;
    by_port[port] = static_cast<std::uint16_t>(classes.classes[piece]);
  }
  const auto [at, is_new] = tables.try_emplace(std::move(by_port), static_cast<std::uint32_t>(image_.lines.size()));
  if (is_new) {
    const auto bytes = at->first.size() * sizeof(std::uint16_t);
    image_.lines.resize(image_.lines.size() + bytes / NW_LINE_BYTES);
    std::memcpy(&image_.lines[at->second], at->first.data(), bytes);
  }
  return NW_PORT_TABLE | at->second;
}

void Compilation::write_protocols() {
  header_.protocol_base = static_cast<std::uint32_t>(image_.lines.size());
  image_.lines.resize(image_.lines.size() + kProtocols * sizeof(nw_protocol) / NW_LINE_BYTES);
  std::vector<nw_protocol> protocols(kProtocols);
  std::map<std::vector<std::uint16_t>, std::uint32_t> tables;
  for (std::uint32_t i = 0; i < kProtocols; ++i)
    protocols[i] = {.l4 = write_protocol(l4_, i, tables), .source_port = write_protocol(source_ports_, i, tables)};
  std::memcpy(&image_.lines[header_.protocol_base], protocols.data(), protocols.size() * sizeof(nw_protocol));
}

Status Compilation::write_addresses() {
  const auto before = image_.lines.size();
  if (!write_v4(v4_, image_.lines, header_) || !write_v6(v6_, first_v6_, image_.lines, header_))
    return fail(Errc::limit, "the address tables need more than " + std::to_string(NW_MAX_IMAGE_LINES) + " lines of 64 bytes");
  image_.cost.address_bytes = (image_.lines.size() - before) * NW_LINE_BYTES;
  // From here on the tables themselves say which address has which class.
  for (auto* starts : {&v4_.starts, &v4_.classes, &v6_.classes}) *starts = {};
  v6_.starts = {};
  return {};
}

Status Compilation::write_endpoints(const Slots& slots) {
  std::vector<nw_image_endpoint> directory;
  for (std::size_t i = 0; i < resolved_->endpoints.size(); ++i) {
    const auto slot = slots.endpoints.find(resolved_->endpoints[i].host_endpoint);
    if (slot == slots.endpoints.end())
      return fail(Errc::internal, "host endpoint '" + resolved_->endpoints[i].host_endpoint + "' has no slot");
    if (slot->second >= kMostEndpointSlots)
      return fail(Errc::limit, "host endpoint '" + slot->first + "' has slot " + std::to_string(slot->second) + " (at most " +
                                   std::to_string(kMostEndpointSlots - 1) + ")");
    slot_of_endpoint_.push_back(slot->second);
    const auto end = nw_slot_entry(slot->second + 1, 0, 0);
    if (directory.size() < end) directory.resize(end, kUnused);
    for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant)
      for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
        const auto list = lists_of_endpoint_[i][variant][chain];
        if (list == kNoList || entries_[list].default_rule == NW_SLOT_UNUSED) continue;
        directory[nw_slot_entry(slot->second, variant, chain)] = entries_[list];
        header_.chains |= nw_chain_bit(variant, chain);
      }
  }
  header_.endpoint_base = static_cast<std::uint32_t>(image_.lines.size());
  header_.endpoint_slots = static_cast<std::uint32_t>(directory.size() / NW_SLOT_ENTRIES);
  const auto bytes = directory.size() * sizeof(nw_image_endpoint);
  image_.lines.resize(image_.lines.size() + (bytes + NW_LINE_BYTES - 1) / NW_LINE_BYTES);
  if (bytes > 0) std::memcpy(&image_.lines[header_.endpoint_base], directory.data(), bytes);
  return {};
}

// `known`: where the last slot was; most rules follow one another there as here.
Result<std::uint32_t> Compilation::counter_of(const RuleEntry& entry, const Slots& slots,
                                                 std::map<RuleKey, std::uint32_t>::const_iterator& known) const {
  if (!is_counted(entry)) return NW_NO_COUNTER;
  const RuleKey owner{entry.direction, entry.origin};
  if (known != slots.rules.end()) ++known;
  if (known == slots.rules.end() || known->first != owner) known = slots.rules.find(owner);
  if (known == slots.rules.end())
    return fail(Errc::internal, "rule " + std::to_string(entry.origin.rule) + " of '" + entry.origin.policy + "' has no slot");
  if (known->second >= NW_MAX_RULE_COUNTERS)
    return fail(Errc::limit, "policy '" + entry.origin.policy + "', rule " + std::to_string(entry.origin.rule) +
                                 ": too many rules (at most " + std::to_string(NW_MAX_RULE_COUNTERS) + ")");
  return known->second;
}

Status Compilation::write_rules(const Slots& slots) {
  std::vector<nw_image_rule> rules;
  auto known = slots.rules.end();
  for (const auto key : table_.key_by_index()) {
    const auto& entry = table_.entry(key);
    const auto counter = counter_of(entry, slots, known);
    if (!counter) return fail(counter.error());
    rules.push_back({.verdict = entry.verdict,
                     .reason = entry.reason,
                     .staged = static_cast<__u8>(entry.origin.staged ? 1 : 0),
                     .pad = 0,
                     .counter = *counter});
    image_.origins.push_back(entry.origin);
  }
  header_.rule_base = static_cast<std::uint32_t>(image_.lines.size());
  header_.rule_count = static_cast<std::uint32_t>(rules.size());
  const auto bytes = rules.size() * sizeof(nw_image_rule);
  image_.lines.resize(image_.lines.size() + (bytes + NW_LINE_BYTES - 1) / NW_LINE_BYTES);
  if (bytes > 0) std::memcpy(&image_.lines[header_.rule_base], rules.data(), bytes);
  return {};
}

// NW_NEEDS_* of all chains, by direction.
std::uint32_t Compilation::needs() const {
  std::uint32_t needs = 0;
  for (std::size_t list = 0; list < lists_.size(); ++list) {
    unsigned dimensions = 0;
    for (const auto edge : roots_[list].edges())
      if (is_node(edge)) dimensions |= diagrams_->node(edge).looks_at;
    const auto looks_at = [&](unsigned dimension) { return dimensions >> dimension & 1U; };
    needs |= (looks_at(NW_DIM_SOURCE) * NW_NEEDS_SOURCE | looks_at(NW_DIM_DESTINATION) * NW_NEEDS_DESTINATION) << lists_[list].direction * 2;
  }
  return needs;
}

void Compilation::write_header() {
  header_.magic = NW_MAGIC;
  header_.version = NW_IMAGE_VERSION;
  header_.line_count = static_cast<std::uint32_t>(lines_.size());
  header_.needs = needs();
  lines_.write(0, &header_, sizeof(header_));
  image_.cost.bytes = lines_.size() * NW_LINE_BYTES;
}

}  // namespace nodewall::compile
