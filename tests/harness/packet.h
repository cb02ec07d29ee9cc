// Packets written down layer by layer, for tests:
//
//   Ethernet{} / Ipv4{.source = "10.0.0.9"} / Tcp{.destination = 80} / Payload{"hello"}
//   Ethernet{} / Ipv6{} / Extension{.kind = 60, .length = 16} / Udp{.destination = 53}
//
// bytes() fills in what was left out: types of what follows, lengths, checksums. A field that was given is written as given, however
// wrong: that is what tests of malformed packets do. Numbers are in host order here, in network order in the bytes. The same layers
// without Ethernet are a packet of an interface without link header, or the quoted packet of an ICMP error.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace packet {

using Bytes = std::vector<std::uint8_t>;

struct Ethernet {
  std::optional<std::uint16_t> type = {};  // or an 802.3 length
};

struct Vlan {
  std::uint16_t id = 10;
  std::uint16_t tpid = 0x8100;  // the type that the layer before names
  std::optional<std::uint16_t> type = {};
};

struct Ipv4 {
  std::string source = "10.0.0.9";
  std::string destination = "10.0.0.1";
  std::uint8_t ttl = 64;
  std::uint16_t id = 1;
  bool more = false;            // more fragments
  std::uint16_t offset = 0;     // of the fragment, in 8 bytes
  Bytes options = {};           // padded to 4 bytes
  std::optional<std::uint8_t> protocol = {};
  std::optional<std::uint16_t> total_length = {};
  std::uint8_t version = 4;
  std::optional<std::uint8_t> header_words = {};
};

struct Ipv6 {
  std::string source = "2001:db8::9";
  std::string destination = "2001:db8::1";
  std::uint8_t hop_limit = 64;
  std::optional<std::uint8_t> next = {};
  std::optional<std::uint16_t> payload_length = {};
  std::uint8_t version = 6;
};

// An IPv6 extension header: hop-by-hop 0, routing 43, authentication 51, destination 60, mobility 135.
struct Extension {
  std::uint8_t kind = 60;
  std::uint16_t length = 8;       // bytes; authentication: a multiple of 4, else of 8
  std::uint8_t routing_type = 2;  // kind 43
  std::optional<std::uint8_t> next = {};
  std::optional<std::uint8_t> length_field = {};
};

struct Fragment {  // IPv6
  std::uint16_t offset = 0;  // in 8 bytes
  bool more = false;
  std::uint32_t id = 1;
  std::optional<std::uint8_t> next = {};
};

constexpr std::uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32;

struct Tcp {
  std::uint16_t source = 40000;
  std::uint16_t destination = 80;
  std::uint8_t flags = kSyn;
  std::uint8_t header_words = 5;
};

struct Udp {
  std::uint16_t source = 40000;
  std::uint16_t destination = 53;
  std::uint8_t protocol = 17;  // 136: UDP-Lite
};

struct Sctp {
  std::uint16_t source = 40000;
  std::uint16_t destination = 80;
};

struct Icmp {  // ICMPv6 behind Ipv6
  std::uint8_t type = 8;
  std::uint8_t code = 0;
  std::uint16_t id = 1;  // of an echo; else the first half of the word behind the checksum
  std::uint16_t sequence = 1;
};

// Bytes as they are. `type` and `protocol` are what the layer before shall call them.
struct Payload {
  Bytes data = {};
  std::optional<std::uint16_t> type = {};
  std::optional<std::uint8_t> protocol = {};

  Payload() = default;
  explicit Payload(Bytes bytes) : data(std::move(bytes)) {}
  explicit Payload(std::size_t size, std::uint8_t value = 0x5a) : data(size, value) {}
  explicit Payload(const char* text) : data(text, text + std::char_traits<char>::length(text)) {}
};

using Layer = std::variant<Ethernet, Vlan, Ipv4, Ipv6, Extension, Fragment, Tcp, Udp, Sctp, Icmp, Payload>;

class Packet {
 public:
  template <typename L>
    requires std::constructible_from<Layer, L>
  Packet(L layer) : layers_{Layer(std::move(layer))} {}  // NOLINT: one layer is a packet
  Packet& operator/=(const Packet& upper) {
    layers_.insert(layers_.end(), upper.layers_.begin(), upper.layers_.end());
    return *this;
  }
  [[nodiscard]] Bytes bytes() const;
  operator Bytes() const { return bytes(); }  // NOLINT: it stands for its bytes

 private:
  std::vector<Layer> layers_;
};

template <typename A, typename B>
  requires std::constructible_from<Packet, A> && std::constructible_from<Packet, B>
Packet operator/(A lower, B upper) {
  Packet result(std::move(lower));
  result /= Packet(std::move(upper));
  return result;
}

inline Bytes bytes(const Packet& packet) { return packet.bytes(); }

inline Bytes first(const Packet& packet, std::size_t count) {
  Bytes bytes = packet.bytes();
  bytes.resize(count < bytes.size() ? count : bytes.size());
  return bytes;
}

inline Bytes padded(Bytes bytes, std::size_t count, std::uint8_t value = 0) {
  if (bytes.size() < count) bytes.resize(count, value);
  return bytes;
}

}  // namespace packet
