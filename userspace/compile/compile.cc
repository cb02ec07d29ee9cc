// compile(): flatten -> classes -> diagrams -> lines.
#include <algorithm>
#include <cstring>

#include "compile/address_tables.h"
#include "compile/diagram_writer.h"
#include "compile/flatten.h"
#include "compile/roots.h"
#include "compile/table_image.h"

namespace nodewall::compile {
namespace {

constexpr std::uint32_t kMostAddressClasses = 1U << 24;
constexpr std::uint64_t kMostRefinement = std::uint64_t{1} << 29;  // elementary intervals covered, added up
constexpr std::uint32_t kMostEndpointSlots = 1U << 20;

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

constexpr nw_image_endpoint kUnused = {.roots = {NW_NO_MATCH, NW_NO_MATCH, NW_NO_MATCH}, .default_rule = NW_SLOT_UNUSED};
constexpr std::size_t kNoList = ~std::size_t{0};

struct List {  // one list of rules, shared by all chains that have an equal one
  const resolve::ChainPolicy* policy = nullptr;
  resolve::ChainEnd end = resolve::ChainEnd::profiles;
  std::uint32_t direction = NW_INGRESS;
  bool log = false;  // asked only whether the packet is logged
};
using ListNumbers = std::array<std::array<std::size_t, NW_CHAINS>, NW_VARIANTS>;

class Compiler {
 public:
  Compiler(const resolve::Resolved& resolved, const Slots& slots, const CompileLimits& limits)
      : resolved_(resolved), slots_(slots), limits_(limits), predicates_(resolved.sets) {}

  Result<TableImage> run();

 private:
  void flatten_all();
  std::size_t list_number(const List& list);
  ListNumbers lists_of(const resolve::EndpointPolicy& endpoint);
  Status classify();
  Status classify_addresses();
  Status classify_ports();
  Runs side_classes(const SidePredicate& side) const;
  [[nodiscard]] const resolve::ResolvedRule& rule_of_set(SetId set) const;
  void write_protocols();
  std::uint32_t write_protocol(const Partition<std::uint32_t>& classes, std::uint32_t protocol,
                               std::map<std::vector<std::uint16_t>, std::uint32_t>& tables);
  Status write_addresses();
  Status write_diagrams();
  Status write_endpoints();
  Result<std::uint32_t> counter_of(const RuleEntry& entry, std::map<RuleKey, std::uint32_t>::const_iterator& known) const;
  Status write_rules();

  const resolve::Resolved& resolved_;
  const Slots& slots_;
  const CompileLimits limits_;
  Predicates predicates_;
  RuleTable table_;
  std::vector<List> lists_;
  std::vector<ListNumbers> lists_of_endpoint_;
  std::vector<Chain> chains_;               // by list
  std::vector<nw_image_endpoint> entries_;  // by list; kUnused: one that says nothing
  Partition<std::uint32_t> v4_, l4_, source_ports_;
  Partition<Uint128> v6_;
  PredicateClasses classes_;
  nw_image_header header_{};
  TableImage image_;
};

std::size_t Compiler::list_number(const List& list) {
  for (std::size_t i = 0; i < lists_.size(); ++i)
    if (lists_[i].direction == list.direction && lists_[i].end == list.end && lists_[i].log == list.log && *lists_[i].policy == *list.policy)
      return i;
  lists_.push_back(list);
  return lists_.size() - 1;
}

ListNumbers Compiler::lists_of(const resolve::EndpointPolicy& endpoint) {
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

void Compiler::flatten_all() {
  for (const auto& endpoint : resolved_.endpoints) lists_of_endpoint_.push_back(lists_of(endpoint));
  std::vector<FlatPolicy> flat;
  std::vector<std::vector<std::uint32_t>> keys;
  for (const auto& it : lists_) {
    flat.push_back(it.log ? flatten_log(*it.policy, predicates_, table_) : flatten(*it.policy, it.end, it.direction, predicates_, table_));
    keys.push_back(keys_of(flat.back()));
  }
  table_.number(keys);
  for (std::size_t i = 0; i < flat.size(); ++i) chains_.push_back(chain_of(flat[i], table_.indices(i)));
}

const resolve::ResolvedRule& Compiler::rule_of_set(SetId set) const {
  for (std::size_t i = 0; i < predicates_.sides.size(); ++i)
    if (std::ranges::binary_search(predicates_.sides[i].in, set) || std::ranges::binary_search(predicates_.sides[i].not_in, set))
      return *predicates_.side_rules[i];
  return *predicates_.side_rules.front();
}

// Only sets that a rule still looks at make classes.
Status Compiler::classify_addresses() {
  auto& networks = predicates_.networks;
  std::vector<bool> used(networks.size(), false);
  for (const auto& side : predicates_.sides) {
    for (const auto set : side.in) used[set] = true;
    for (const auto set : side.not_in) used[set] = true;
  }
  for (SetId set = 0; set < used.size(); ++set)
    if (!used[set]) {
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

Status Compiler::classify_ports() {
  std::size_t refused = 0;
  auto l4 = Partition<std::uint32_t>::of(predicates_.l4, NW_MAX_L4_CLASSES, kMostRefinement, refused);
  if (!l4)
    return fail(limit_error(*predicates_.l4_rules[refused], "too many classes of protocol and destination port", NW_MAX_L4_CLASSES));
  auto ports = Partition<std::uint32_t>::of(predicates_.source_ports, NW_MAX_L4_CLASSES, kMostRefinement, refused);
  if (!ports)
    return fail(limit_error(*predicates_.source_port_rules[refused], "too many classes of source port", NW_MAX_L4_CLASSES));
  l4_ = std::move(*l4);
  source_ports_ = std::move(*ports);
  return {};
}

// The classes of both families as one list: IPv6 behind IPv4.
Runs Compiler::side_classes(const SidePredicate& side) const {
  const auto of_set = [&](SetId set) {
    auto runs = v4_.by_set[set];
    for (auto run : v6_.by_set[set]) {
      run.first += v4_.class_count;
      run.last += v4_.class_count;
      if (!runs.empty() && runs.back().last + 1 == run.first)
        runs.back().last = run.last;
      else
        runs.push_back(run);
    }
    return runs;
  };
  const auto total = v4_.class_count + v6_.class_count;
  Runs runs{{side.families & kV4 ? 0 : v4_.class_count, (side.families & kV6 ? total : v4_.class_count) - 1}};
  for (const auto set : side.in) runs = intersect(runs, of_set(set));
  for (const auto set : side.not_in) runs = subtract(runs, of_set(set));
  return runs;
}

Status Compiler::classify() {
  if (auto done = classify_addresses(); !done) return done;
  if (auto done = classify_ports(); !done) return done;
  classes_.sides.reserve(predicates_.sides.size());
  for (const auto& side : predicates_.sides) classes_.sides.push_back(side_classes(side));
  classes_.l4 = std::move(l4_.by_set);
  classes_.source_ports = std::move(source_ports_.by_set);
  return {};
}

// The protocol's class, or the table of its 65,536 classes when it has several; equal tables are written once.
std::uint32_t Compiler::write_protocol(const Partition<std::uint32_t>& classes, std::uint32_t protocol,
                                       std::map<std::vector<std::uint16_t>, std::uint32_t>& tables) {
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

void Compiler::write_protocols() {
  header_.protocol_base = static_cast<std::uint32_t>(image_.lines.size());
  image_.lines.resize(image_.lines.size() + kProtocols * sizeof(nw_protocol) / NW_LINE_BYTES);
  std::vector<nw_protocol> protocols(kProtocols);
  std::map<std::vector<std::uint16_t>, std::uint32_t> tables;
  for (std::uint32_t i = 0; i < kProtocols; ++i)
    protocols[i] = {.l4 = write_protocol(l4_, i, tables), .source_port = write_protocol(source_ports_, i, tables)};
  std::memcpy(&image_.lines[header_.protocol_base], protocols.data(), protocols.size() * sizeof(nw_protocol));
}

Status Compiler::write_addresses() {
  const auto before = image_.lines.size();
  if (!write_v4(v4_, image_.lines, header_) || !write_v6(v6_, v4_.class_count, image_.lines, header_))
    return fail(Errc::limit, "the address tables need more than " + std::to_string(NW_MAX_IMAGE_LINES) + " lines of 64 bytes");
  image_.cost.address_bytes = (image_.lines.size() - before) * NW_LINE_BYTES;
  return {};
}

Status Compiler::write_diagrams() {
  const auto addresses = v4_.class_count + v6_.class_count;
  Diagrams diagrams({addresses, addresses, l4_.class_count, source_ports_.class_count});
  RootBuilder builder(diagrams, predicates_, classes_, {.nodes = limits_.diagram_nodes, .steps = limits_.diagram_steps});
  std::vector<std::array<Edge, 3>> roots;
  for (const auto& chain : chains_) {
    auto built = builder.build(chain);
    if (!built) return fail(std::move(built.error()));
    roots.push_back(*built);
  }
  const auto before = image_.lines.size();
  DiagramWriter writer(diagrams, image_.lines);
  for (std::size_t i = 0; i < chains_.size(); ++i) {
    auto& entry = entries_.emplace_back(kUnused);
    if (chains_[i].default_rule == NW_SLOT_UNUSED) continue;
    entry.default_rule = chains_[i].default_rule;
    for (std::size_t k = 0; k < 3; ++k) {
      entry.roots[k] = writer.write(roots[i][k]);
      image_.cost.deepest_diagram = std::max(image_.cost.deepest_diagram, writer.depth(roots[i][k]));
    }
    if (writer.full()) return fail(limit_error(last_rule(chains_[i]), "the image needs too many lines of 64 bytes", NW_MAX_IMAGE_LINES));
  }
  if (image_.cost.deepest_diagram > NW_REF_MAX_DEPTH)
    return fail(Errc::internal, "a diagram is " + std::to_string(image_.cost.deepest_diagram) + " nodes deep");
  image_.cost.diagram_bytes = (image_.lines.size() - before) * NW_LINE_BYTES;
  return {};
}

Status Compiler::write_endpoints() {
  std::vector<nw_image_endpoint> directory;
  for (std::size_t i = 0; i < resolved_.endpoints.size(); ++i) {
    const auto slot = slots_.endpoints.find(resolved_.endpoints[i].host_endpoint);
    if (slot == slots_.endpoints.end())
      return fail(Errc::internal, "host endpoint '" + resolved_.endpoints[i].host_endpoint + "' has no slot");
    if (slot->second >= kMostEndpointSlots)
      return fail(Errc::limit, "host endpoint '" + slot->first + "' has slot " + std::to_string(slot->second) + " (at most " +
                                   std::to_string(kMostEndpointSlots - 1) + ")");
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
Result<std::uint32_t> Compiler::counter_of(const RuleEntry& entry, std::map<RuleKey, std::uint32_t>::const_iterator& known) const {
  if (!is_counted(entry)) return NW_NO_COUNTER;
  const RuleKey owner{entry.direction, entry.origin};
  if (known != slots_.rules.end()) ++known;
  if (known == slots_.rules.end() || known->first != owner) known = slots_.rules.find(owner);
  if (known == slots_.rules.end())
    return fail(Errc::internal, "rule " + std::to_string(entry.origin.rule) + " of '" + entry.origin.policy + "' has no slot");
  if (known->second >= NW_MAX_RULE_COUNTERS)
    return fail(Errc::limit, "policy '" + entry.origin.policy + "', rule " + std::to_string(entry.origin.rule) +
                                 ": too many rules (at most " + std::to_string(NW_MAX_RULE_COUNTERS) + ")");
  return known->second;
}

Status Compiler::write_rules() {
  std::vector<nw_image_rule> rules;
  auto known = slots_.rules.end();
  for (const auto key : table_.key_by_index()) {
    const auto& entry = table_.entry(key);
    const auto counter = counter_of(entry, known);
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

Result<TableImage> Compiler::run() {
  flatten_all();
  if (auto done = classify(); !done) return fail(std::move(done.error()));
  image_.lines.resize(1);
  write_protocols();
  for (const auto step : {&Compiler::write_addresses, &Compiler::write_diagrams, &Compiler::write_endpoints, &Compiler::write_rules})
    if (auto done = (this->*step)(); !done) return fail(std::move(done.error()));
  if (image_.lines.size() > NW_MAX_IMAGE_LINES)
    return fail(Errc::limit, "the image needs more than " + std::to_string(NW_MAX_IMAGE_LINES) + " lines of 64 bytes");
  header_.magic = NW_MAGIC;
  header_.version = NW_IMAGE_VERSION;
  header_.line_count = static_cast<std::uint32_t>(image_.lines.size());
  std::memcpy(image_.lines.data(), &header_, sizeof(header_));
  image_.cost.bytes = image_.lines.size() * NW_LINE_BYTES;
  image_.cost.address_classes = v4_.class_count + v6_.class_count;
  image_.cost.l4_classes = l4_.class_count;
  image_.cost.source_port_classes = source_ports_.class_count;
  image_.cost.rules = header_.rule_count;
  return std::move(image_);
}

}  // namespace

Result<TableImage> compile(const resolve::Resolved& resolved, const Slots& slots, const CompileLimits& limits) {
  return Compiler(resolved, slots, limits).run();
}

}  // namespace nodewall::compile
