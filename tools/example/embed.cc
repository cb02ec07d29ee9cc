// A node daemon of its own in thirty lines: enforces the manifests of a folder, and follows the interfaces.
#include <poll.h>

#include <cstdio>

#include "engine/engine.h"
#include "engine/interface_monitor.h"
#include "store/datastore.h"

using namespace nodewall;

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: %s DIRECTORY NODE\n", argv[0]), 2;
  auto store = store::DirectoryStore::open(argv[1], "");
  auto monitor = engine::InterfaceMonitor::open();
  auto engine = engine::Engine::start({});
  if (!store || !monitor || !engine) return std::fprintf(stderr, "cannot start\n"), 1;
  engine->on_event([](const engine::Event& event) { std::puts(event.message.c_str()); });
  for (;;) {
    const auto snapshot = store->read();
    if (snapshot) {
      const auto report = engine->apply(snapshot->resources, {argv[2], monitor->interfaces()});
      if (report) std::printf("generation %u, %zu writes\n", report->generation, report->writes);
    }
    pollfd wait[] = {{monitor->fd(), POLLIN, 0}, {store->watch_fd(), POLLIN, 0}};
    if (::poll(wait, 2, 2000) == 0) (void)engine->tick();  // every two seconds of rest
    (void)monitor->read_events();
    store->drain_watch();
  }
}
