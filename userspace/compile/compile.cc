// Compilation::build(): flatten -> classes -> diagrams -> lines.
#include <algorithm>
#include <cstring>
#include <utility>

#include "compile/compilation.h"

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kMostAddressClasses = 1U << 24;
constexpr std::uint64_t kMostRefinement = std::uint64_t{1} << 29;  // elementary intervals covered, added up

Error limit_error(const resolve::ResolvedRule& rule, std::string_view what, std::uint64_t most) {
  return {.code = Errc::limit,
          .what = "policy '" + rule.origin.policy + "', rule " + std::to_string(rule.origin.rule) + ": " + std::string(what) +
                  " (at most " + std::to_string(most) + ")",
          .sys_errno = 0,
          .context = {}};
}

// Only for a chain that has diagrams, so one that has terms.
const resolve::ResolvedRule& last_rule(const Chain& chain) {
  const Term* last = nullptr;
  for (const auto& segment : chain.segments)
    if (!segment.terms.empty()) last = &segment.terms.back();
  return *last->rule;
}

// How many spare classes a dimension gets beside `classes`. As a rule no more than fit without another digit; where next to none do, and
// there are so many classes that to begin anew takes long, another digit.
std::uint32_t spare_classes(std::uint32_t classes, std::uint32_t most) {
  std::uint64_t room = kFan;
  while (room < classes || (classes > kFan * kFan && room - classes < classes / 32)) room *= kFan;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>({room - classes, most - std::min(classes, most), classes / 8 + 16}));
}

template <class Pos>
std::uint32_t most_frequent_class(const Partition<Pos>& partition) {
  std::vector<std::uint32_t> pieces(partition.class_count);
  for (const auto id : partition.classes) ++pieces[id];
  return static_cast<std::uint32_t>(std::ranges::max_element(pieces) - pieces.begin());
}

// The class that has most of the values from `first` to `last`.
std::uint32_t largest_class(const Partition<std::uint32_t>& pieces, std::uint32_t first, std::uint32_t last) {
  std::map<std::uint32_t, std::uint32_t> sizes;
  const auto begin = static_cast<std::size_t>(std::ranges::upper_bound(pieces.starts, first) - pieces.starts.begin() - 1);
  for (auto i = begin; i < pieces.starts.size() && pieces.starts[i] <= last; ++i) {
    const auto end = i + 1 < pieces.starts.size() ? std::min(pieces.starts[i + 1] - 1, last) : last;
    sizes[pieces.classes[i]] += end - std::max(pieces.starts[i], first) + 1;
  }
  return std::ranges::max_element(sizes, {}, [](const auto& it) { return it.second; })->first;
}

// Where rules begin to mention ports, in TCP and in UDP, no class is far from one of these in what sets it is in: of the privileged ports
// and of each 16th of all the class that has most of them. One that is it several times counts as often.
std::vector<std::uint32_t> port_backgrounds(const Partition<std::uint32_t>& pieces) {
  constexpr std::uint32_t kPart = kPorts / kFan, kPrivileged = 1024;
  std::vector<std::uint32_t> found{most_frequent_class(pieces)};
  for (const std::uint32_t protocol : {6U, 17U}) {
    const auto base = protocol << 16;
    found.push_back(largest_class(pieces, base, base + kPrivileged - 1));
    for (auto first = base; first < base + kPorts; first += kPart)
      found.push_back(largest_class(pieces, first == base ? base + kPrivileged : first, first + kPart - 1));
  }
  return found;
}

}  // namespace

std::size_t Compilation::list_number(const List& list) {
  for (std::size_t i = 0; i < lists_.size(); ++i)
    if (lists_[i].direction == list.direction && lists_[i].end == list.end && lists_[i].log == list.log && *lists_[i].policy == *list.policy)
      return i;
  lists_.push_back(list);
  return lists_.size() - 1;
}

ListNumbers Compilation::lists_of(const resolve::EndpointPolicy& endpoint) {
  ListNumbers numbers;
  for (auto& of_variant : numbers) of_variant.fill(kNoList);
  for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) {
    const auto end = resolve::end_of(chain);
    const auto direction = resolve::direction_of(chain);
    const auto& staged = endpoint.staged[chain];
    if (staged) numbers[NW_VARIANT_STAGED][chain] = list_number({&*staged, end, direction, false});
    if (!endpoint.has(chain)) continue;
    const auto& policy = endpoint.chains[chain];
    numbers[NW_VARIANT_ENFORCED][chain] = list_number({&policy, end, direction, false});
    if (resolve::has_log(policy)) numbers[NW_VARIANT_LOG][chain] = list_number({&policy, end, direction, true});
  }
  return numbers;
}

void Compilation::flatten_all() {
  for (const auto& endpoint : resolved_->endpoints) lists_of_endpoint_.push_back(lists_of(endpoint));
  std::vector<FlatPolicy> flat;
  std::vector<std::vector<std::uint32_t>> keys;
  for (const auto& it : lists_) {
    flat.push_back(it.log ? flatten_log(*it.policy, predicates_, table_) : flatten(*it.policy, it.end, it.direction, predicates_, table_));
    keys.push_back(keys_of(flat.back()));
  }
  table_.number(keys);
  for (std::size_t i = 0; i < flat.size(); ++i) chains_.push_back(chain_of(flat[i], table_.indices(i)));
}

const resolve::ResolvedRule& Compilation::rule_of_set(SetId set) const {
  for (std::size_t i = 0; i < predicates_.sides.size(); ++i)
    if (std::ranges::binary_search(predicates_.sides[i].in, set) || std::ranges::binary_search(predicates_.sides[i].not_in, set))
      return *predicates_.side_rules[i];
  return *predicates_.side_rules.front();
}

// Only sets that a rule still looks at make classes.
Status Compilation::classify_addresses() {
  auto& networks = predicates_.networks;
  used_sets_.assign(networks.size(), false);
  for (const auto& side : predicates_.sides) {
    for (const auto set : side.in) used_sets_[set] = true;
    for (const auto set : side.not_in) used_sets_[set] = true;
  }
  for (SetId set = 0; set < used_sets_.size(); ++set)
    if (!used_sets_[set]) {
      networks.v4[set].clear();
      networks.v6[set].clear();
    }
  std::size_t refused = 0;
  auto four = Partition<std::uint32_t>::of(networks.v4, kMostAddressClasses, kMostRefinement, refused);
  if (!four)
    return fail(limit_error(rule_of_set(static_cast<SetId>(refused)), "too many overlapping IPv4 networks", kMostRefinement));
  auto six = Partition<Uint128>::of(networks.v6, kMostAddressClasses, kMostRefinement, refused);
  if (!six)
    return fail(limit_error(rule_of_set(static_cast<SetId>(refused)), "too many overlapping IPv6 networks", kMostRefinement));
  v4_ = std::move(*four);
  v6_ = std::move(*six);
  return {};
}

Status Compilation::classify_ports() {
  std::size_t refused = 0;
  auto l4 = Partition<std::uint32_t>::of(predicates_.l4, NW_MAX_L4_CLASSES, kMostRefinement, refused);
  if (!l4)
    return fail(limit_error(*predicates_.l4_rules[refused], "too many classes of protocol and destination port", NW_MAX_L4_CLASSES));
  auto ports = Partition<std::uint32_t>::of(predicates_.source_ports, NW_MAX_L4_CLASSES, kMostRefinement, refused);
  if (!ports)
    return fail(limit_error(*predicates_.source_port_rules[refused], "too many classes of source port", NW_MAX_L4_CLASSES));
  l4_.pieces = std::move(*l4);
  source_ports_.pieces = std::move(*ports);
  return {};
}

void Compilation::share_port_numbers(PortClasses& ports) {
  auto& table = ports.table;
  table.count = ports.pieces.class_count;
  table.sets = std::move(ports.pieces.by_set);
  const auto backgrounds = port_backgrounds(ports.pieces);
  const auto spare = spare_classes(table.count, NW_MAX_L4_CLASSES);
  std::map<std::uint32_t, std::uint32_t> shares;
  for (std::size_t i = 0; i < backgrounds.size(); ++i)
    shares[backgrounds[i]] += static_cast<std::uint32_t>(spare * (i + 1) / backgrounds.size() - spare * i / backgrounds.size());
  // In the order of the ports: what a range of ports has of them is then one run.
  for (const auto background : backgrounds) {
    const auto share = std::exchange(shares[background], 0);
    if (share == 0) continue;
    table.pools.push_back({.background = background, .next = table.count, .end = table.count + share});
    table.count += share;
  }
  table.spread_backgrounds();
}

// The classes of both families as one list: those of IPv4, spare ones, those of IPv6, spare ones.
void Compilation::share_numbers() {
  const auto classes = v4_.class_count + v6_.class_count;
  const auto spare = spare_classes(classes, kMostAddressClasses);
  // A family with few classes gets some too.
  const auto least = std::min(spare / 4, 64U);
  const auto share_v4 = static_cast<std::uint32_t>(std::uint64_t{spare} * v4_.class_count / classes);
  const auto spare_v4 = std::clamp(share_v4, least, spare - least);
  first_v6_ = v4_.class_count + spare_v4;
  addresses_.count = classes + spare;
  addresses_.pools = {{.background = most_frequent_class(v4_), .next = v4_.class_count, .end = first_v6_},
                      {.background = first_v6_ + most_frequent_class(v6_), .next = first_v6_ + v6_.class_count, .end = classes + spare}};
  addresses_.sets = std::move(v4_.by_set);
  for (std::size_t set = 0; set < addresses_.sets.size(); ++set)
    for (const auto& run : v6_.by_set[set]) {
      auto& runs = addresses_.sets[set];
      if (!runs.empty() && runs.back().last + 1 == run.first + first_v6_) runs.back().last = run.last + first_v6_;
      else runs.push_back({run.first + first_v6_, run.last + first_v6_});
    }
  addresses_.spread_backgrounds();
  share_port_numbers(l4_);
  share_port_numbers(source_ports_);
  for (const auto& chain : chains_)
    for (const auto& segment : chain.segments)
      for (const auto& term : segment.terms) {
        if (term.criteria.l4 != kAny) l4_.table.add_use(term.criteria.l4);
        if (term.criteria.source_port != kAny) source_ports_.table.add_use(term.criteria.source_port);
      }
  const std::array counts = {addresses_.count, addresses_.count, l4_.table.count, source_ports_.table.count};
  for (unsigned i = 0; i < kDimensions; ++i) classes_.everything[i] = {{0, counts[i] - 1}};
  diagrams_ = std::make_unique<Diagrams>(counts);
}

Runs Compilation::side_classes(const SidePredicate& side) const {
  Runs runs{{side.families & kV4 ? 0 : first_v6_, (side.families & kV6 ? addresses_.count : first_v6_) - 1}};
  for (const auto set : side.in) runs = intersect(runs, addresses_.sets[set]);
  for (const auto set : side.not_in) runs = subtract(runs, addresses_.sets[set]);
  return runs;
}

Status Compilation::classify() {
  if (auto done = classify_addresses(); !done) return done;
  if (auto done = classify_ports(); !done) return done;
  share_numbers();
  classes_.sides.reserve(predicates_.sides.size());
  for (const auto& side : predicates_.sides) classes_.sides.push_back(side_classes(side));
  classes_.l4 = &l4_.table.sets;
  classes_.source_ports = &source_ports_.table.sets;
  return {};
}

RootContext Compilation::root_context() {
  return {.diagrams = *diagrams_,
          .predicates = predicates_,
          .classes = classes_,
          .limits = {.nodes = limits_.diagram_nodes, .steps = limits_.diagram_steps}};
}

Status Compilation::write_diagrams() {
  for (const auto& chain : chains_)
    if (auto built = roots_.emplace_back().build(chain, root_context()); !built) return fail(std::move(built.error()));
  const auto before = lines_.size();
  writer_ = std::make_unique<DiagramWriter>(*diagrams_, lines_);
  for (std::size_t i = 0; i < chains_.size(); ++i) {
    auto& entry = entries_.emplace_back(kUnused);
    if (chains_[i].default_rule == NW_SLOT_UNUSED) continue;
    entry.default_rule = chains_[i].default_rule;
    for (std::size_t k = 0; k < 3; ++k) {
      entry.roots[k] = writer_->write(roots_[i].edges()[k]);
      image_.cost.deepest_diagram = std::max(image_.cost.deepest_diagram, writer_->depth(roots_[i].edges()[k]));
    }
    if (writer_->full()) return fail(limit_error(last_rule(chains_[i]), "the image needs too many lines of 64 bytes", NW_MAX_IMAGE_LINES));
  }
  if (image_.cost.deepest_diagram > NW_REF_MAX_DEPTH)
    return fail(Errc::internal, "a diagram is " + std::to_string(image_.cost.deepest_diagram) + " nodes deep");
  image_.cost.diagram_bytes = (lines_.size() - before) * NW_LINE_BYTES;
  return {};
}

Status Compilation::build(const Slots& slots) {
  flatten_all();
  if (auto done = classify(); !done) return done;
  image_.lines.resize(1);
  write_protocols();
  if (auto done = write_addresses(); !done) return done;
  if (auto done = write_diagrams(); !done) return done;
  if (auto done = write_endpoints(slots); !done) return done;
  if (auto done = write_rules(slots); !done) return done;
  if (lines_.size() > NW_MAX_IMAGE_LINES)
    return fail(Errc::limit, "the image needs more than " + std::to_string(NW_MAX_IMAGE_LINES) + " lines of 64 bytes");
  write_header();
  image_.cost.address_classes = v4_.class_count + v6_.class_count;
  image_.cost.l4_classes = l4_.pieces.class_count;
  image_.cost.source_port_classes = source_ports_.pieces.class_count;
  image_.cost.rules = header_.rule_count;
  built_nodes_ = diagrams_->node_count();
  built_predicates_ = predicates_.count();
  built_lines_ = lines_.size();
  return {};
}

Result<TableImage> compile(const resolve::Resolved& resolved, const Slots& slots, const CompileLimits& limits) {
  Compilation compilation({std::shared_ptr<void>(), &resolved}, limits);
  if (auto done = compilation.build(slots); !done) return fail(std::move(done.error()));
  return std::move(compilation.image());
}

}  // namespace nodewall::compile
