// The policy image against the rules, chain by chain.
#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

#include "engine/verify_chain.h"

namespace nodewall::engine {
namespace {

// The rules that the variant is made of; none: there shall be no such variant.
const resolve::ChainPolicy* policy_of(const resolve::EndpointPolicy& endpoint, ChainKind kind) {
  if (kind.variant == NW_VARIANT_STAGED) return endpoint.staged[kind.chain] ? &*endpoint.staged[kind.chain] : nullptr;
  if (kind.variant > NW_VARIANT_STAGED || !endpoint.has(kind.chain)) return nullptr;
  const auto& policy = endpoint.chains[kind.chain];
  return kind.log() && !resolve::has_log(policy) ? nullptr : &policy;
}

// All there is room for, those that no image has among them.
template <class Visit>
void for_each_kind(Visit visit) {
  for (std::uint32_t variant = 0; variant < NW_VARIANTS; ++variant)
    for (std::uint32_t chain = 0; chain < NW_CHAINS; ++chain) visit(ChainKind{variant, chain});
}

class PolicyVerifier {
 public:
  PolicyVerifier(const Expectation& expectation, std::span<const nw_line> image, const VerifyLimits& limits, VerifyReport& report)
      : expectation_(expectation), image_(image), limits_(limits), report_(report) {}

  Status run() {
    if (auto sound = image_.check(); !sound) return no_image(sound.error());
    auto addresses = address_classes(expectation_.resolved, image_);
    if (!addresses) return addresses.error().code == Errc::abi ? no_image(addresses.error()) : fail(addresses.error());
    report_.address_regions = addresses->regions;
    for (const auto& endpoint : expectation_.resolved.endpoints) {
      Status done;
      for_each_kind([&](ChainKind kind) {
        if (done) done = verify_chain(*addresses, endpoint, kind);
      });
      if (!done) return done;
    }
    verify_unused();
    verify_header();
    return {};
  }

 private:
  Status no_image(const Error& why) {
    report_.differ({.table = "policy", .interface = {}, .host_endpoint = {}, .direction = {}, .chain = {}, .packet = {},
                    .expected = "a policy image", .found = why.message()});
    return {};
  }

  Status verify_chain(const AddressClasses& addresses, const resolve::EndpointPolicy& endpoint, ChainKind kind) {
    Subject subject{.kind = kind, .endpoint = &endpoint, .policy = policy_of(endpoint, kind), .interface = interface_of(endpoint)};
    if (subject.policy != nullptr) ++report_.chains;
    const auto slot = expectation_.slots.endpoints.find(endpoint.host_endpoint);
    const bool has_slot = slot != expectation_.slots.endpoints.end();
    if (has_slot) {
      used_.insert(slot->second);
      subject.slot = slot->second;
    }
    const auto entry = has_slot ? image_.endpoint(slot->second, kind.variant, kind.chain) : std::nullopt;
    if (subject.policy == nullptr) {
      if (entry) differ(subject, "no such chain", "there is one");
      return {};
    }
    // Log rules that no packet comes to need no entry; without one no packet is logged.
    if (!entry && (!has_slot || !kind.log())) {
      const bool host = kind.variant == NW_VARIANT_ENFORCED && kind.chain <= NW_CHAIN_EGRESS;
      differ(subject, "a policy", host ? "none: every packet is denied, fault_endpoint" : "none: no rule decides");
      return {};
    }
    if (entry) subject.entry = *entry;
    return is_known(subject) ? Status{} : compare_chain(expectation_, image_, addresses, limits_, subject, report_);
  }

  void differ(const Subject& subject, std::string expected, std::string found) {
    report_.differ({.table = "policy",
                    .interface = subject.interface,
                    .host_endpoint = subject.endpoint->host_endpoint,
                    .direction = subject.direction(),
                    .chain = chain_text(subject.kind),
                    .packet = {},
                    .expected = std::move(expected),
                    .found = std::move(found)});
  }

  // An endpoint with the same policy and the same entry was gone through already.
  bool is_known(const Subject& subject) {
    for (const auto& known : known_)
      if (known.kind.variant == subject.kind.variant && known.kind.chain == subject.kind.chain &&
          std::memcmp(&known.entry, &subject.entry, sizeof(known.entry)) == 0 && *known.policy == *subject.policy)
        return true;
    known_.push_back(subject);
    return false;
  }

  [[nodiscard]] std::string interface_of(const resolve::EndpointPolicy& endpoint) const {
    for (const auto& assignment : expectation_.resolved.assignments)
      if (&expectation_.resolved.endpoints[assignment.endpoint] == &endpoint) return assignment.interface;
    return {};
  }

  void verify_unused() {
    const auto slots = image_.header().endpoint_slots;
    for (std::uint32_t slot = 0; slot < slots; ++slot)
      for_each_kind([&](ChainKind kind) {
        if (!image_.endpoint(slot, kind.variant, kind.chain)) return;
        chains_ |= nw_chain_bit(kind.variant, kind.chain);
        if (!used_.contains(slot))
          report_.differ({.table = "policy", .interface = {}, .host_endpoint = {}, .direction = resolve::direction_of(kind.chain),
                          .chain = chain_text(kind), .packet = {}, .expected = "slot " + std::to_string(slot) + " is nobody's",
                          .found = "it has a policy"});
      });
  }

  // The programs ask only for what the header says that there is.
  void verify_header() {
    const auto said = image_.header().chains;
    for_each_kind([&](ChainKind kind) {
      const auto bit = nw_chain_bit(kind.variant, kind.chain);
      if ((said & bit) == (chains_ & bit)) return;
      const auto text = [&](std::uint32_t chains) { return std::string(chains & bit ? "some" : "no") + " endpoint has this chain"; };
      report_.differ({.table = "policy", .interface = {}, .host_endpoint = {}, .direction = resolve::direction_of(kind.chain),
                      .chain = chain_text(kind), .packet = {}, .expected = text(chains_), .found = "the header says that " + text(said)});
    });
  }

  const Expectation& expectation_;
  compile::ImageReader image_;
  const VerifyLimits& limits_;
  VerifyReport& report_;
  std::set<std::uint32_t> used_;
  std::uint32_t chains_ = 0;  // nw_chain_bit() of the entries that there are
  std::vector<Subject> known_;
};

}  // namespace

Status verify_policy(const Expectation& expectation, std::span<const nw_line> image, const VerifyLimits& limits, VerifyReport& report) {
  return PolicyVerifier(expectation, image, limits, report).run();
}

}  // namespace nodewall::engine
