// Addresses and networks.
//
// An Address is 16 bytes in network order; IPv4 is held v4-mapped (::ffff:a.b.c.d) as on the BPF side. The family is a
// field and not derived: `::ffff:1.2.3.4` written by a user is IPv6 text and is refused by parse_address.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace nodewall {

enum class Family : std::uint8_t { v4 = 4, v6 = 6 };

struct Address {
  std::array<std::uint8_t, 16> bytes{};  // network order; v4 in bytes 12..15 after 0:..:ffff
  Family family = Family::v6;

  static Address v4(std::uint32_t host_order);
  [[nodiscard]] std::uint32_t v4_host_order() const;  // only for Family::v4
  [[nodiscard]] std::uint64_t high() const;           // first 8 bytes, host order
  [[nodiscard]] std::uint64_t low() const;            // last 8 bytes, host order
  auto operator<=>(const Address&) const = default;
};

struct Cidr {
  Address address;          // as written; masked() clears host bits
  std::uint8_t prefix = 0;  // 0..32 for v4, 0..128 for v6

  [[nodiscard]] Cidr masked() const;
  [[nodiscard]] bool contains(const Address& other) const;  // false across families
  auto operator<=>(const Cidr&) const = default;
};

// Strict text forms: dotted quad without leading zeros; RFC 4291 IPv6 without zone and not v4-mapped.
Result<Address> parse_address(std::string_view text);
// "10.0.0.0/8"; without "/n" it is refused unless `bare_is_host` (then /32 or /128).
enum class BareAddress { refuse, is_host };
Result<Cidr> parse_cidr(std::string_view text, BareAddress bare);

std::string to_string(const Address& address);  // RFC 5952
std::string to_string(const Cidr& cidr);

}  // namespace nodewall
