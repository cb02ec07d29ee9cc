// The kernel's socket tables. A flow that is found becomes an entry of which both ends can be told apart.
#include <netinet/in.h>

#include "engine/adoption.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  fuzz::Input input(data, size);
  const auto protocol = static_cast<std::uint8_t>(input.byte() & 1 ? IPPROTO_UDP : IPPROTO_TCP);
  for (const auto& flow : engine::parse_socket_table(input.text(), protocol)) {
    fuzz::require(flow.protocol == protocol, "the protocol is the table's");
    const auto seed = engine::conntrack_seed(flow, 1, 1, 1);
    fuzz::require(seed.key.protocol == protocol, "the entry's protocol is the flow's");
    fuzz::require((seed.entry.flags & NW_CT_ADOPTED) != 0, "the entry says where it comes from");
    fuzz::require(((seed.entry.flags & NW_CT_FROM_HOST) != 0) == flow.from_host, "the entry says who began");
  }
  return 0;
}
