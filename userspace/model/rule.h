// Rule: one rule of a policy or profile, as Calico's v3 API has it. Everything here is as written by the user, with parsed
// leaf values; defaults are not filled in. Absent = any. All criteria are ANDed, entries of one list ORed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ip.h"
#include "model/selector.h"

namespace nodewall::model {

enum class Action : std::uint8_t { Allow, Deny, Log, Pass };

// IP protocol number 1..255. `as_name` keeps how it was written, for printing ("TCP" or 6).
struct Protocol {
  std::uint8_t number = 0;
  bool as_name = true;
  bool operator==(const Protocol& other) const { return number == other.number; }
};
std::optional<Protocol> protocol_by_name(std::string_view name);  // exact: TCP UDP ICMP ICMPv6 SCTP UDPLite
std::string to_string(const Protocol& protocol);                  // the name if it has one, else the number

struct PortRange {
  std::uint16_t first = 0;  // 1..65535, host order; first <= last
  std::uint16_t last = 0;
  auto operator<=>(const PortRange&) const = default;
};
using Port = std::variant<PortRange, std::string>;  // a string is a named port

struct Icmp {
  std::optional<std::uint8_t> type;  // 0..254
  std::optional<std::uint8_t> code;  // 0..255; only with type
  bool operator==(const Icmp&) const = default;
};

struct ServiceRef {
  std::string name;
  std::string namespace_name;
  bool operator==(const ServiceRef&) const = default;
};

struct ServiceAccounts {
  std::vector<std::string> names;
  std::optional<std::string> selector;
  bool operator==(const ServiceAccounts&) const = default;
};

struct EntityRule {
  std::vector<Cidr> nets;
  std::vector<Cidr> not_nets;
  std::optional<Selector> selector;
  std::optional<Selector> not_selector;
  std::optional<Selector> namespace_selector;
  std::optional<ServiceRef> services;
  std::optional<ServiceAccounts> service_accounts;
  std::vector<Port> ports;
  std::vector<Port> not_ports;
  bool operator==(const EntityRule&) const = default;
};

struct HttpPath {
  std::optional<std::string> exact;
  std::optional<std::string> prefix;
  bool operator==(const HttpPath&) const = default;
};

struct HttpMatch {
  std::vector<std::string> methods;
  std::vector<HttpPath> paths;
  bool operator==(const HttpMatch&) const = default;
};

struct Rule {
  Action action = Action::Allow;
  std::optional<Family> ip_version;
  std::optional<Protocol> protocol;
  std::optional<Protocol> not_protocol;
  std::optional<Icmp> icmp;
  std::optional<Icmp> not_icmp;
  EntityRule source;
  EntityRule destination;
  std::optional<HttpMatch> http;
  Labels annotations;  // metadata.annotations: a comment
  bool operator==(const Rule&) const = default;
};

}  // namespace nodewall::model
