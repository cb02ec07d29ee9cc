// Compilation::update(): what becomes of the classes, and of the tables that say which address or port has which.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "compile/address_patch.h"
#include "compile/compilation.h"

namespace nodewall::compile {
namespace {

constexpr std::size_t kMostNewMembers = 4096;  // of a set that is new

// Where members of IPv4 stand among those of IPv6.
constexpr Address kMappedV4{.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, .family = Family::v6};

Cidr shorter(const Cidr& net, std::uint8_t prefix) { return Cidr{net.address, prefix}.masked(); }

// Does a member of the sorted list cover the network, other than itself, or the network a member?
bool overlaps(const CidrList& members, const Cidr& net) {
  for (std::uint8_t prefix = 0; prefix < net.prefix; ++prefix) {
    const auto wide = shorter(net, prefix);
    const auto* found = members.at_or_after(wide);
    if (found != nullptr && *found == wide) return true;
  }
  if (net.contains(kMappedV4)) return true;  // IPv4 members stand between: not looked at
  const auto* next = members.after(net);
  return next != nullptr && net.contains(next->address);
}

Uint128 last_of(const Cidr& net) {
  Uint128 value = 0;
  for (const auto byte : net.address.bytes) value = value << 8 | byte;
  const unsigned hosts = (net.address.family == Family::v4 ? 32U : 128U) - net.prefix;
  return hosts == 128 ? ~Uint128{0} : value | ((Uint128{1} << hosts) - 1);
}

Uint128 first_of(const Cidr& net) {
  Uint128 value = 0;
  for (const auto byte : net.address.bytes) value = value << 8 | byte;
  return value;
}

void mark(std::vector<bool>& marks, std::uint32_t number, std::size_t count) {
  marks.resize(count);
  marks[number] = true;
}

std::uint8_t family_bit(const Cidr& net) { return net.address.family == Family::v4 ? kV4 : kV6; }

}  // namespace

bool Compilation::move_addresses(const Cidr& network, SetId set, bool into) {
  const auto net = network.masked();
  const bool v4 = net.address.family == Family::v4;
  const auto first = v4 ? 0 : first_v6_, last = v4 ? first_v6_ - 1 : addresses_.count - 1;
  std::unordered_map<std::uint32_t, std::uint32_t> known;
  bool failed = false;
  const AddressPatch::Rename rename = [&](std::uint32_t id) {
    if (contains(addresses_.sets[set], id) == into) return id;
    const auto [at, is_new] = known.try_emplace(id, id);
    if (!is_new) return at->second;
    const auto other = addresses_.moved(id, set, first, last);
    failed = failed || !other;
    return at->second = other.value_or(id);
  };
  AddressPatch patch(lines_, header_);
  const bool done = v4 ? patch.rename_v4(static_cast<std::uint32_t>(first_of(net)), static_cast<std::uint32_t>(last_of(net)), rename)
                       : patch.rename_v6(first_of(net), last_of(net), rename);
  return done && !failed;
}

// A rule was read as one that looks at some families only, by what members its sets have: that has to stay so.
bool Compilation::change_members(const SetChange& change) {
  const auto& networks = predicates_.networks;
  if (!networks.is_plain(change.set)) return false;
  for (const auto& net : change.members.gone)
    if ((networks.all(change.set) & family_bit(net)) != 0) return false;
  for (const auto& net : change.members.fresh)
    if ((networks.some(change.set) & family_bit(net)) == 0 || overlaps(*change.now, net)) return false;
  if (change.set >= used_sets_.size() || !used_sets_[change.set]) return true;  // no class depends on it
  for (const auto& net : change.members.gone)
    if (!move_addresses(net, change.set, false)) return false;
  for (const auto& net : change.members.fresh)
    if (!move_addresses(net, change.set, true)) return false;
  return true;
}

// Sets that only rules look at that are others now. They begin without members.
bool Compilation::use_new_sets(std::size_t first_side, const resolve::Resolved& next) {
  addresses_.sets.resize(predicates_.networks.size());
  used_sets_.resize(predicates_.networks.size(), false);
  const auto& ids = predicates_.networks.ids();
  for (auto side = first_side; side < predicates_.sides.size(); ++side)
    for (const auto* sets : {&predicates_.sides[side].in, &predicates_.sides[side].not_in})
      for (const auto set : *sets) {
        if (used_sets_[set]) continue;
        used_sets_[set] = true;
        const auto& members = next.sets[static_cast<std::size_t>(std::ranges::find(ids, set) - ids.begin())].members;
        if (members.size() > kMostNewMembers) return false;
        for (const auto& net : members)
          if (!move_addresses(net, set, true)) return false;
      }
  return true;
}

// Which predicates other classes satisfy than before. Predicates that are new are nowhere yet.
DirtyPredicates Compilation::refresh_classes(std::size_t first_side) {
  DirtyPredicates dirty;
  const auto sets = addresses_.take_dirty();
  const auto is_dirty = [&](SetId set) { return std::ranges::binary_search(sets, set); };
  auto& sides = dirty[NW_DIM_SOURCE];
  for (PredicateId side = 0; side < first_side && !sets.empty(); ++side) {
    const auto& predicate = predicates_.sides[side];
    if (std::ranges::none_of(predicate.in, is_dirty) && std::ranges::none_of(predicate.not_in, is_dirty)) continue;
    auto runs = side_classes(predicate);
    if (runs == classes_.sides[side]) continue;
    classes_.sides[side] = std::move(runs);
    mark(sides, side, predicates_.sides.size());
  }
  dirty[NW_DIM_DESTINATION] = sides;
  for (auto side = first_side; side < predicates_.sides.size(); ++side) classes_.sides.push_back(side_classes(predicates_.sides[side]));
  for (const auto predicate : l4_.table.take_dirty()) mark(dirty[NW_DIM_L4], predicate, predicates_.l4.size());
  for (const auto predicate : source_ports_.table.take_dirty()) mark(dirty[NW_DIM_SOURCE_PORT], predicate, predicates_.source_ports.size());
  return dirty;
}

bool Compilation::use_new_ports(PortClasses& ports, std::span<const PortIntervals> predicates) {
  for (auto predicate = ports.table.sets.size(); predicate < predicates.size(); ++predicate)
    if (!split_ports(ports, predicates[predicate])) return false;
  return true;
}

// Cuts the classes that the predicate tells apart, and adds its own.
bool Compilation::split_ports(PortClasses& ports, const PortIntervals& intervals) {
  auto& [pieces, table] = ports;
  const auto piece_at = [&](std::uint64_t start) {  // the piece that begins there; one is cut if need be
    const auto place = std::ranges::lower_bound(pieces.starts, start) - pieces.starts.begin();
    const auto at = static_cast<std::size_t>(place);
    if (start == std::uint64_t{kProtocols} * kPorts || (at < pieces.starts.size() && pieces.starts[at] == start)) return at;
    pieces.starts.insert(pieces.starts.begin() + place, static_cast<std::uint32_t>(start));
    pieces.classes.insert(pieces.classes.begin() + place, pieces.classes[at - 1]);
    return at;
  };
  std::vector<std::uint32_t> inside, protocols;
  for (const auto& it : intervals) {
    const auto end_value = std::uint64_t{it.last} + 1;
    (void)piece_at(it.first);
    const auto end = std::min(piece_at(end_value), pieces.starts.size());
    for (auto i = piece_at(it.first); i < end; ++i) inside.push_back(pieces.classes[i]);
  }
  std::ranges::sort(inside);
  inside.erase(std::unique(inside.begin(), inside.end()), inside.end());
  std::vector<bool> within(pieces.starts.size(), false), stays(table.count, false);
  for (const auto& it : intervals)
    for (auto i = piece_at(it.first); i < pieces.starts.size() && pieces.starts[i] <= it.last; ++i) within[i] = true;
  for (std::size_t i = 0; i < pieces.starts.size(); ++i)
    if (!within[i]) stays[pieces.classes[i]] = true;
  std::unordered_map<std::uint32_t, std::uint32_t> renamed;
  for (auto& id : inside) {
    if (!stays[id]) continue;
    const auto twin = table.twin(id, 0, table.count - 1);
    if (!twin) return false;
    renamed[id] = *twin;
    id = *twin;
  }
  for (std::size_t i = 0; i < pieces.starts.size(); ++i) {
    const auto found = within[i] ? renamed.find(pieces.classes[i]) : renamed.end();
    if (found == renamed.end()) continue;
    pieces.classes[i] = found->second;
    const auto end = i + 1 < pieces.starts.size() ? pieces.starts[i + 1] - 1 : kProtocols * kPorts - 1;
    for (auto protocol = pieces.starts[i] >> 16; protocol <= end >> 16; ++protocol)
      if (protocols.empty() || protocols.back() != protocol) protocols.push_back(protocol);
  }
  table.add_set(std::move(inside));
  return std::ranges::all_of(protocols, [&](std::uint32_t protocol) { return write_ports(ports, protocol); });
}

// The protocol's classes by port, where they stand or, if its table is not its own, in a new one.
bool Compilation::write_ports(const PortClasses& ports, std::uint32_t protocol) {
  const auto& pieces = ports.pieces;
  std::vector<nw_protocol> fields(kProtocols);
  std::memcpy(fields.data(), &lines_.at(header_.protocol_base), fields.size() * sizeof(nw_protocol));
  auto& field = &ports == &l4_ ? fields[protocol].l4 : fields[protocol].source_port;
  auto piece = static_cast<std::size_t>(std::ranges::upper_bound(pieces.starts, protocol << 16) - pieces.starts.begin()) - 1;
  std::vector<std::uint16_t> by_port(kPorts);
  for (std::uint32_t port = 0; port < kPorts; ++port) {
    while (piece + 1 < pieces.starts.size() && pieces.starts[piece + 1] <= (protocol << 16 | port)) ++piece;
    by_port[port] = static_cast<std::uint16_t>(pieces.classes[piece]);
  }
  if (std::ranges::adjacent_find(by_port, std::not_equal_to()) == by_port.end()) {
    if ((field & NW_PORT_TABLE) != 0) return false;  // classes are never joined
    field = by_port[0];
  } else {
    const auto uses = std::ranges::count(fields, field, &nw_protocol::l4) + std::ranges::count(fields, field, &nw_protocol::source_port);
    if ((field & NW_PORT_TABLE) == 0 || uses > 1) {
      const auto line = lines_.take(kPorts * sizeof(std::uint16_t) / NW_LINE_BYTES);
      if (line == 0) return false;
      field = NW_PORT_TABLE | line;
    }
    lines_.write(field & ~NW_PORT_TABLE, by_port.data(), kPorts * sizeof(std::uint16_t));
  }
  lines_.write(header_.protocol_base, fields.data(), fields.size() * sizeof(nw_protocol));
  return true;
}

}  // namespace nodewall::compile
