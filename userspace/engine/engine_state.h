// Engine::State: what an engine remembers, and its steps. Included by engine.cc, program.cc, program_image.cc and events.cc only.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/fd.h"
#include "compile/compiler.h"
#include "engine/engine.h"
#include "engine/placement.h"
#include "engine/policy_text.h"
#include "engine/state_file.h"
#include "resolve/resolver.h"

namespace nodewall::engine {

// An interface that a host endpoint governs.
struct Governed {
  std::string name;
  std::string host_endpoint;
  nw_interface entry{};
  model::IngressHook configured = model::IngressHook::Auto;
  kernel::Hook ingress = kernel::Hook::tc_ingress;  // the one that was chosen
  std::map<kernel::Hook, kernel::AttachedHook> hooks;
  std::string problem;
  std::set<std::string> reported;  // problems that were said already
};

struct Engine::State {
  struct Image {
    bool changed = false;
    std::shared_ptr<const compile::Slots> slots;  // null: those of the image before
    std::optional<compile::TableImage> whole;    // with slots that judge as others
    const compile::TableImage* table = nullptr;  // the compiler's; none when nothing changed
    bool follows = false;                        // the kernel has the image before, which the compiler knows the changes since

    [[nodiscard]] std::span<const nw_line> lines() const {
      return whole ? std::span(whole->lines) : table != nullptr ? std::span(table->lines) : std::span<const nw_line>();
    }
  };

  EngineOptions options;
  std::string bpffs, run_dir, pin_dir;
  Fd lock;
  std::function<void(const Event&)> handler;

  std::optional<kernel::Datapath> datapath;   // none while disarmed, or before the first apply on a fresh node
  bool armed = true;
  std::shared_ptr<const resolve::Resolved> applied;  // what the kernel has
  std::shared_ptr<const resolve::Resolved> wanted;   // what it shall have; kept for arm(). Shared: the compiler looks at the one before
  resolve::Resolver resolver;
  compile::Compiler compiler;
  bool kernel_has_compiled = false;           // the image in the kernel is the compiler's last
  resolve::NodeFacts facts;
  std::shared_ptr<const compile::Slots> slots = std::make_shared<compile::Slots>();
  compile::CostReport cost;                   // of the image
  std::uint32_t last_generation = 0;          // greatest ever used
  std::uint32_t saved_generation = 0;         // of the image that policy.json is about
  PolicyWriter policy_writer;
  std::string policy_file_problem;            // why it could not be written
  std::map<std::string, std::uint32_t> interface_counters;
  std::map<std::uint32_t, Governed> governed;  // by ifindex
  EngineStatus status;
  HostNotes notes;
  std::string saved_text;                     // state.json as last written
  std::chrono::steady_clock::time_point last_sweep{};
  Fd events;                                  // an epoll that holds the ring buffer of the maps that are open
  std::uint64_t damaged_events = 0;
  EventNames event_names;                     // of what `applied` says
  bool first_enforcement = false;             // nothing is enforced yet: what the host has open is adopted
  bool changing = false;                      // `applied` is not what the kernel has: a change began, and did not end
  bool strays = false;                        // a hook that nobody wants could not be taken off

  void emit(Event::Kind kind, std::string interface, std::string message) const;
  Status open_datapath(std::uint32_t conntrack_size);
  void forget_datapath();

  // program.cc: makes the kernel be as `next` says.
  Result<ApplyReport> program(const std::shared_ptr<const resolve::Resolved>& shared);
  std::map<std::uint32_t, Governed> plan(const resolve::Resolved& next,
                                         const compile::Slots& next_slots);
  void choose_ingress(Governed& interface, std::uint32_t ifindex,
                      const resolve::Settings& settings) const;
  std::optional<std::uint32_t> counter_for(const std::string& interface);
  Status write_small_maps(const resolve::Resolved& next, ApplyReport& report);
  std::size_t release(const std::map<std::uint32_t, Governed>& next);
  void adopt_flows(const std::map<std::uint32_t, Governed>& next, const InterfaceEntries& live,
                   const std::map<std::string, std::uint32_t>& known);
  void attach_all(ApplyReport& report);
  bool attach(std::uint32_t ifindex, Governed& interface, kernel::Hook hook, ApplyReport& report);

  // program_image.cc
  Result<InterfaceEntries> live_entries(const resolve::Resolved& next, ApplyReport& report);
  [[nodiscard]] bool keeps_policy(const std::string& host_endpoint, const resolve::Resolved& next) const;
  Result<Image> build_image(const std::shared_ptr<const resolve::Resolved>& shared, const InterfaceEntries& live,
                            ApplyReport& report);
  [[nodiscard]] bool keeps_slots(const resolve::Resolved& next, const InterfaceEntries& live) const;
  Status compile_image(const std::shared_ptr<const resolve::Resolved>& next, const Aliases& aliases, Image& image);
  Status prepare_rule_counters(const compile::Slots& next);
  Status set_policy(std::span<const nw_line> lines, std::optional<std::span<const kernel::LineRange>> changed = {});
  Status write_image(Image& image, ApplyReport& report);
  void prepare_next_change();
  void save_policy(const std::shared_ptr<const resolve::Resolved>& policy);

  void watch_events();
  void verify_hooks();
  void update_status();
  void save();
  Status take_off(Event::Kind kind, std::string message);
  Status remove_pins();
  Result<ApplyReport> reprogram();
};

std::uint64_t monotonic_ns();

}  // namespace nodewall::engine
