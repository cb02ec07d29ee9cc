#include "resolve/normal_form.h"

#include <optional>

#include "resolve/address_sets.h"

namespace nodewall::resolve {
namespace {

constexpr std::size_t kMostMoved = 1024;  // of one step; with more the whole is as fast

// Hashes of members are added up, so that one can be taken away again.
std::uint64_t hash_of(const Cidr& member) {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = static_cast<std::uint64_t>(member.address.family) << 8 | member.prefix;
  for (const auto value : {member.address.high(), member.address.low()}) {
    hash = (hash ^ value) * kMultiplier;
    hash ^= hash >> 32;
  }
  return hash * kMultiplier;
}

bool covers(const Cidr& wide, const Cidr& narrow) { return wide.prefix <= narrow.prefix && wide.contains(narrow.address); }

// Whether the address lies in the network, whatever its family: those of both stand in one order.
bool is_within(const Address& address, const Cidr& net) {
  auto as_net = net;
  as_net.address.family = Family::v6;
  as_net.prefix = static_cast<std::uint8_t>(net.prefix + (net.address.family == Family::v4 ? 96 : 0));
  auto as_v6 = address;
  as_v6.family = Family::v6;
  return as_net.contains(as_v6);
}

// The members of a sorted list that the network covers, each once; nothing: very many.
std::optional<std::vector<Cidr>> covered_by(const Cidr& net, const CidrList& list) {
  std::vector<Cidr> found;
  std::size_t steps = 0;
  for (const auto* it = list.at_or_after(net); it != nullptr && is_within(it->address, net); it = list.after(*it)) {
    if (++steps > kMostMoved) return std::nullopt;
    if (covers(net, *it)) found.push_back(*it);
  }
  return found;
}

}  // namespace

std::uint64_t hash_of_members(const CidrList& members) {
  std::uint64_t hash = 0;
  for (const auto& member : members) hash += hash_of(member);
  return hash;
}

NormalForm::NormalForm(std::vector<Cidr> written) {
  std::vector<Cidr> hidden;
  members_ = normalized(std::move(written), &hidden);
  hidden_ = std::move(hidden);
  hash_ = hash_of_members(members_);
}

void NormalForm::show(const Cidr& net) {
  members_ = members_.with(net);
  hash_ += hash_of(net);
}

void NormalForm::take(const Cidr& net) {
  members_ = members_.without(net);
  hash_ -= hash_of(net);
}

// By a member: there is one of another length at the same place, or the network itself.
bool NormalForm::is_covered(const Cidr& net) const {
  for (int prefix = net.prefix; prefix >= 0; --prefix) {
    const auto cover = Cidr{net.address, static_cast<std::uint8_t>(prefix)}.masked();
    const auto* found = members_.at_or_after(cover);
    if (found != nullptr && *found == cover) return true;
  }
  return false;
}

bool NormalForm::add(const Cidr& written) {
  const auto net = written.masked();
  if (is_covered(net)) {
    hidden_ = hidden_.with_another(net);
    return true;
  }
  const auto below = covered_by(net, members_);
  if (!below) return false;
  for (const auto& it : *below) {
    take(it);
    hidden_ = hidden_.with_another(it);
  }
  show(net);
  return true;
}

bool NormalForm::remove(const Cidr& written) {
  const auto net = written.masked();
  const auto is_in = [&](const CidrList& list) {
    const auto* found = list.at_or_after(net);
    return found != nullptr && *found == net;
  };
  if (is_in(hidden_)) {
    hidden_ = hidden_.without(net);
    return true;
  }
  if (!is_in(members_)) return false;
  const auto below = covered_by(net, hidden_);
  if (!below) return false;
  take(net);
  const Cidr* shown = nullptr;  // a cover sorts before what it covers
  for (const auto& it : *below) {
    if (shown != nullptr && covers(*shown, it)) continue;
    shown = &it;
    hidden_ = hidden_.without(it);
    show(it);
  }
  return true;
}

}  // namespace nodewall::resolve
