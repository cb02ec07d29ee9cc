#include "node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>

namespace prog {
namespace {

// struct virtio_net_hdr; its header has a member called `class`.
struct VirtioHeader {
  std::uint8_t flags = 0, gso_type = 0;
  std::uint16_t hdr_len = 0, gso_size = 0, csum_start = 0, csum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

}  // namespace

using nodewall::Fd;

Node::Node() : network_before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)),
               mounts_before_(open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)) {
  REQUIRE(network_before_.valid());
  REQUIRE(mounts_before_.valid());
  // CLONE_FS: setns() of a mount namespace wants a root directory that no other thread shares.
  REQUIRE(unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWNET) == 0);
  REQUIRE(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  char directory[] = "/tmp/nodewall-prog-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  bpffs_ = directory;
  REQUIRE(mount("bpf", directory, "bpf", 0, "mode=0700") == 0);
  REQUIRE(run("ip link add host0 type veth peer name peer0 && ip link set lo up && ip link set host0 up && ip link set peer0 up"));
}

Node::~Node() {
  umount2(bpffs_.c_str(), MNT_DETACH);
  setns(network_before_.get(), CLONE_NEWNET);
  setns(mounts_before_.get(), CLONE_NEWNS);
  rmdir(bpffs_.c_str());
}

std::uint32_t Node::ifindex(const std::string& interface) { return if_nametoindex(interface.c_str()); }

bool Node::run(const std::string& command) { return std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0; }

Wire::Wire(const std::string& interface) : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
  REQUIRE(socket_.valid());
  const int on = 1;
  REQUIRE(setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(Node::ifindex(interface));
  REQUIRE(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

bool Wire::send(const std::vector<std::uint8_t>& frame, bool headers_apart) const {
  VirtioHeader header;
  header.hdr_len = headers_apart ? ETH_HLEN : static_cast<std::uint16_t>(std::min<std::size_t>(frame.size(), 256));
  iovec parts[] = {{&header, sizeof header}, {const_cast<std::uint8_t*>(frame.data()), frame.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  return ::sendmsg(socket_.get(), &message, 0) == static_cast<ssize_t>(sizeof header + frame.size());
}

Tap::Tap(const std::string& interface) : device_(open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
  REQUIRE(device_.valid());
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_NAPI | IFF_NAPI_FRAGS;
  REQUIRE(ioctl(device_.get(), TUNSETIFF, &request) == 0);
  REQUIRE(set_feature(interface, ETHTOOL_SGRO, 0));
  REQUIRE(Node::run("ip link set " + interface + " up"));
}

bool Tap::send(const std::vector<std::uint8_t>& frame, std::size_t linear, std::size_t parts) const {
  std::vector<iovec> pieces;
  auto* data = const_cast<std::uint8_t*>(frame.data());
  for (std::size_t at = 0; at < frame.size();) {
    const auto size = std::min(at == 0 ? linear : parts, frame.size() - at);
    pieces.push_back({data + at, size});
    at += size;
  }
  return writev(device_.get(), pieces.data(), static_cast<int>(pieces.size())) == static_cast<ssize_t>(frame.size());
}

bool set_feature(const std::string& interface, std::uint32_t command, std::uint32_t value) {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value setting{command, value};
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&setting);
  return ioctl(any.get(), SIOCETHTOOL, &request) == 0;
}

}  // namespace prog
