#include "base/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/printable.h"

namespace nodewall {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::uint64_t load64(const std::uint8_t* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

// Bits of the 16-byte form that the prefix covers.
int mapped_prefix(const Cidr& cidr) { return cidr.prefix + (cidr.address.family == Family::v4 ? 96 : 0); }

void clear_from(std::array<std::uint8_t, 16>& bytes, int bit) {
  for (int i = bit; i < 128; ++i) bytes[i / 8] &= static_cast<std::uint8_t>(~(0x80U >> (i % 8)));
}

}  // namespace

Address Address::v4(std::uint32_t host_order) {
  Address address;
  address.family = Family::v4;
  std::memcpy(address.bytes.data(), kMappedPrefix.data(), kMappedPrefix.size());
  for (int i = 0; i < 4; ++i) address.bytes[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return address;
}

std::uint32_t Address::v4_host_order() const { return static_cast<std::uint32_t>(low()); }
std::uint64_t Address::high() const { return load64(bytes.data()); }
std::uint64_t Address::low() const { return load64(bytes.data() + 8); }

Cidr Cidr::masked() const {
  Cidr copy = *this;
  clear_from(copy.address.bytes, mapped_prefix(*this));
  return copy;
}

bool Cidr::contains(const Address& other) const {
  if (other.family != address.family) return false;
  Cidr same{.address = other, .prefix = prefix};
  return same.masked().address == masked().address;
}

Result<Address> parse_address(std::string_view text) {
  const std::string copy(text);
  Address address;
  in_addr four{};
  // The C functions below would stop reading at a NUL.
  if (text.find('\0') != text.npos) return fail(Errc::config, "'" + printable(text) + "' is not an IP address");
  if (inet_pton(AF_INET, copy.c_str(), &four) == 1) return Address::v4(ntohl(four.s_addr));
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) != 1)
    return fail(Errc::config, "'" + printable(text) + "' is not an IP address");
  if (std::memcmp(address.bytes.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0)
    return fail(Errc::config, "'" + printable(text) + "' is an IPv4-mapped IPv6 address; write the IPv4 address");
  return address;
}

Result<Cidr> parse_cidr(std::string_view text, BareAddress bare) {
  const auto slash = text.find('/');
  auto address = parse_address(text.substr(0, slash));
  if (!address) return fail(Errc::config, "'" + printable(text) + "' is not a CIDR: " + address.error().what);
  const int most = address->family == Family::v4 ? 32 : 128;
  Cidr cidr{.address = *address, .prefix = static_cast<std::uint8_t>(most)};
  if (slash == text.npos) {
    if (bare == BareAddress::refuse) return fail(Errc::config, "'" + printable(text) + "' has no prefix length");
    return cidr;
  }
  const auto digits = text.substr(slash + 1);
  int prefix = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  const bool plain = digits == "0" || (!digits.starts_with('0') && !digits.starts_with('-'));
  if (!whole || !plain || prefix > most)
    return fail(Errc::config, "'" + printable(text) + "' has no prefix length of 0 to " + std::to_string(most));
  cidr.prefix = static_cast<std::uint8_t>(prefix);
  return cidr;
}

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.family == Family::v4)
    inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof text);
  else
    inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  return text;
}

std::string to_string(const Cidr& cidr) { return to_string(cidr.address) + "/" + std::to_string(cidr.prefix); }

}  // namespace nodewall
