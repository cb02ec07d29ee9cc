#include "engine/packet_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace nodewall::engine {
namespace {

using nlohmann::json;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

Result<std::string> text_of(const json& from, const char* key) {
  const auto found = from.find(key);
  if (found == from.end()) return fail(Errc::config, fmt::format("\"{}\" is missing", key));
  if (!found->is_string()) return fail(Errc::config, fmt::format("\"{}\" is not a text", key));
  return found->get<std::string>();
}

bool is_number(const json& value, std::int64_t most) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return false;
  const auto number = value.get<std::int64_t>();
  return number >= 0 && number <= most;
}

Result<std::optional<std::uint16_t>> number_of(const json& from, const char* key, unsigned most) {
  const auto found = from.find(key);
  if (found == from.end()) return std::nullopt;
  if (!is_number(*found, most)) {
    return fail(Errc::config, fmt::format("\"{}\" is not a number of 0 to {}", key, most));
  }
  return static_cast<std::uint16_t>(found->get<std::int64_t>());
}

Result<std::uint8_t> protocol_of(const json& from) {
  const auto found = from.find("protocol");
  if (found == from.end()) return fail(Errc::config, "\"protocol\" is missing");
  if (is_number(*found, 255)) return static_cast<std::uint8_t>(found->get<std::int64_t>());
  if (found->is_string()) {
    const auto name = lower(found->get<std::string>());
    for (const auto* known : {"TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"}) {
      if (lower(known) == name) return model::protocol_by_name(known)->number;
    }
    unsigned number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number < 256) {
      return static_cast<std::uint8_t>(number);
    }
  }
  return fail(Errc::config, "\"protocol\" is neither a known name nor a number of 0 to 255");
}

Result<std::uint8_t> flags_of(const json& from) {
  const auto found = from.find("flags");
  if (found == from.end()) return std::uint8_t{2};
  if (!found->is_string()) return fail(Errc::config, "\"flags\" is not a text");
  constexpr std::string_view kLetters = "FSRPAU";
  std::uint8_t flags = 0;
  for (const char c : found->get<std::string>()) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    const auto bit = kLetters.find(upper);
    if (bit == std::string_view::npos) {
      return fail(Errc::config, "\"flags\" has letters other than F, S, R, P, A, U");
    }
    flags = static_cast<std::uint8_t>(flags | 1U << bit);
  }
  return flags;
}

bool has_ports(std::uint8_t protocol) {
  return protocol == 6 || protocol == 17 || protocol == 132 || protocol == 136;
}

Status transport_of(const json& from, resolve::PacketQuery& packet) {
  const bool icmp = packet.protocol == (packet.source.family == Family::v4 ? 1 : 58);
  const auto number = [&](const char* key, unsigned most, bool fits, auto& into) -> Status {
    const auto value = number_of(from, key, most);
    if (!value) return fail(value.error());
    if (!*value) return {};
    if (!fits) return fail(Errc::config, fmt::format("this protocol has no \"{}\"", key));
    into = static_cast<std::remove_reference_t<decltype(into)>>(**value);
    return {};
  };
  const bool ports = has_ports(packet.protocol);
  if (auto done = number("sport", 65535, ports, packet.source_port); !done) return done;
  if (auto done = number("dport", 65535, ports, packet.destination_port); !done) return done;
  if (auto done = number("type", 255, icmp, packet.icmp_type); !done) return done;
  if (auto done = number("code", 255, icmp, packet.icmp_code); !done) return done;
  const auto flags = flags_of(from);
  if (!flags) return fail(flags.error());
  packet.tcp_flags = *flags;
  return {};
}

Status check_keys(const json& from) {
  static const std::set<std::string, std::less<>> kKnown = {
      "interface", "direction", "src",  "dst",   "protocol", "sport",
      "dport",     "type",      "code", "flags", "forwarded"};
  for (const auto& [key, value] : from.items()) {
    if (!kKnown.contains(key)) return fail(Errc::config, fmt::format("\"{}\" is not known", key));
  }
  return {};
}

}  // namespace

Result<resolve::PacketQuery> packet_from_json(const json& from) {
  if (!from.is_object()) return fail(Errc::config, "not a JSON object");
  if (auto known = check_keys(from); !known) return fail(known.error());
  resolve::PacketQuery packet;
  const auto interface = text_of(from, "interface");
  if (!interface) return fail(interface.error());
  packet.interface = *interface;
  const auto direction = text_of(from, "direction");
  if (!direction) return fail(direction.error());
  if (lower(*direction) != "ingress" && lower(*direction) != "egress") {
    return fail(Errc::config, "\"direction\" is neither ingress nor egress");
  }
  packet.direction = lower(*direction) == "ingress" ? NW_INGRESS : NW_EGRESS;
  for (auto [key, into] : {std::pair{"src", &packet.source}, {"dst", &packet.destination}}) {
    const auto text = text_of(from, key);
    if (!text) return fail(text.error());
    auto address = parse_address(*text);
    if (!address) return fail(address.error().in(fmt::format("\"{}\"", key)));
    *into = *address;
  }
  if (packet.source.family != packet.destination.family) {
    return fail(Errc::config, "\"src\" and \"dst\" are not of one family");
  }
  const auto protocol = protocol_of(from);
  if (!protocol) return fail(protocol.error());
  packet.protocol = *protocol;
  if (const auto found = from.find("forwarded"); found != from.end()) {
    if (!found->is_boolean()) return fail(Errc::config, "\"forwarded\" is not true or false");
    packet.forwarded = found->get<bool>();
  }
  if (auto done = transport_of(from, packet); !done) return fail(done.error());
  return packet;
}

json to_json(const resolve::Judgement& judgement) {
  json to = {{"verdict", judgement.allow ? "allow" : "deny"},
             {"reason", resolve::reason_name(judgement.reason)}};
  if (!judgement.origin.tier.empty()) to["tier"] = judgement.origin.tier;
  if (!judgement.origin.policy.empty()) to["policy"] = judgement.origin.policy;
  if (judgement.origin.rule >= 0) to["rule"] = judgement.origin.rule;
  return to;
}

Result<resolve::NodeFacts> facts_from_json(const json& from, const std::string& node) {
  if (!from.is_object() || !from.contains("interfaces") || !from["interfaces"].is_array()) {
    return fail(Errc::config, "facts have no list \"interfaces\"");
  }
  resolve::NodeFacts facts;
  facts.node = node;
  if (node.empty() && from.contains("node")) {
    auto named = text_of(from, "node");
    if (!named) return fail(named.error());
    facts.node = *named;
  }
  for (const auto& entry : from["interfaces"]) {
    resolve::InterfaceFacts interface;
    auto name = entry.is_object() ? text_of(entry, "name")
                                  : Result<std::string>(fail(Errc::config, "not an object"));
    if (!name) return fail(name.error().in("interfaces"));
    interface.name = *name;
    interface.is_loopback = interface.name == "lo";
    const auto addresses = entry.value("addresses", json::array());
    if (!addresses.is_array()) return fail(Errc::config, "\"addresses\" is not a list");
    for (const auto& text : addresses) {
      if (!text.is_string()) return fail(Errc::config, "an address is not a text");
      auto cidr = parse_cidr(text.get<std::string>(), BareAddress::is_host);
      if (!cidr) return fail(cidr.error().in("interface " + interface.name));
      interface.addresses.push_back(*cidr);
    }
    facts.interfaces.push_back(std::move(interface));
  }
  std::ranges::stable_sort(facts.interfaces, {}, &resolve::InterfaceFacts::name);
  return facts;
}

}  // namespace nodewall::engine
