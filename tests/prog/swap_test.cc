// Changing the policy under traffic.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "lab.h"

using namespace packet;
using namespace prog;

TEST_CASE("T-R5 while two policies replace each other 1,000 times what both deny never passes and what both allow is never dropped",
          "[swap]") {
  Lab lab;
  const auto image_a = image_of({.ingress = {{.protocol = kTcp, .port = 80}, {.protocol = kUdp, .port = 53}}, .egress = {}}).lines;
  const auto image_b = image_of({.ingress = {{.protocol = kTcp, .port = 443}, {.protocol = kTcp, .port = 80}}, .egress = {}}).lines;
  auto& datapath = lab.datapath();
  REQUIRE(datapath.set_policy(image_a, datapath.generation() + 1));
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> judged = 0, passed = 0, dropped = 0, broken = 0;

  std::thread traffic([&] {
    const auto verdict = [&](const Bytes& frame) {
      const auto run = datapath.run(Hook::tc_ingress, frame, nw_interface{}, 1);
      if (!run) ++broken;
      return run && run->return_code == -1;
    };
    std::uint16_t source = 1024;
    const Bytes both_deny = Ethernet{} / Ipv4{} / Tcp{.destination = 81};
    const Bytes flow = Ethernet{} / Ipv4{} / Tcp{.source = 999, .destination = 80, .flags = kAck};
    while (!stop) {
      if (verdict(both_deny)) ++passed;
      if (!verdict(Ethernet{} / Ipv4{} / Tcp{.source = ++source, .destination = 80})) ++dropped;
      if (!verdict(flow)) ++dropped;
      judged += 3;
    }
  });
  auto generation = datapath.generation();
  bool written = true;
  for (int i = 0; i < 1000; ++i) written = datapath.set_policy(i % 2 == 0 ? image_b : image_a, ++generation).has_value() && written;
  stop = true;
  traffic.join();
  CHECK(written);
  CHECK(broken == 0);
  CHECK(judged > 1000);
  CHECK(passed == 0);
  CHECK(dropped == 0);
}
