#include "compile/address_patch.h"

#include "compile/address_tree.h"

namespace nodewall::compile {
namespace {

constexpr unsigned kMostDepthV6Half = NW_ADDRESS_MAX_DEPTH_V6 / 2;

// One tree: of a block of IPv4 addresses, of the high halves of IPv6 addresses, of the low halves behind one of these. What is not a
// node of the tree is an end of it: `change` says what an end becomes that lies in the range.
template <class Shape>
class TreePatch {
 public:
  using Key = typename Shape::Key;
  using Bounds = std::vector<Bound<Key>>;

  TreePatch(ImageLines& lines, std::uint32_t kind, unsigned most_depth, const std::function<std::uint32_t(std::uint32_t)>& change)
      : lines_(lines), kind_(kind), most_depth_(most_depth), change_(change) {}

  // The tree in the place of `root`, changed from `first` to `last`.
  std::uint32_t run(std::uint32_t root, Key first, Key last) {
    first_ = first;
    last_ = last;
    root = make_room(root, first);
    if (last != first) root = make_room(root, last);
    return is_node(root) ? edit(root, 0, kMost) : write(change_end({0, root}, kMost));
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  static constexpr Key kMost = std::numeric_limits<Key>::max();

  [[nodiscard]] bool is_node(std::uint32_t ref) const { return NW_ADDRESS_KIND(ref) == kind_; }

  [[nodiscard]] Bounds read(std::uint32_t ref, Key low) const {
    typename Shape::Node node;
    std::memcpy(&node, &lines_.at(NW_ADDRESS_VALUE(ref)), sizeof(node));
    return bounds_of<Shape>(node, low);
  }

  void put(std::uint32_t line, std::span<const Bound<Key>> bounds) {
    const auto node = make_node<Shape>(bounds);
    lines_.write(line, &node, sizeof(node));
  }

  // The end at `bound`, up to and with `last`, cut where the range begins and ends.
  Bounds change_end(Bound<Key> bound, Key last) {
    const bool outside = last < first_ || bound.key > last_;
    const auto changed = outside ? bound.ref : change_(bound.ref);
    if (changed == bound.ref) return {bound};
    Bounds made;
    if (bound.key < first_) made.push_back(bound);
    made.push_back({std::max(bound.key, first_), changed});
    if (last > last_) made.push_back({static_cast<Key>(last_ + 1), bound.ref});
    return made;
  }

  static void append(Bounds& to, const Bounds& more) {
    for (const auto& it : more)
      if (to.empty() || to.back().ref != it.ref) to.push_back(it);
  }

  // The node's bounds with its children changed; one that is cut has a bound for each piece.
  std::uint32_t edit(std::uint32_t ref, Key low, Key high) {
    const auto before = read(ref, low);
    std::vector<Bounds> changed;
    std::size_t count = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const auto last = i + 1 < before.size() ? static_cast<Key>(before[i + 1].key - 1) : high;
      const bool outside = last < first_ || before[i].key > last_;
      if (is_node(before[i].ref) && !outside) changed.push_back({{before[i].key, edit(before[i].ref, before[i].key, last)}});
      else changed.push_back(is_node(before[i].ref) ? Bounds{before[i]} : change_end(before[i], last));
      count += changed.back().size();
    }
    Bounds after;
    for (auto& pieces : changed) {
      // No room: the pieces go into a node of their own.
      if (count > Shape::kChildren && pieces.size() > 1) {
        count -= pieces.size() - 1;
        pieces = {{pieces.front().key, write(pieces)}};
      }
      append(after, pieces);
    }
    if (after.size() == 1) {
      lines_.give_back(NW_ADDRESS_VALUE(ref), 1);
      return after[0].ref;
    }
    put(NW_ADDRESS_VALUE(ref), after);
    return ref;
  }

  struct Step {
    std::uint32_t ref = 0;
    Key low = 0;
  };

  // So that the end at `key` may become a node: the smallest subtree around it that gets lower so is balanced.
  std::uint32_t make_room(std::uint32_t root, Key key) {
    std::vector<Step> path;
    for (Step at{root, 0}; is_node(at.ref);) {
      path.push_back(at);
      for (const auto& bound : read(at.ref, at.low))
        if (bound.key <= key) at = {bound.ref, bound.key};
    }
    if (path.size() < most_depth_) return root;
    for (auto level = path.size(); level-- > 0;) {
      Bounds bounds;
      collect(path[level].ref, path[level].low, bounds);
      if (level + height(bounds.size()) >= most_depth_) continue;
      give_back(path[level].ref);
      const auto ref = write(bounds);
      if (level == 0) return ref;
      auto parent = read(path[level - 1].ref, path[level - 1].low);
      for (auto& bound : parent)
        if (bound.ref == path[level].ref) bound.ref = ref;
      put(NW_ADDRESS_VALUE(path[level - 1].ref), parent);
      return root;
    }
    failed_ = true;
    return root;
  }

  void collect(std::uint32_t ref, Key low, Bounds& bounds) const {
    for (const auto& bound : read(ref, low)) {
      if (is_node(bound.ref)) collect(bound.ref, bound.key, bounds);
      else append(bounds, {bound});
    }
  }

  void give_back(std::uint32_t ref) {
    for (const auto& bound : read(ref, 0))
      if (is_node(bound.ref)) give_back(bound.ref);
    lines_.give_back(NW_ADDRESS_VALUE(ref), 1);
  }

  static std::size_t height(std::size_t bounds) {
    std::size_t levels = 0;
    for (std::size_t room = 1; room < bounds; room *= Shape::kChildren) ++levels;
    return levels;
  }

  // A tree as low as there is; its nodes share what room there is.
  std::uint32_t write(std::span<const Bound<Key>> bounds) {
    if (bounds.size() == 1) return bounds[0].ref;
    std::size_t part = 1;
    while (part * Shape::kChildren < bounds.size()) part *= Shape::kChildren;
    const auto children = (bounds.size() + part - 1) / part;
    Bounds made;
    for (std::size_t i = 0, at = 0; i < children; ++i) {
      const auto end = bounds.size() * (i + 1) / children;
      made.push_back({bounds[at].key, write(bounds.subspan(at, end - at))});
      at = end;
    }
    const auto line = lines_.take(1);
    if (line == 0) {
      failed_ = true;
      return bounds[0].ref;
    }
    put(line, made);
    return address_reference(kind_, line);
  }

  ImageLines& lines_;
  const std::uint32_t kind_;
  const unsigned most_depth_;
  const std::function<std::uint32_t(std::uint32_t)>& change_;
  Key first_ = 0, last_ = 0;
  bool failed_ = false;
};

}  // namespace

bool AddressPatch::rename_v4(std::uint32_t first, std::uint32_t last, const Rename& rename) {
  if (header_.v4_root == 0) return false;
  TreePatch<Narrow> patch(lines_, NW_ADDRESS_TREE, NW_ADDRESS_MAX_DEPTH_V4, rename);
  for (auto block = first >> 16; block <= last >> 16; ++block) {
    const auto line = header_.v4_root + block / 16;
    const auto before = lines_.at(line).words[block % 16];
    const auto low = block == first >> 16 ? first & 0xffff : 0;
    const auto high = block == last >> 16 ? last & 0xffff : 0xffff;
    const auto after = patch.run(before, static_cast<std::uint16_t>(low), static_cast<std::uint16_t>(high));
    if (patch.failed()) return false;
    if (after == before) continue;
    auto words = lines_.at(line);
    words.words[block % 16] = after;
    lines_.write(line, &words, sizeof(words));
  }
  return true;
}

bool AddressPatch::rename_v6(Uint128 first, Uint128 last, const Rename& rename) {
  const auto high = [](Uint128 it) { return static_cast<std::uint64_t>(it >> 64); };
  const auto low = [](Uint128 it) { return static_cast<std::uint64_t>(it); };
  TreePatch<Wide> lower(lines_, NW_ADDRESS_LOW, kMostDepthV6Half, rename);
  // A network ends in one high half, or covers whole ones.
  const bool whole = low(first) == 0 && low(last) == ~std::uint64_t{0};
  if (!whole && high(first) != high(last)) return false;
  const std::function<std::uint32_t(std::uint32_t)> behind = [&](std::uint32_t ref) { return lower.run(ref, low(first), low(last)); };
  TreePatch<Wide> upper(lines_, NW_ADDRESS_TREE, kMostDepthV6Half, behind);
  if (header_.v6_table == 0) {
    header_.v6_root = upper.run(header_.v6_root, high(first), high(last));
    return !upper.failed() && !lower.failed();
  }
  const auto from = nw_v6_element(&header_, high(first)), to = nw_v6_element(&header_, high(last));
  for (auto element = from; element <= to; ++element) {
    const auto line = NW_V6_TABLE_LINE(header_.v6_table) + element / 16;
    auto words = lines_.at(line);
    auto& ref = words.words[element % 16];
    // A tree says what it likes of addresses that its element does not have.
    ref = upper.run(ref, element == from ? high(first) : 0, element == to ? high(last) : ~std::uint64_t{0});
    if (upper.failed() || lower.failed()) return false;
    lines_.write(line, &words, sizeof(words));
  }
  return true;
}

}  // namespace nodewall::compile
