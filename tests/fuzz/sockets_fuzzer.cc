// The kernel's socket tables. A flow that is found becomes an entry of which both ends can be told apart, the same from either end.
#include <netinet/in.h>

#include <cstring>

#include "engine/adoption.h"
#include "input.h"

namespace {

using namespace nodewall;

template <class Port>
bool is_end(const auto& address, Port port_be, const Address& end, std::uint16_t port) {
  return std::ranges::equal(address.bytes, end.bytes) && ntohs(port_be) == port;
}

// The end that began the flow is the source, and the other one is the other.
void has_ends(const engine::ConntrackSeed& seed, const engine::OpenFlow& flow) {
  const bool local_is_a = ((seed.entry.flags & NW_CT_A_IS_SOURCE) != 0) == flow.from_host;
  const auto& local = local_is_a ? seed.key.a : seed.key.b;
  const auto& remote = local_is_a ? seed.key.b : seed.key.a;
  const auto local_port = local_is_a ? seed.key.port_a_be : seed.key.port_b_be;
  const auto remote_port = local_is_a ? seed.key.port_b_be : seed.key.port_a_be;
  fuzz::require(is_end(local, local_port, flow.local, flow.local_port), "the entry has the flow's own end");
  fuzz::require(is_end(remote, remote_port, flow.remote, flow.remote_port), "the entry has the flow's other end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto protocol = static_cast<std::uint8_t>(input.byte() & 1 ? IPPROTO_UDP : IPPROTO_TCP);
  for (const auto& flow : engine::parse_socket_table(input.text(), protocol)) {
    fuzz::require(flow.protocol == protocol, "the protocol is the table's");
    const auto seed = engine::conntrack_seed(flow, 1, 1, 1);
    fuzz::require(seed.key.protocol == protocol, "the entry's protocol is the flow's");
    fuzz::require((seed.entry.flags & NW_CT_ADOPTED) != 0, "the entry says where it comes from");
    fuzz::require(((seed.entry.flags & NW_CT_FROM_HOST) != 0) == flow.from_host, "the entry says who began");
    has_ends(seed, flow);
    auto mirrored = flow;
    std::swap(mirrored.local, mirrored.remote);
    std::swap(mirrored.local_port, mirrored.remote_port);
    const auto other = engine::conntrack_seed(mirrored, 1, 1, 1);
    fuzz::require(std::memcmp(&other.key, &seed.key, sizeof(seed.key)) == 0, "a flow has one key from either end");
  }
  return 0;
}
