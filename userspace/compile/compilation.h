// Compilation: one policy on its way to its image, and what is kept of that way for a policy that differs a little (compiler.h).
// Included by compile.cc, compile_tables.cc, compile_update.cc and compiler.cc only.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "compile/class_table.h"
#include "compile/diagram_writer.h"
#include "compile/flatten.h"
#include "compile/image_lines.h"
#include "compile/roots.h"
#include "compile/table_image.h"

namespace nodewall::compile {

constexpr nw_image_endpoint kUnused = {.roots = {NW_NO_MATCH, NW_NO_MATCH, NW_NO_MATCH}, .default_rule = NW_SLOT_UNUSED};
constexpr std::size_t kNoList = ~std::size_t{0};

struct List {  // one list of rules, shared by all chains that have an equal one
  const resolve::ChainPolicy* policy = nullptr;
  resolve::ChainEnd end = resolve::ChainEnd::profiles;
  std::uint32_t direction = NW_INGRESS;
  bool log = false;  // asked only whether the packet is logged
};
using ListNumbers = std::array<std::array<std::size_t, NW_CHAINS>, NW_VARIANTS>;

// Classes of ports of all protocols: of destination ports, or of source ports.
struct PortClasses {
  Partition<std::uint32_t> pieces;
  ClassTable table;  // by PredicateId
};

struct SetChange {
  SetId set = 0;
  const CidrList* now = nullptr;
  CidrDifference members;
};

class Compilation {
 public:
  Compilation(std::shared_ptr<const resolve::Resolved> resolved, const CompileLimits& limits)
      : resolved_(std::move(resolved)), limits_(limits), predicates_(resolved_->sets), lines_(image_.lines) {}

  Status build(const Slots& slots);
  // The same slots, and what a rule is called and does stays. False: it has to be built anew, and this one is of no use any more.
  bool update(std::shared_ptr<const resolve::Resolved> next);
  void expect_updates();  // after build()
  // So much was changed that what nobody needs any more outweighs the rest.
  [[nodiscard]] bool is_worn() const;

  [[nodiscard]] TableImage& image() { return image_; }
  [[nodiscard]] ImageLines& lines() { return lines_; }

 private:
  // compile.cc
  void flatten_all();
  std::size_t list_number(const List& list);
  ListNumbers lists_of(const resolve::EndpointPolicy& endpoint);
  Status classify();
  Status classify_addresses();
  Status classify_ports();
  void share_numbers();
  void share_port_numbers(PortClasses& ports);
  [[nodiscard]] Runs side_classes(const SidePredicate& side) const;
  [[nodiscard]] const resolve::ResolvedRule& rule_of_set(SetId set) const;
  Status write_diagrams();
  [[nodiscard]] RootContext root_context();

  // compile_tables.cc
  void write_protocols();
  std::uint32_t write_protocol(const PortClasses& ports, std::uint32_t protocol, std::map<std::vector<std::uint16_t>, std::uint32_t>& tables);
  Status write_addresses();
  Status write_endpoints(const Slots& slots);
  Result<std::uint32_t> counter_of(const RuleEntry& entry, const Slots& slots, std::map<RuleKey, std::uint32_t>::const_iterator& known) const;
  Status write_rules(const Slots& slots);
  [[nodiscard]] std::uint32_t needs() const;
  void write_header();

  // compile_update.cc
  bool match_sets(const resolve::Resolved& next, std::vector<SetChange>& changes);
  bool match_set(resolve::SetIndex set, const resolve::Resolved& next, std::vector<SetId>& ids, std::vector<SetChange>& changes);
  bool match_lists(const resolve::Resolved& next, std::vector<const resolve::ChainPolicy*>& policies) const;
  bool match_rules(std::size_t list, const resolve::ChainPolicy& policy, const std::vector<SetId>& old_ids, std::vector<TermChange>& changes);
  bool update_lists(std::span<const std::vector<TermChange>> changes, const DirtyPredicates& dirty);
  bool write_list(std::size_t list, const std::array<Edge, 3>& before);
  void write_entries(std::size_t list);
  [[nodiscard]] std::size_t with_spare_nodes(std::size_t nodes) const;
  void collect_garbage();

  // classes_update.cc
  bool change_members(const SetChange& change);
  bool use_new_sets(std::size_t first_side, const resolve::Resolved& next);
  bool move_addresses(const Cidr& network, SetId set, bool into);
  bool use_new_ports(PortClasses& ports, std::span<const PortIntervals> predicates);
  bool split_ports(PortClasses& ports, const PortIntervals& intervals);
  bool write_ports(const PortClasses& ports, std::uint32_t protocol);
  DirtyPredicates refresh_classes(std::size_t first_side);

  std::shared_ptr<const resolve::Resolved> resolved_;
  const CompileLimits limits_;
  Predicates predicates_;
  RuleTable table_;
  std::vector<List> lists_;
  std::vector<ListNumbers> lists_of_endpoint_;
  std::vector<std::uint32_t> slot_of_endpoint_;
  std::vector<Chain> chains_;               // by list
  std::vector<Roots> roots_;                // by list
  std::vector<nw_image_endpoint> entries_;  // by list; kUnused: one that says nothing
  Partition<std::uint32_t> v4_;
  Partition<Uint128> v6_;
  ClassTable addresses_;  // of both families, IPv6 behind IPv4; by SetId
  std::uint32_t first_v6_ = 0;
  PortClasses l4_, source_ports_;
  std::vector<bool> used_sets_;  // by SetId: a rule looks at it, the address tables know it
  PredicateClasses classes_;
  std::unique_ptr<Diagrams> diagrams_;
  nw_image_header header_{};
  TableImage image_;
  ImageLines lines_;
  std::unique_ptr<DiagramWriter> writer_;
  std::size_t built_nodes_ = 0, built_predicates_ = 0, built_lines_ = 0;
  std::size_t most_nodes_ = 0;  // before those are forgotten that nothing leads to
};

}  // namespace nodewall::compile
