#include "compile/image_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <unordered_set>

#include "compile/ports.h"

using nw_image = std::span<const nw_line>;

static inline const nw_line* nw_image_line(nw_image image, __u32 index) {
  return index < image.size() ? &image[index] : nullptr;
}

#include "maps/policy_walk.h"

namespace nodewall::compile {
namespace {

using Lines = std::span<const nw_line>;
using Seen = std::unordered_set<std::uint32_t>;

template <class Node>
std::optional<Node> node_at(Lines lines, std::uint32_t ref) {
  if (NW_ADDRESS_VALUE(ref) >= lines.size()) return std::nullopt;
  Node node;
  std::memcpy(&node, &lines[NW_ADDRESS_VALUE(ref)], sizeof(node));
  return node;
}

template <class T>
void sort_unique(std::vector<T>& values) {
  if (!std::ranges::is_sorted(values)) std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// Nodes that may still be visited. A compiler's trees are visited once for each place that leads to them, of which each network makes a few;
// in a damaged image every place may lead to all nodes.
class Visits {
 public:
  Visits(std::size_t lines, std::size_t more) : left_((1U << 21) + 96 * (lines + more)) {}
  bool take() { return left_ > 0 && left_-- > 0; }
  [[nodiscard]] Status status() const {
    return left_ > 0 ? Status{} : fail(Errc::abi, "the image's networks lead to the same nodes from more places than any policy makes");
  }

 private:
  std::uint64_t left_;
};

// The keys of every node that a walk from `ref` can come by: between two of them every comparison has one outcome. By hand and not by
// recursion: a damaged tree may be deep.
void collect_v4(Lines lines, std::uint32_t ref, std::uint32_t base, Visits& visits, std::vector<Uint128>& starts) {
  Seen seen;
  std::vector<std::uint32_t> open{ref};
  while (!open.empty() && visits.take()) {
    const auto next = open.back();
    open.pop_back();
    if (NW_ADDRESS_KIND(next) == NW_ADDRESS_CLASS || !seen.insert(NW_ADDRESS_VALUE(next)).second) continue;
    const auto node = node_at<nw_tree16>(lines, next);
    if (!node) continue;
    for (const auto key : node->keys) starts.push_back(base | key);
    open.insert(open.end(), std::begin(node->children), std::end(node->children));
  }
}

// visit(number, reference) for the elements of the table of roots at line `first`; of a line beyond the image only the first one, as nothing.
template <class Visit>
void for_each_root(Lines lines, std::uint32_t first, Visit visit) {
  for (std::uint32_t element = 0; element < NW_ROOT_ELEMENTS; ++element) {
    const std::uint32_t line = first + element / 16;  // in 32 bits, as the walk adds it
    const bool is_there = line < lines.size();
    visit(element, is_there ? std::optional(lines[line].words[element % 16]) : std::nullopt);
    if (!is_there) element |= 15;
  }
}

void v4_regions(Lines lines, const nw_image_header& header, Visits& visits, std::vector<Uint128>& starts) {
  if (header.v4_root == 0) return;
  std::optional<std::uint32_t> before = 0;
  for_each_root(lines, header.v4_root, [&](std::uint32_t high, std::optional<std::uint32_t> ref) {
    const bool is_tree = ref && NW_ADDRESS_KIND(*ref) != NW_ADDRESS_CLASS;
    if (ref != before || is_tree) starts.push_back(high << 16);
    if (is_tree) collect_v4(lines, *ref, high << 16, visits, starts);
    before = ref;
  });
}

// Keys on the high half of every node; the low half's where `low` is given. With `high`, a node on the high half leads to one child.
class V6Keys {
 public:
  V6Keys(Lines lines, Visits& visits) : lines_(lines), visits_(visits) {}

  void walk(std::span<const std::uint32_t> roots, const std::uint64_t* high, std::vector<std::uint64_t>& highs, std::vector<std::uint64_t>& lows) {
    seen_.clear();
    open_.assign(roots.begin(), roots.end());
    while (!open_.empty() && visits_.take()) {
      const auto ref = open_.back();
      open_.pop_back();
      if (NW_ADDRESS_KIND(ref) == NW_ADDRESS_CLASS || !seen_.insert(ref).second) continue;
      const auto node = node_at<nw_tree64>(lines_, ref);
      if (!node) continue;
      const bool on_low = NW_ADDRESS_KIND(ref) == NW_ADDRESS_LOW;
      if (!on_low && high != nullptr) {
        const auto child = std::ranges::count_if(node->keys, [&](std::uint64_t key) { return key <= *high; });
        open_.push_back(node->children[child]);
        continue;
      }
      auto& keys = on_low ? lows : highs;
      keys.insert(keys.end(), std::begin(node->keys), std::end(node->keys));
      open_.insert(open_.end(), std::begin(node->children), std::end(node->children));
    }
  }

 private:
  Lines lines_;
  Visits& visits_;
  Seen seen_;
  std::vector<std::uint32_t> open_;
};

static_assert(offsetof(nw_image_header, v6_root) == NW_V6_ROOT_WORD * sizeof(std::uint32_t));

constexpr std::uint64_t high_half(Uint128 position) { return static_cast<std::uint64_t>(position >> 64); }
constexpr std::uint64_t low_half(Uint128 position) { return static_cast<std::uint64_t>(position); }

// Where the walk of an address begins, if the image is so long.
std::optional<std::uint32_t> v6_root_of(Lines lines, const nw_image_header& header, std::uint64_t high) {
  const auto place = nw_v6_place(&header, high);
  if (place >> 4 >= lines.size()) return std::nullopt;
  return lines[place >> 4].words[place & 15];
}

// Where any walk begins. Puts the high halves with which another one does into `highs`.
std::vector<std::uint32_t> v6_roots(Lines lines, const nw_image_header& header, std::vector<std::uint64_t>& highs) {
  if (header.v6_table == 0) return {header.v6_root};
  std::vector<std::uint32_t> roots;
  std::optional<std::uint32_t> before;
  for_each_root(lines, NW_V6_TABLE_LINE(header.v6_table), [&](std::uint64_t element, std::optional<std::uint32_t> root) {
    if (element != 0 && root == before) return;
    highs.push_back(header.v6_base + (element << NW_V6_TABLE_SHIFT(header.v6_table)));  // behind the greatest one: a boundary too many
    if (root) roots.push_back(*root);
    before = root;
  });
  return roots;
}

std::vector<Uint128> v6_regions(Lines lines, const nw_image_header& header, Visits& visits, std::vector<Uint128> more) {
  sort_unique(more);
  V6Keys keys(lines, visits);
  std::vector<std::uint64_t> highs{0}, lows;
  const auto roots = v6_roots(lines, header, highs);
  keys.walk(roots, nullptr, highs, lows);  // all at once: a damaged table may lead to one large tree from everywhere
  for (const auto position : more) {
    const auto high = high_half(position);
    highs.push_back(high);
    if (low_half(position) != 0 && high != ~std::uint64_t{0}) highs.push_back(high + 1);
  }
  sort_unique(highs);
  std::vector<Uint128> starts;
  std::vector<std::uint64_t> unused;
  auto at = more.begin();
  for (const auto high : highs) {
    if (!visits.status()) break;
    lows.assign(1, 0);
    if (const auto root = v6_root_of(lines, header, high)) keys.walk({&*root, 1}, &high, unused, lows);
    for (; at != more.end() && high_half(*at) <= high; ++at) lows.push_back(low_half(*at));
    sort_unique(lows);
    for (const auto low : lows) starts.push_back(Uint128{high} << 64 | low);
  }
  return starts;
}

nw_query query_of(std::uint32_t slot, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& packet) {
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
  query.slot = slot;
  query.chain = chain;
  query.variant = variant;
  return query;
}

}  // namespace

Uint128 position_of(const Address& address) {
  if (address.family == Family::v4) return address.v4_host_order();
  return Uint128{address.high()} << 64 | address.low();
}

Address address_at(Family family, Uint128 position) {
  if (family == Family::v4) return Address::v4(static_cast<std::uint32_t>(position));
  Address address;
  for (std::size_t i = 0; i < 16; ++i) address.bytes[15 - i] = static_cast<std::uint8_t>(position >> 8 * i);
  return address;
}

Status ImageReader::check() const {
  if (lines_.empty()) return fail(Errc::abi, "the image is empty");
  const auto head = header();
  if (head.magic != NW_MAGIC || head.version != NW_IMAGE_VERSION) return fail(Errc::abi, "the image is not of this version");
  // The endpoint directory is gone through: a number that no image has would take for ever.
  if (std::uint64_t{head.endpoint_base} + std::uint64_t{head.endpoint_slots} * NW_SLOT_ENTRIES / 4 > lines_.size())
    return fail(Errc::abi, "the image's endpoint directory is beyond its end");
  return {};
}

nw_image_header ImageReader::header() const {
  nw_image_header head;
  std::memcpy(&head, lines_.data(), sizeof(head));
  return head;
}

std::optional<nw_image_endpoint> ImageReader::endpoint(std::uint32_t slot, std::uint32_t variant, std::uint32_t chain) const {
  const auto head = header();
  const auto entry = nw_slot_entry(slot, variant, chain);
  const auto line = std::uint64_t{head.endpoint_base} + entry / 4;
  if (slot >= head.endpoint_slots || line >= lines_.size()) return std::nullopt;
  nw_image_endpoint found;
  std::memcpy(&found, reinterpret_cast<const std::byte*>(&lines_[line]) + entry % 4 * sizeof(found), sizeof(found));
  if (found.default_rule == NW_SLOT_UNUSED) return std::nullopt;
  return found;
}

Result<std::vector<Uint128>> ImageReader::regions(Family family, const std::vector<Uint128>& more) const {
  Visits visits(lines_.size(), more.size());
  std::vector<Uint128> starts;
  if (family == Family::v6) {
    starts = v6_regions(lines_, header(), visits, more);
  } else {
    starts = more;
    starts.push_back(0);
    v4_regions(lines_, header(), visits, starts);
    sort_unique(starts);
  }
  if (auto done = visits.status(); !done) return fail(done.error());
  return starts;
}

std::uint32_t ImageReader::address_class(Family family, Uint128 position) const {
  const auto head = header();
  return family == Family::v4 ? nw_walk_v4(lines_, &head, static_cast<std::uint32_t>(position))
                              : nw_walk_v6(lines_, &head, high_half(position), low_half(position));
}

nw_protocol ImageReader::protocol(unsigned number) const {
  const std::uint32_t line = header().protocol_base + number / 8;  // in 32 bits, as the walk adds it
  nw_protocol found{kFaultClass, kFaultClass};
  if (line >= lines_.size()) return found;
  std::memcpy(&found, reinterpret_cast<const std::byte*>(&lines_[line]) + number % 8 * sizeof(found), sizeof(found));
  return found;
}

std::vector<ClassRun> ImageReader::runs(std::uint32_t field) const {
  std::vector<ClassRun> found;
  for (std::uint32_t port = 0; port < kPorts; ++port) {
    const auto id = nw_walk_port(lines_, field, port);
    if (found.empty() || found.back().id != id) found.push_back({port, id});
    if (!(field & NW_PORT_TABLE) || id == kFaultClass) break;  // a fault: the image ends here, and so it is with every further port
  }
  return found;
}

std::vector<ClassRun> ImageReader::l4_runs(unsigned number) const { return runs(protocol(number).l4); }
std::vector<ClassRun> ImageReader::source_port_runs(unsigned number) const { return runs(protocol(number).source_port); }

ImageAnswer ImageReader::ask(std::uint32_t slot, std::uint32_t variant, std::uint32_t chain, const resolve::PacketQuery& packet) const {
  const auto query = query_of(slot, variant, chain, packet);
  nw_answer answer{};
  nw_walk(lines_, &query, &answer);
  return {.verdict = answer.verdict, .reason = answer.reason, .rule = answer.rule, .counter = answer.counter, .staged = answer.staged != 0};
}

}  // namespace nodewall::compile
