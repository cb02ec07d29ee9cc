#include "engine/header_axes.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace nodewall::engine {
namespace {

using compile::ClassBlocks;
using compile::ImageReader;
using compile::kFaultClass;

constexpr std::uint64_t kMostMoves = std::uint64_t{1} << 31;  // numbers copied while the address space is swept
constexpr std::uint32_t kMostPort = 0xffff;

Uint128 greatest(Family family) { return family == Family::v4 ? Uint128{0xffffffffU} : ~Uint128{0}; }

std::vector<Span> spans_of_sets(const resolve::Resolved& resolved, Family family) {
  std::vector<Span> spans;
  const unsigned bits = family == Family::v4 ? 32 : 128;
  for (std::uint32_t set = 0; set < resolved.sets.size(); ++set)
    for (const auto& member : resolved.sets[set].members) {
      if (member.address.family != family) continue;
      const auto first = compile::position_of(member.masked().address);
      const auto inside = member.prefix == 0 ? greatest(family) : (Uint128{1} << (bits - member.prefix)) - 1;
      spans.push_back({first, first | inside, set});
    }
  return spans;
}

// Which address stands for its class: one that a person recognises, and that policy is asked about.
class Representatives {
 public:
  Representatives(const resolve::Resolved& resolved, Family family) : family_(family) {
    for (const auto& address : resolved.local_addresses)
      if (address.family == family) own_.push_back(compile::position_of(address));
    std::ranges::sort(own_);
  }

  void add_boundaries(std::vector<Uint128>& starts) const {
    for (const auto own : own_) {
      starts.push_back(own);
      if (own != greatest(family_)) starts.push_back(own + 1);
    }
    if (family_ == Family::v4) starts.push_back(kUsualV4);
    else starts.push_back(kUsualV6);
  }
  [[nodiscard]] unsigned rank(Uint128 position) const {
    if (std::ranges::binary_search(own_, position)) return 2;
    if (family_ == Family::v4) return position >= kUsualV4 && position >> 24 != 127 && position < Uint128{0xe0000000U} ? 1 : 0;
    return position >= kUsualV6 && position >> 120 != 0xff ? 1 : 0;
  }

 private:
  static constexpr Uint128 kUsualV4 = 0x01000000U;
  static constexpr Uint128 kUsualV6 = Uint128{0x2000} << 112;
  Family family_;
  std::vector<Uint128> own_;
};

class AddressSweep {
 public:
  AddressSweep(const resolve::Resolved& resolved, const ImageReader& image) : resolved_(resolved), image_(image) {}

  Status run(Family family) {
    Sweep sweep(spans_of_sets(resolved_, family));
    const Representatives representatives(resolved_, family);
    auto boundaries = sweep.boundaries(greatest(family));
    representatives.add_boundaries(boundaries);
    const auto starts = image_.regions(family, boundaries);
    if (!starts) return fail(starts.error());
    found_.regions += starts->size();
    std::uint64_t moved = ~std::uint64_t{0}, copied = 0;
    std::uint32_t membership = 0;
    for (const auto start : *starts) {
      const auto& active = sweep.at(start);
      if (sweep.moved() != moved) {
        moved = sweep.moved();
        copied += active.size();
        if (copied + moved > kMostMoves) return fail(Errc::limit, "too many overlapping networks to verify");
        membership = number_of(active);
      }
      add(family, image_.address_class(family, start), membership, start, representatives.rank(start));
    }
    return {};
  }

  AddressClasses take() { return std::move(found_); }

 private:
  std::uint32_t number_of(const Numbers& sets) {
    const auto [known, is_new] = numbers_.try_emplace(sets, static_cast<std::uint32_t>(found_.memberships.size()));
    if (is_new) found_.memberships.push_back(sets);
    return known->second;
  }

  void add(Family family, std::uint32_t image_class, std::uint32_t membership, Uint128 start, unsigned rank) {
    const auto [known, is_new] =
        classes_.try_emplace({family, image_class, membership}, static_cast<std::uint32_t>(found_.classes.size()));
    if (is_new) {
      found_.classes.push_back({family, image_class, membership, start, rank});
      return;
    }
    auto& at = found_.classes[known->second];
    if (rank <= at.rank) return;
    at.representative = start;
    at.rank = rank;
  }

  const resolve::Resolved& resolved_;
  const ImageReader& image_;
  AddressClasses found_;
  std::map<Numbers, std::uint32_t> numbers_;
  std::map<std::tuple<Family, std::uint32_t, std::uint32_t>, std::uint32_t> classes_;
};

// --- Protocols and ports ---

using PortRuns = std::vector<std::vector<compile::ClassRun>>;  // by protocol

struct PortImage {
  PortRuns l4, source_port;
};

PortImage read_ports(const ImageReader& image) {
  PortImage ports;
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    ports.l4.push_back(image.l4_runs(protocol));
    ports.source_port.push_back(image.source_port_runs(protocol));
  }
  return ports;
}

std::vector<std::uint32_t> ids_of(const PortRuns& runs) {
  std::set<std::uint32_t> ids;
  for (const auto& of_protocol : runs)
    for (const auto& run : of_protocol) ids.insert(run.id);
  ids.erase(kFaultClass);
  return {ids.begin(), ids.end()};
}

std::uint32_t id_at(const std::vector<compile::ClassRun>& runs, std::uint32_t port) {
  const auto after = std::ranges::upper_bound(runs, port, {}, &compile::ClassRun::first);
  return std::prev(after)->id;
}

// Values of one port field, cut by protocol: (number of the class, its least value).
struct PortAxis {
  std::vector<Numbers> classes;
  std::vector<std::vector<std::pair<std::uint32_t, std::uint16_t>>> by_protocol;
};

template <class HasValues, class BlockOf>
PortAxis port_axis(std::vector<Span> spans, const PortRuns& runs, HasValues has_values, BlockOf block_of) {
  Sweep sweep(std::move(spans));
  const auto boundaries = sweep.boundaries(kMostPort << 8 | 0xff'ffffU);
  PortAxis axis;
  axis.by_protocol.resize(256);
  std::map<std::pair<std::uint32_t, Numbers>, std::uint32_t> numbers;
  auto boundary = boundaries.begin();
  for (unsigned protocol = 0; protocol < 256; ++protocol) {
    std::vector<std::uint32_t> values{0};
    for (; boundary != boundaries.end() && *boundary >> 16 <= protocol; ++boundary)
      values.push_back(static_cast<std::uint32_t>(*boundary & kMostPort));
    for (const auto& run : runs[protocol]) values.push_back(run.first);
    if (!has_values(protocol)) values.assign(1, 0);
    std::ranges::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
    std::set<std::uint32_t> seen;
    for (const auto value : values) {
      const auto& satisfied = sweep.at(protocol << 16 | value);
      const auto [known, is_new] =
          numbers.try_emplace({block_of(id_at(runs[protocol], value)), satisfied}, static_cast<std::uint32_t>(axis.classes.size()));
      if (is_new) axis.classes.push_back(satisfied);
      if (seen.insert(known->second).second) axis.by_protocol[protocol].emplace_back(known->second, static_cast<std::uint16_t>(value));
    }
  }
  return axis;
}

void add_transports(FamilyAxes& axes, const PortAxis& l4, const PortAxis& source_ports) {
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (unsigned protocol = 0; protocol < 256; ++protocol)
    for (const auto& [l4_class, destination] : l4.by_protocol[protocol])
      for (const auto& [source_class, source] : source_ports.by_protocol[protocol])
        if (seen.emplace(l4_class, source_class).second)
          axes.transports.push_back({l4_class, source_class, static_cast<std::uint8_t>(protocol), destination, source});
}

// One class of a side for each block and each list of predicates.
class SideAxis {
 public:
  void add(const AddressClass& address, std::uint32_t block, Numbers satisfied) {
    const auto [known, is_new] = numbers_.try_emplace({block, satisfied}, classes.size());
    if (is_new) classes.push_back({address.image_class, address.representative, address.rank, std::move(satisfied)});
    else if (auto& at = classes[known->second]; address.rank > at.rank) {
      at.image_class = address.image_class;
      at.representative = address.representative;
      at.rank = address.rank;
    }
  }
  std::vector<SideClass> classes;

 private:
  std::map<std::pair<std::uint32_t, Numbers>, std::size_t> numbers_;
};

}  // namespace

Result<AddressClasses> address_classes(const resolve::Resolved& resolved, const ImageReader& image) {
  AddressSweep sweep(resolved, image);
  for (const auto family : {Family::v4, Family::v6})
    if (auto done = sweep.run(family); !done) return fail(done.error());
  return sweep.take();
}

HeaderAxes header_axes(const AddressClasses& addresses, const ImageReader& image, const ChainRules& rules,
                                    std::span<const std::uint32_t> roots, std::uint64_t most_steps) {
  const auto ports = read_ports(image);
  std::set<std::uint32_t> address_ids;
  for (const auto& address : addresses.classes) address_ids.insert(address.image_class);
  address_ids.erase(kFaultClass);
  const std::vector<std::uint32_t> ids(address_ids.begin(), address_ids.end());
  ClassBlocks blocks(image.lines(), {ids, ids, ids_of(ports.l4), ids_of(ports.source_port)});
  blocks.find(roots, most_steps);
  const auto block = [&](unsigned dimension, std::uint32_t id) {
    return id == kFaultClass ? kFaultClass : blocks.block(dimension, id);
  };
  std::vector<FamilyAxes> families;
  for (const auto family : {Family::v4, Family::v6}) {
    FamilyAxes axes;
    axes.family = family;
    SideAxis sources, destinations;
    for (const auto& address : addresses.classes) {
      if (address.family != family) continue;
      const auto& sets = addresses.memberships[address.membership];
      sources.add(address, block(NW_DIM_SOURCE, address.image_class), rules.sources(family, sets));
      destinations.add(address, block(NW_DIM_DESTINATION, address.image_class), rules.destinations(family, sets));
    }
    axes.sources = std::move(sources.classes);
    axes.destinations = std::move(destinations.classes);
    const auto has_l4 = [&](unsigned protocol) { return protocol_has_ports(protocol) || is_icmp_of(protocol, family); };
    auto l4 = port_axis(rules.l4_spans(family), ports.l4, has_l4, [&](std::uint32_t id) { return block(NW_DIM_L4, id); });
    auto source_ports = port_axis(rules.source_port_spans(), ports.source_port, protocol_has_ports,
                                  [&](std::uint32_t id) { return block(NW_DIM_SOURCE_PORT, id); });
    add_transports(axes, l4, source_ports);
    axes.l4 = std::move(l4.classes);
    axes.source_ports = std::move(source_ports.classes);
    families.push_back(std::move(axes));
  }
  return {.families = std::move(families), .blocks = std::move(blocks)};
}

}  // namespace nodewall::engine
