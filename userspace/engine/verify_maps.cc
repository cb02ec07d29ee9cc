// The small maps against the settings.
#include <algorithm>
#include <cstring>

#include "engine/kernel_values.h"
#include "engine/rule_classes.h"
#include "engine/verify.h"

namespace nodewall::engine {
namespace {

constexpr Uint128 kMappedFirst = Uint128{0xffff} << 32;  // ::ffff:0:0/96 stands for IPv4
constexpr Uint128 kMappedLast = kMappedFirst | 0xffffffffU;
constexpr std::uint32_t kFixedBits = 32;  // of a key, in front of the peer

Address peer_at(Uint128 position) {
  if (position >= kMappedFirst && position <= kMappedLast) return Address::v4(static_cast<std::uint32_t>(position));
  return compile::address_at(Family::v6, position);
}

Uint128 peer_position(const std::uint8_t* bytes) {
  Uint128 position = 0;
  for (int i = 0; i < 16; ++i) position = position << 8 | bytes[i];
  return position;
}

struct NetKey {
  Uint128 first = 0, last = 0;
  std::uint32_t length = 0;  // of the prefix
  bool open = false;
};

struct Port {
  std::uint32_t direction = NW_INGRESS;
  bool is_udp = false;
  std::uint16_t number = 0;
  auto operator<=>(const Port&) const = default;
};

std::string port_text(const Port& port) { return (port.is_udp ? "UDP/" : "TCP/") + std::to_string(port.number); }

class FailsafeVerifier {
 public:
  FailsafeVerifier(const Expectation& expectation, const kernel::SmallMaps& maps, VerifyReport& report) : maps_(maps), report_(report) {
    const auto& settings = expectation.resolved.settings;
    for (const std::uint32_t direction : {NW_INGRESS, NW_EGRESS})
      for (const auto& open : direction == NW_INGRESS ? settings.failsafe_inbound : settings.failsafe_outbound)
        wanted_[{direction, open.protocol.number == 17, open.port}].push_back(&open);
  }

  void run() {
    read_nets();
    for (std::uint32_t direction = 0; direction < NW_DIRECTIONS; ++direction)
      for (const bool is_udp : {false, true})
        for (std::uint32_t number = 0; number <= 0xffff; ++number) verify_port({direction, is_udp, static_cast<std::uint16_t>(number)});
  }

 private:
  void read_nets() {
    for (const auto& [key, open] : maps_.failsafe_nets) {
      const Port port{key.direction, key.is_udp == 1, static_cast<std::uint16_t>(key.port_be[0] << 8 | key.port_be[1])};
      const auto bits = key.prefixlen - kFixedBits;
      if (key.prefixlen < kFixedBits || bits > 128 || key.direction >= NW_DIRECTIONS || key.is_udp > 1) {
        differ(port, "", "no such network", "a network without a direction, protocol and port");
        continue;
      }
      const auto inside = bits == 0 ? ~Uint128{0} : (Uint128{1} << (128 - bits)) - 1;
      const auto first = peer_position(key.peer) & ~(bits == 128 ? Uint128{0} : inside);
      nets_[port].push_back({first, bits == 128 ? first : first | inside, bits, open != 0});
    }
  }

  void verify_port(const Port& port) {
    const auto& word = maps_.failsafe_words[nw_failsafe_index(port.direction, port.is_udp ? 1 : 0, port.number)];
    const bool any = (word.any >> (port.number & 63) & 1) != 0;
    const bool by_net = (word.nets >> (port.number & 63) & 1) != 0;
    const auto wanted = wanted_.find(port);
    const auto nets = nets_.find(port);
    ++report_.small_entries;
    if (!any && !by_net && wanted == wanted_.end() && nets == nets_.end()) return;
    const bool wants_any = wanted != wanted_.end() && std::ranges::any_of(wanted->second, [](const auto* it) { return !it->net; });
    const bool wants_nets = wanted != wanted_.end() && std::ranges::any_of(wanted->second, [](const auto* it) { return it->net.has_value(); });
    if (any != wants_any) differ(port, "", wants_any ? "open to every peer" : "not open to every peer", any ? "open" : "not open");
    if (by_net != wants_nets) differ(port, "", wants_nets ? "open to networks" : "not open to networks", by_net ? "open" : "not open");
    if (nets != nets_.end() && !wants_nets) differ(port, "", "no networks", std::to_string(nets->second.size()) + " in the map");
    if (wants_nets) verify_peers(port, wanted->second, nets == nets_.end() ? std::vector<NetKey>{} : nets->second);
  }

  // Every peer: one of each region that the networks of both sides leave.
  void verify_peers(const Port& port, const std::vector<const model::FailsafePort*>& wanted, const std::vector<NetKey>& nets) {
    std::vector<Uint128> starts{0, kMappedFirst, kMappedLast + 1};
    const auto add = [&](Uint128 first, Uint128 last) {
      starts.push_back(first);
      if (last != ~Uint128{0}) starts.push_back(last + 1);
    };
    for (const auto& net : nets) add(net.first, net.last);
    for (const auto* open : wanted) {
      if (!open->net) continue;
      const auto masked = open->net->masked();
      const auto bits = masked.prefix + (masked.address.family == Family::v4 ? 96U : 0U);
      const auto first = peer_position(masked.address.bytes.data());
      add(first, bits == 0 ? ~Uint128{0} : first | ((bits == 128 ? Uint128{1} : Uint128{1} << (128 - bits)) - 1));
    }
    std::ranges::sort(starts);
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    for (const auto start : starts) {
      ++report_.small_entries;
      const NetKey* longest = nullptr;
      for (const auto& net : nets)
        if (net.first <= start && start <= net.last && (longest == nullptr || net.length > longest->length)) longest = &net;
      const auto peer = peer_at(start);
      const bool found = longest != nullptr && longest->open;
      const bool expected = std::ranges::any_of(wanted, [&](const auto* open) { return open->net && open->net->contains(peer); });
      if (found != expected)
        differ(port, " peer " + to_string(peer), expected ? "open" : "not open", found ? "open" : "not open");
    }
  }

  void differ(const Port& port, const std::string& peer, std::string expected, std::string found) {
    report_.differ({.table = "failsafe", .interface = {}, .host_endpoint = {}, .direction = port.direction, .chain = {}, .packet = {},
                    .expected = port_text(port) + peer + ": " + expected, .found = std::move(found)});
  }

  const kernel::SmallMaps& maps_;
  VerifyReport& report_;
  std::map<Port, std::vector<const model::FailsafePort*>> wanted_;
  std::map<Port, std::vector<NetKey>> nets_;
};

template <class Key, class Value, class Text>
void compare_maps(const std::string& table, const std::map<Key, Value>& wanted, const std::map<Key, Value>& held, Text text,
                  VerifyReport& report) {
  const auto differ = [&](const Key& key, const Value* expected, const Value* found) {
    report.differ({.table = table, .interface = {}, .host_endpoint = {}, .direction = {}, .chain = {}, .packet = {},
                   .expected = text(key, expected), .found = text(key, found)});
  };
  for (const auto& [key, value] : wanted) {
    ++report.small_entries;
    const auto found = held.find(key);
    if (found == held.end()) differ(key, &value, nullptr);
    else if (std::memcmp(&found->second, &value, sizeof(value)) != 0) differ(key, &value, &found->second);
  }
  for (const auto& [key, value] : held)
    if (!wanted.contains(key)) differ(key, nullptr, &value);
}

std::map<std::uint32_t, nw_interface> wanted_interfaces(const Expectation& expectation) {
  std::map<std::uint32_t, nw_interface> wanted;
  for (const auto& assignment : expectation.resolved.assignments) {
    const auto facts = std::ranges::find(expectation.facts.interfaces, assignment.interface, &resolve::InterfaceFacts::name);
    const auto slot = expectation.slots.endpoints.find(expectation.resolved.endpoints[assignment.endpoint].host_endpoint);
    if (assignment.ifindex == 0 || facts == expectation.facts.interfaces.end() || slot == expectation.slots.endpoints.end()) continue;
    const auto counter = expectation.interface_counters.find(assignment.interface);
    nw_interface entry{};
    entry.endpoint = slot->second;
    entry.counter = counter == expectation.interface_counters.end() ? 0 : counter->second;
    entry.flags = interface_flags(*facts, expectation.resolved.endpoints[assignment.endpoint]);
    wanted.emplace(assignment.ifindex, entry);
  }
  return wanted;
}

void verify_settings(const nw_settings& wanted, const nw_settings& held, VerifyReport& report) {
  const auto check = [&](const char* name, std::uint64_t expected, std::uint64_t found) {
    ++report.small_entries;
    if (expected == found) return;
    report.differ({.table = "settings", .interface = {}, .host_endpoint = {}, .direction = {}, .chain = {}, .packet = {},
                   .expected = std::string(name) + " " + std::to_string(expected), .found = std::to_string(found)});
  };
  check("synSent ns", wanted.syn_sent_ns, held.syn_sent_ns);
  check("tcpEstablished ns", wanted.tcp_established_ns, held.tcp_established_ns);
  check("finsSeen ns", wanted.fins_seen_ns, held.fins_seen_ns);
  check("resetSeen ns", wanted.reset_seen_ns, held.reset_seen_ns);
  check("udp ns", wanted.udp_ns, held.udp_ns);
  check("icmp ns", wanted.icmp_ns, held.icmp_ns);
  check("generic ns", wanted.generic_ns, held.generic_ns);
  check("flags", wanted.flags, held.flags);
  check("logInterval ns", wanted.log_interval_ns, held.log_interval_ns);
  check("logBurst", wanted.log_burst, held.log_burst);
  check("service port ranges", wanted.service_port_ranges, held.service_port_ranges);
  for (unsigned i = 0; i < NW_MAX_SERVICE_PORT_RANGES; ++i) {
    const auto name = "service port range " + std::to_string(i);
    check((name + " from").c_str(), wanted.service_ports[i].first, held.service_ports[i].first);
    check((name + " to").c_str(), wanted.service_ports[i].last, held.service_ports[i].last);
  }
}

// What is in a cache is in its table; what `must` be in the cache, because the table is not asked, is there.
template <class Key, class Value, class Must, class Text>
void compare_cache(const std::string& table, const std::map<Key, Value>& wanted, const std::map<Key, Value>& cached, Must must, Text text,
                   VerifyReport& report) {
  std::map<Key, Value> expected;
  for (const auto& entry : wanted)
    if (cached.contains(entry.first) || must(entry.first)) expected.insert(entry);
  compare_maps(table, expected, cached, text, report);
}

}  // namespace

void verify_small_maps(const Expectation& expectation, const Tables& tables, VerifyReport& report) {
  const auto& resolved = expectation.resolved;
  FailsafeVerifier(expectation, tables.small, report).run();
  const auto address_text = [](const Address& address, const std::uint32_t* flags) {
    return to_string(address) + (flags == nullptr ? ": none" : ": flags " + std::to_string(*flags));
  };
  compare_maps("local addresses", local_entries(resolved), tables.small.local_addresses, address_text, report);
  const auto is_whole = [&](const Address& address) { return tables.small.whole_lines.contains(kernel::local_line(address)); };
  compare_cache("cached addresses", local_entries(resolved), tables.small.cached_addresses, is_whole, address_text, report);
  verify_settings(to_kernel(resolved.settings), tables.small.settings, report);
  const auto name_of = [&](std::uint32_t ifindex) {
    for (const auto& interface : expectation.facts.interfaces)
      if (interface.ifindex == ifindex) return interface.name;
    return "ifindex " + std::to_string(ifindex);
  };
  const auto interface_text = [&](std::uint32_t ifindex, const nw_interface* entry) {
    if (entry == nullptr) return name_of(ifindex) + ": none";
    return name_of(ifindex) + ": endpoint slot " + std::to_string(entry->endpoint) + ", counters " + std::to_string(entry->counter) + ", flags " +
           std::to_string(entry->flags);
  };
  const auto interfaces = wanted_interfaces(expectation);
  compare_maps("interfaces", interfaces, tables.interfaces, interface_text, report);
  compare_cache("cached interfaces", interfaces, tables.small.cached_interfaces, [](std::uint32_t) { return false; }, interface_text, report);
}

}  // namespace nodewall::engine
