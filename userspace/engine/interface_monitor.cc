#include "engine/interface_monitor.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

namespace nodewall::engine {
namespace {

constexpr int kReceiveBuffer = 4 << 20;
constexpr int kDumpAttempts = 5;
constexpr std::size_t kMessageBuffer = 64 << 10;

struct Link {
  std::string name;
  std::uint32_t flags = 0;
  std::uint16_t type = 0;
  bool sees_ingress = true;
};

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

Result<Socket> open_socket(int flags) {
  Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags));
  if (!socket) return fail(errno_error("open rtnetlink socket", errno));
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return fail(errno_error("bind rtnetlink socket", errno));
  }
  return socket;
}

bool has_ethernet_header(std::uint16_t type) {
  return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK || type == ARPHRD_IEEE80211;
}

std::optional<Address> address_of(const nlattr* attribute, int family) {
  if (!attribute) return std::nullopt;
  const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
  const auto size = mnl_attr_get_payload_len(attribute);
  if (family == AF_INET && size >= 4) {
    return Address::v4(static_cast<std::uint32_t>(bytes[0]) << 24 | bytes[1] << 16 | bytes[2] << 8 |
                       bytes[3]);
  }
  if (family != AF_INET6 || size < 16) return std::nullopt;
  Address address;
  std::copy_n(bytes, 16, address.bytes.begin());
  return address;
}

template <std::size_t N>
using Attributes = std::array<const nlattr*, N>;

template <std::size_t N>
Attributes<N> attributes(const void* begin, const void* end) {
  Attributes<N> table{};
  // mnl_attr_for_each by hand: the macro assigns void pointers, which C++ refuses.
  const auto* attribute = static_cast<const nlattr*>(begin);
  while (mnl_attr_ok(attribute, static_cast<int>(static_cast<const char*>(end) - reinterpret_cast<const char*>(attribute)))) {
    const auto type = mnl_attr_get_type(attribute);
    if (type < N) table[type] = attribute;
    attribute = mnl_attr_next(attribute);
  }
  return table;
}

template <std::size_t N>
Attributes<N> attributes(const nlmsghdr* message, std::size_t header) {
  return attributes<N>(mnl_nlmsg_get_payload_offset(message, header), mnl_nlmsg_get_payload_tail(message));
}

template <std::size_t N>
Attributes<N> nested(const nlattr* attribute) {
  const auto* payload = static_cast<const char*>(mnl_attr_get_payload(attribute));
  return attributes<N>(payload, payload + mnl_attr_get_payload_len(attribute));
}

// Their devices give what they receive to the stack behind the hooks.
bool sees_ingress(const nlattr* link_info) {
  if (!link_info) return true;
  const auto info = nested<IFLA_INFO_MAX + 1>(link_info);
  if (!info[IFLA_INFO_KIND]) return true;
  const auto* text = mnl_attr_get_str(info[IFLA_INFO_KIND]);
  const std::string_view kind(text, strnlen(text, mnl_attr_get_payload_len(info[IFLA_INFO_KIND])));
  if (kind == "vrf") return false;
  if (kind != "ipvlan" || !info[IFLA_INFO_DATA]) return true;
  const auto* mode = nested<IFLA_IPVLAN_MAX + 1>(info[IFLA_INFO_DATA])[IFLA_IPVLAN_MODE];
  return !mode || mnl_attr_get_payload_len(mode) < sizeof(std::uint16_t) || mnl_attr_get_u16(mode) != IPVLAN_MODE_L3S;
}

}  // namespace

struct InterfaceMonitor::State {
  Socket events;
  Socket dumps;
  unsigned sequence = 0;
  std::map<std::uint32_t, Link> links;
  std::set<std::tuple<std::uint32_t, Address, std::uint8_t>> addresses;  // with prefix length
  std::set<std::pair<std::uint32_t, Address>> local_routes;  // host routes of the local table
  std::vector<resolve::InterfaceFacts> interfaces;
  std::vector<char> buffer = std::vector<char>(kMessageBuffer);

  void on_message(const nlmsghdr* message);
  void on_link(const nlmsghdr* message);
  void on_address(const nlmsghdr* message);
  void on_route(const nlmsghdr* message);
  bool rebuild();
  Status refresh();
  Status dump();
  Status dump_one(std::uint16_t type, int family);
  Result<bool> receive_dump(unsigned wanted);
};

namespace {
// C callback of mnl_cb_run.
template <typename State>
int deliver(const nlmsghdr* message, void* state) {
  static_cast<State*>(state)->on_message(message);
  return MNL_CB_OK;
}
}  // namespace

void InterfaceMonitor::State::on_message(const nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: return on_link(message);
    case RTM_NEWADDR:
    case RTM_DELADDR: return on_address(message);
    case RTM_NEWROUTE:
    case RTM_DELROUTE: return on_route(message);
    default: return;
  }
}

void InterfaceMonitor::State::on_link(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return;
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  // A bridge tells of its ports with link messages of its own family: a port that leaves is not a link that goes.
  if (info->ifi_family != AF_UNSPEC) return;
  const auto ifindex = static_cast<std::uint32_t>(info->ifi_index);
  if (message->nlmsg_type == RTM_DELLINK) {
    links.erase(ifindex);
    std::erase_if(addresses, [&](const auto& entry) { return std::get<0>(entry) == ifindex; });
    std::erase_if(local_routes, [&](const auto& entry) { return entry.first == ifindex; });
    return;
  }
  const auto table = attributes<IFLA_MAX + 1>(message, sizeof(*info));
  if (!table[IFLA_IFNAME]) return;
  links[ifindex] = {.name = mnl_attr_get_str(table[IFLA_IFNAME]),
                    .flags = info->ifi_flags,
                    .type = info->ifi_type,
                    .sees_ingress = sees_ingress(table[IFLA_LINKINFO])};
}

void InterfaceMonitor::State::on_address(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(ifaddrmsg)) return;
  const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
  const auto table = attributes<IFA_MAX + 1>(message, sizeof(*info));
  const auto local = address_of(table[IFA_LOCAL], info->ifa_family);
  const auto peer = address_of(table[IFA_ADDRESS], info->ifa_family);
  if (!local && !peer) return;
  std::uint8_t prefix = info->ifa_prefixlen;
  // Point to point: the prefix is the peer's network, not one that the own address is in.
  if (local && peer && *local != *peer) prefix = info->ifa_family == AF_INET ? 32 : 128;
  const auto entry = std::tuple(static_cast<std::uint32_t>(info->ifa_index),
                                local ? *local : *peer, prefix);
  if (message->nlmsg_type == RTM_NEWADDR) addresses.insert(entry);
  else addresses.erase(entry);
}

void InterfaceMonitor::State::on_route(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return;
  const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  // Anycast: a router's subnet-router address, which the host itself answers.
  if (info->rtm_table != RT_TABLE_LOCAL) return;
  if (info->rtm_type != RTN_LOCAL && info->rtm_type != RTN_ANYCAST) return;
  if (info->rtm_dst_len != (info->rtm_family == AF_INET ? 32 : 128)) return;
  const auto table = attributes<RTA_MAX + 1>(message, sizeof(*info));
  const auto destination = address_of(table[RTA_DST], info->rtm_family);
  if (!destination || !table[RTA_OIF]) return;
  const auto entry = std::pair(mnl_attr_get_u32(table[RTA_OIF]), *destination);
  if (message->nlmsg_type == RTM_NEWROUTE) local_routes.insert(entry);
  else local_routes.erase(entry);
}

// True when what interfaces() says is not what it said before.
bool InterfaceMonitor::State::rebuild() {
  std::map<std::uint32_t, resolve::InterfaceFacts> by_index;
  for (const auto& [ifindex, link] : links) {
    resolve::InterfaceFacts facts;
    facts.name = link.name;
    facts.ifindex = ifindex;
    facts.has_ethernet_header = has_ethernet_header(link.type);
    facts.is_loopback = (link.flags & IFF_LOOPBACK) != 0;
    facts.is_up = (link.flags & IFF_UP) != 0;
    facts.sees_ingress = link.sees_ingress;
    by_index.emplace(ifindex, std::move(facts));
  }
  std::set<std::pair<std::uint32_t, Address>> known;
  for (const auto& [ifindex, address, prefix] : addresses) {
    known.emplace(ifindex, address);
    const auto found = by_index.find(ifindex);
    if (found != by_index.end()) found->second.addresses.push_back({address, prefix});
  }
  for (const auto& [ifindex, address] : local_routes) {
    const auto found = by_index.find(ifindex);
    if (found == by_index.end() || known.contains({ifindex, address})) continue;
    const std::uint8_t prefix = address.family == Family::v4 ? 32 : 128;
    found->second.addresses.push_back({address, prefix});
  }
  std::vector<resolve::InterfaceFacts> next;
  next.reserve(by_index.size());
  for (auto& [ifindex, facts] : by_index) next.push_back(std::move(facts));
  std::ranges::stable_sort(next, {}, &resolve::InterfaceFacts::name);
  if (next == interfaces) return false;
  interfaces = std::move(next);
  return true;
}

// False: the kernel's tables changed under the dump, which is to be asked again.
Result<bool> InterfaceMonitor::State::receive_dump(unsigned wanted) {
  const unsigned port = mnl_socket_get_portid(dumps.get());
  while (true) {
    const auto size = mnl_socket_recvfrom(dumps.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(errno_error("receive rtnetlink dump", errno));
    const auto bytes = static_cast<std::size_t>(size);
    const int more = mnl_cb_run(buffer.data(), bytes, wanted, port, deliver<State>, this);
    if (more < 0 && errno == EINTR) return false;
    if (more < 0) return fail(errno_error("rtnetlink dump", errno));
    if (more == MNL_CB_STOP) return true;
  }
}

Status InterfaceMonitor::State::dump_one(std::uint16_t type, int family) {
  std::array<char, 256> request{};
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    request.fill(0);
    nlmsghdr* message = mnl_nlmsg_put_header(request.data());
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++sequence;
    if (type == RTM_GETROUTE) {
      auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(rtmsg)));
      route->rtm_family = static_cast<unsigned char>(family);
      route->rtm_table = RT_TABLE_LOCAL;
    } else if (type == RTM_GETADDR) {
      mnl_nlmsg_put_extra_header(message, sizeof(ifaddrmsg));
    } else {
      mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
    }
    if (mnl_socket_sendto(dumps.get(), message, message->nlmsg_len) < 0) {
      return fail(errno_error("ask rtnetlink for a dump", errno));
    }
    const auto whole = receive_dump(sequence);
    if (!whole) {
      // A kernel without IPv6 does not know its routes.
      if (family == AF_INET6 && whole.error().sys_errno != ENOBUFS) return {};
      return fail(whole.error());
    }
    if (*whole) return {};
    // What is left of the interrupted dump must not be taken for the next one's.
    auto fresh = open_socket(0);
    if (!fresh) return fail(fresh.error());
    dumps = std::move(*fresh);
    const int on = 1;
    mnl_socket_setsockopt(dumps.get(), NETLINK_GET_STRICT_CHK, const_cast<int*>(&on), sizeof on);
  }
  return fail(Errc::kernel, "the interfaces change faster than they can be read");
}

Status InterfaceMonitor::State::dump() {
  links.clear();
  addresses.clear();
  local_routes.clear();
  if (auto done = dump_one(RTM_GETLINK, AF_UNSPEC); !done) return done;
  if (auto done = dump_one(RTM_GETADDR, AF_UNSPEC); !done) return done;
  if (auto done = dump_one(RTM_GETROUTE, AF_INET); !done) return done;
  return dump_one(RTM_GETROUTE, AF_INET6);
}

// A dump that fails half-way changes nothing: half a list of interfaces would take policy off the other half.
Status InterfaceMonitor::State::refresh() {
  auto old_links = links;
  auto old_addresses = addresses;
  auto old_routes = local_routes;
  if (auto done = dump(); !done) {
    links = std::move(old_links);
    addresses = std::move(old_addresses);
    local_routes = std::move(old_routes);
    return fail(std::move(done.error()).in("interfaces"));
  }
  return {};
}

InterfaceMonitor::InterfaceMonitor(std::unique_ptr<State> state) : state_(std::move(state)) {}
InterfaceMonitor::InterfaceMonitor(InterfaceMonitor&&) noexcept = default;
InterfaceMonitor& InterfaceMonitor::operator=(InterfaceMonitor&&) noexcept = default;
InterfaceMonitor::~InterfaceMonitor() = default;

Result<InterfaceMonitor> InterfaceMonitor::open() {
  auto state = std::make_unique<State>();
  auto events = open_socket(SOCK_NONBLOCK);
  if (!events) return fail(events.error());
  state->events = std::move(*events);
  auto dumps = open_socket(0);
  if (!dumps) return fail(dumps.error());
  state->dumps = std::move(*dumps);
  int on = 1;
  // Without it the kernel dumps every routing table; then on_route leaves out the others.
  mnl_socket_setsockopt(state->dumps.get(), NETLINK_GET_STRICT_CHK, &on, sizeof on);

  const int fd = mnl_socket_get_fd(state->events.get());
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  }
  for (int group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                    RTNLGRP_IPV6_ROUTE}) {
    if (mnl_socket_setsockopt(state->events.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) <
        0) {
      return fail(errno_error("listen for interface changes", errno));
    }
  }
  if (auto done = state->refresh(); !done) return fail(done.error());
  state->rebuild();
  return InterfaceMonitor(std::move(state));
}

int InterfaceMonitor::fd() const { return mnl_socket_get_fd(state_->events.get()); }

Result<bool> InterfaceMonitor::read_events() {
  bool lost = false;
  while (true) {
    const auto size =
        mnl_socket_recvfrom(state_->events.get(), state_->buffer.data(), state_->buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0 && errno == ENOBUFS) {
      lost = true;
      continue;
    }
    if (size < 0) return fail(errno_error("receive interface changes", errno));
    mnl_cb_run(state_->buffer.data(), static_cast<std::size_t>(size), 0, 0, deliver<State>,
               state_.get());
  }
  if (lost) {
    if (auto done = state_->refresh(); !done) return fail(done.error());
  }
  return state_->rebuild();
}

Status InterfaceMonitor::refresh() {
  if (auto done = state_->refresh(); !done) return done;
  state_->rebuild();
  return {};
}

const std::vector<resolve::InterfaceFacts>& InterfaceMonitor::interfaces() const {
  return state_->interfaces;
}

}  // namespace nodewall::engine
