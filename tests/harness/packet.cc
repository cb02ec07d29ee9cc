#include "harness/packet.h"

#include <array>
#include <stdexcept>

#include "base/ip.h"

namespace packet {
namespace {

void put16(Bytes& to, std::uint32_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}

void set16(Bytes& to, std::size_t at, std::uint32_t value) {
  to[at] = static_cast<std::uint8_t>(value >> 8);
  to[at + 1] = static_cast<std::uint8_t>(value);
}

void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

Bytes address(const std::string& text) {
  // The strict parser of the project refuses mapped addresses, which tests must send all the same.
  if (text.starts_with("::ffff:")) {
    Bytes mapped(10, 0);
    append(mapped, {0xff, 0xff});
    append(mapped, address(text.substr(7)));
    return mapped;
  }
  const auto parsed = nodewall::parse_address(text);
  if (!parsed) throw std::invalid_argument("a test's address: " + text);
  const auto begin = parsed->bytes.begin() + (parsed->family == nodewall::Family::v4 ? 12 : 0);
  return {begin, parsed->bytes.end()};
}

std::uint16_t checksum(const Bytes& bytes, std::uint32_t sum) {
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::uint32_t pseudo_header(const Layer* network, std::uint8_t protocol, std::size_t length) {
  Bytes header;
  if (network == nullptr) return 0;
  if (const auto* v4 = std::get_if<Ipv4>(network)) {
    append(header, address(v4->source));
    append(header, address(v4->destination));
  } else if (const auto* v6 = std::get_if<Ipv6>(network)) {
    append(header, address(v6->source));
    append(header, address(v6->destination));
  }
  put16(header, protocol);
  put16(header, static_cast<std::uint32_t>(length));
  return static_cast<std::uint16_t>(~checksum(header, 0));
}

// What the layer in front calls this one.
std::uint16_t ether_type(const Layer* next) {
  if (next == nullptr) return 0x88b5;  // local experimental
  if (const auto* vlan = std::get_if<Vlan>(next)) return vlan->tpid;
  if (std::holds_alternative<Ipv4>(*next)) return 0x0800;
  if (std::holds_alternative<Ipv6>(*next)) return 0x86dd;
  const auto* payload = std::get_if<Payload>(next);
  return payload != nullptr && payload->type ? *payload->type : 0x88b5;
}

std::uint8_t protocol_of(const Layer* next, bool in_v4) {
  struct Name {
    bool in_v4;
    std::uint8_t operator()(const Ethernet&) const { return 143; }
    std::uint8_t operator()(const Vlan&) const { return 143; }
    std::uint8_t operator()(const Ipv4&) const { return 4; }
    std::uint8_t operator()(const Ipv6&) const { return 41; }
    std::uint8_t operator()(const Extension& layer) const { return layer.kind; }
    std::uint8_t operator()(const Fragment&) const { return 44; }
    std::uint8_t operator()(const Tcp&) const { return 6; }
    std::uint8_t operator()(const Udp& layer) const { return layer.protocol; }
    std::uint8_t operator()(const Sctp&) const { return 132; }
    std::uint8_t operator()(const Icmp&) const { return in_v4 ? 1 : 58; }
    std::uint8_t operator()(const Payload& layer) const { return layer.protocol.value_or(253); }
  };
  return next == nullptr ? 59 : std::visit(Name{in_v4}, *next);
}

struct Writer {
  const Layer* network;  // the IP header around this layer
  const Layer* next;
  const Bytes& body;     // what follows, already written

  [[nodiscard]] std::uint8_t next_protocol() const {
    return protocol_of(next, network != nullptr && std::holds_alternative<Ipv4>(*network));
  }

  Bytes operator()(const Ethernet& layer) const {
    Bytes out{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    put16(out, layer.type.value_or(ether_type(next)));
    return out;
  }
  Bytes operator()(const Vlan& layer) const {
    Bytes out;
    put16(out, layer.id);
    put16(out, layer.type.value_or(ether_type(next)));
    return out;
  }
  Bytes operator()(const Ipv4& layer) const {
    Bytes options = layer.options;
    options.resize((options.size() + 3) / 4 * 4, 0);
    const auto words = layer.header_words.value_or(static_cast<std::uint8_t>(5 + options.size() / 4));
    Bytes out{static_cast<std::uint8_t>(layer.version << 4 | (words & 15)), 0};
    put16(out, layer.total_length.value_or(static_cast<std::uint16_t>(20 + options.size() + body.size())));
    put16(out, layer.id);
    put16(out, (layer.more ? 0x2000U : 0U) | layer.offset);
    out.push_back(layer.ttl);
    out.push_back(layer.protocol.value_or(protocol_of(next, true)));
    put16(out, 0);
    append(out, address(layer.source));
    append(out, address(layer.destination));
    append(out, options);
    set16(out, 10, checksum(out, 0));
    return out;
  }
  Bytes operator()(const Ipv6& layer) const {
    Bytes out{static_cast<std::uint8_t>(layer.version << 4), 0, 0, 0};
    put16(out, layer.payload_length.value_or(static_cast<std::uint16_t>(body.size())));
    out.push_back(layer.next.value_or(protocol_of(next, false)));
    out.push_back(layer.hop_limit);
    append(out, address(layer.source));
    append(out, address(layer.destination));
    return out;
  }
  Bytes operator()(const Extension& layer) const {
    Bytes out(layer.length, 0);
    const int units = layer.kind == 51 ? layer.length / 4 - 2 : layer.length / 8 - 1;
    out[0] = layer.next.value_or(next_protocol());
    out[1] = layer.length_field.value_or(static_cast<std::uint8_t>(units));
    if (layer.kind == 43) {
      out[2] = layer.routing_type;
    } else if (layer.kind == 0 || layer.kind == 60) {  // PadN over the rest
      out[2] = 1;
      out[3] = static_cast<std::uint8_t>(layer.length - 4);
    }
    return out;
  }
  Bytes operator()(const Fragment& layer) const {
    Bytes out{layer.next.value_or(next_protocol()), 0};
    put16(out, static_cast<std::uint32_t>(layer.offset << 3) | (layer.more ? 1U : 0U));
    put16(out, layer.id >> 16);
    put16(out, layer.id & 0xffff);
    return out;
  }
  [[nodiscard]] Bytes summed(Bytes out, std::size_t at, std::uint8_t protocol, bool with_pseudo_header) const {
    Bytes whole = out;
    append(whole, body);
    const auto sum = with_pseudo_header ? pseudo_header(network, protocol, whole.size()) : 0U;
    set16(out, at, checksum(whole, sum));
    return out;
  }
  Bytes operator()(const Tcp& layer) const {
    Bytes out;
    put16(out, layer.source);
    put16(out, layer.destination);
    append(out, {0, 0, 0, 1, 0, 0, 0, 1, static_cast<std::uint8_t>(layer.header_words << 4), layer.flags, 0x20, 0, 0, 0, 0, 0});
    if (layer.header_words > 5) out.resize(layer.header_words * 4U, 1);  // no-operations
    return summed(out, 16, 6, true);
  }
  Bytes operator()(const Udp& layer) const {
    Bytes out;
    put16(out, layer.source);
    put16(out, layer.destination);
    put16(out, static_cast<std::uint32_t>(8 + body.size()));
    put16(out, 0);
    return summed(out, 6, layer.protocol, true);
  }
  Bytes operator()(const Sctp& layer) const {
    Bytes out;
    put16(out, layer.source);
    put16(out, layer.destination);
    append(out, {0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4});  // tag, checksum left out, an INIT chunk
    return out;
  }
  Bytes operator()(const Icmp& layer) const {
    Bytes out{layer.type, layer.code, 0, 0};
    put16(out, layer.id);
    put16(out, layer.sequence);
    return summed(out, 2, 58, network != nullptr && std::holds_alternative<Ipv6>(*network));
  }
  Bytes operator()(const Payload& layer) const { return layer.data; }
};

bool is_network(const Layer& layer) { return std::holds_alternative<Ipv4>(layer) || std::holds_alternative<Ipv6>(layer); }

}  // namespace

Bytes Packet::bytes() const {
  Bytes body;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer* network = nullptr;
    for (std::size_t k = i; k-- > 0 && network == nullptr;)
      if (is_network(layers_[k])) network = &layers_[k];
    const Layer* next = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
    Bytes out = std::visit(Writer{network, next, body}, layers_[i]);
    append(out, body);
    body = std::move(out);
  }
  return body;
}

}  // namespace packet
