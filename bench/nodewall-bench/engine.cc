#include "engine.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/if_link.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "compile/table_image.h"
#include "engine/adoption.h"
#include "engine/engine_state.h"
#include "engine/kernel_values.h"
#include "kernel/datapath.h"

namespace nodewall::bench {
namespace {

constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // Linux 6.6

class Empty : public Engine {
 public:
  Empty(Fd link, int program, std::string about) : link_(std::move(link)), program_(program), about_(std::move(about)) {}
  [[nodiscard]] std::string about() const override { return about_; }
  [[nodiscard]] Fd program() const override { return Fd(::fcntl(program_, F_DUPFD_CLOEXEC, 0)); }

 private:
  Fd link_;
  int program_;
  std::string about_;
};

// Our programs and maps. To load them takes the verifier seconds, so there is one for the life of the process.
struct Host {
  std::string pins;
  std::optional<kernel::Datapath> datapath;

  ~Host() {
    if (!pins.empty()) (void)kernel::remove_pinned(pins);
  }
};

// Only inside the node's network namespace.
Result<Host*> loaded_host() {
  static Host host;
  if (host.datapath) return &host;
  const auto bpffs = kernel::find_bpffs("");
  if (!bpffs) return fail(bpffs.error());
  host.pins = *bpffs + "/nodewall-bench-" + std::to_string(::getpid());
  auto datapath = kernel::Datapath::open({.pin_dir = host.pins});
  if (!datapath) return fail(std::move(datapath.error()));
  host.datapath.emplace(std::move(*datapath));
  return &host;
}

// No flow is over as long as a measurement takes.
resolve::Settings patient(resolve::Settings settings) {
  settings.syn_sent = settings.tcp_established = settings.fins_seen = settings.reset_seen = settings.udp = settings.icmp =
      settings.generic = std::chrono::hours(1);
  return settings;
}

class Nodewall : public Engine {
 public:
  Nodewall(Lab& lab, Host& host, kernel::Hook ingress, std::size_t bytes) : lab_(lab), host_(host), ingress_(ingress), bytes_(bytes) {}
  ~Nodewall() override {
    lab_.node().inside([&] {
      for (const auto hook : {ingress_, kernel::Hook::tc_egress}) (void)host_.datapath->detach(lab_.ifindex(), hook);
    });
  }
  Nodewall(const Nodewall&) = delete;
  Nodewall& operator=(const Nodewall&) = delete;
  [[nodiscard]] std::string about() const override { return "nodewall " NODEWALL_VERSION ", image of " + std::to_string(bytes_) + " bytes"; }
  [[nodiscard]] Result<ReasonCounts> reasons() const override;
  [[nodiscard]] Status sweep() const override;
  [[nodiscard]] Fd program() const override;

 private:
  Lab& lab_;
  Host& host_;
  kernel::Hook ingress_;
  std::size_t bytes_;
};

Result<ReasonCounts> Nodewall::reasons() const {
  const auto counts = host_.datapath->counters(0);
  if (!counts) return fail(counts.error());
  ReasonCounts packets;
  for (std::size_t reason = 0; reason < NW_REASON_SLOTS; ++reason) packets.push_back((*counts)[NW_INGRESS * NW_REASON_SLOTS + reason].packets);
  return packets;
}

Status Nodewall::sweep() const {
  const auto swept = host_.datapath->sweep_conntrack(engine::monotonic_ns(), engine::to_kernel(patient({})));
  return swept ? Status{} : fail(Error(swept.error()).in("sweep"));
}

Fd Nodewall::program() const {
  Fd program;
  lab_.node().inside([&] {
    const auto hooks = host_.datapath->attached();
    if (!hooks) return;
    for (const auto& hook : *hooks)
      if (hook.ifindex == lab_.ifindex() && hook.hook == ingress_) program = Fd(bpf_prog_get_fd_by_id(hook.program_id));
  });
  return program;
}

engine::OpenFlow flow_of(const resolve::PacketQuery& packet) {
  return {.local = packet.destination,
          .remote = packet.source,
          .local_port = packet.destination_port,
          .remote_port = packet.source_port,
          .protocol = packet.protocol,
          .from_host = false};
}

Status add_flow(kernel::Datapath& datapath, const engine::OpenFlow& flow) {
  const auto seed = engine::conntrack_seed(flow, engine::monotonic_ns(), 1, 0);
  return datapath.add_conntrack(seed.key, seed.entry);
}

Status add_flows(kernel::Datapath& datapath, const Setting& setting) {
  for (std::size_t i = 0; i < setting.background_flows; ++i) {
    const engine::OpenFlow flow{.local = Address::v4(0x0aff0001),
                                .remote = Address::v4(0x60000000U + static_cast<std::uint32_t>(i * 2654435761U % 0x10000000U)),
                                .local_port = 443,
                                .remote_port = static_cast<std::uint16_t>(1024 + i % 60000),
                                .protocol = 6,
                                .from_host = false};
    if (auto done = add_flow(datapath, flow); !done) return done;
  }
  // Not in the order of the packets: memory that was given out in that order is fetched ahead of them, as it is nowhere else.
  auto flows = setting.flows;
  std::ranges::shuffle(flows, std::mt19937_64(1));
  for (const auto& packet : flows)
    if (auto done = add_flow(datapath, flow_of(packet)); !done) return done;
  return {};
}

Status fill(kernel::Datapath& datapath, const resolve::Resolved& resolved, const compile::TableImage& image, std::uint32_t ifindex) {
  auto settings = patient(resolved.settings);
  if (auto done = datapath.set_settings(engine::to_kernel(settings)); !done) return fail(done.error());
  settings.failsafe_inbound = model::default_failsafe_inbound();
  settings.failsafe_outbound = model::default_failsafe_outbound();
  if (auto done = datapath.set_failsafe(engine::failsafe_entries(settings)); !done) return fail(done.error());
  if (auto done = datapath.set_local_addresses(engine::local_entries(resolved)); !done) return fail(done.error());
  if (auto done = datapath.reserve_rule_counters(static_cast<std::uint32_t>(image.cost.rules + 1)); !done) return done;
  if (auto done = datapath.set_policy(image.lines, 1); !done) return done;
  const auto entries = datapath.set_interfaces({{ifindex, nw_interface{}}});
  return entries ? Status{} : fail(entries.error());
}

}  // namespace

Result<Fd> attach_ingress(const Lab& lab, int program, bool xdp) {
  int link = -1, error = 0;
  lab.node().inside([&] {
    DECLARE_LIBBPF_OPTS(bpf_link_create_opts, opts);
    if (xdp) opts.flags = XDP_FLAGS_DRV_MODE;
    link = bpf_link_create(program, static_cast<int>(lab.ifindex()), xdp ? BPF_XDP : kTcxIngress, &opts);
    error = errno;
  });
  if (link < 0) return fail(errno_error("attach", error));
  return Fd(link);
}

Result<std::unique_ptr<Engine>> install_empty(const std::string& engine, Lab& lab, const Setting& setting) {
  const bool xdp = engine != "empty-tc", reads = engine == "read-xdp";
  if (reads && setting.passes != Passes::none) return fail(Errc::not_found, engine + ": it drops everything");
  const char* what = reads ? "_read" : setting.passes == Passes::none ? "_drop" : setting.passes == Passes::half ? "_half" : "_pass";
  const int program = lab.program((xdp ? "xdp" : "tc") + std::string(what));
  auto link = attach_ingress(lab, program, xdp);
  if (!link) return fail(std::move(link.error()).in(engine));
  return std::make_unique<Empty>(std::move(*link), program, reads ? "a program that reads the EtherType and drops" : "a program that does nothing else");
}

Result<std::unique_ptr<Engine>> install_nodewall(const std::string& engine, Lab& lab, const Setting& setting) {
  const auto resolved = to_resolved(setting.workload, setting.packets);
  auto image = compile::compile(resolved, compile::assign_slots({}, resolved));
  if (!image) return fail(std::move(image.error()).in(engine));
  const auto ingress = engine == "nodewall-xdp" ? kernel::Hook::xdp : kernel::Hook::tc_ingress;
  std::unique_ptr<Nodewall> installed;
  Status done = fail(Errc::kernel, "cannot enter the node's network namespace");
  lab.node().inside([&] {
    auto host = loaded_host();
    if (!host) {
      done = fail(std::move(host.error()));
      return;
    }
    auto& datapath = *(*host)->datapath;
    installed = std::make_unique<Nodewall>(lab, **host, ingress, image->cost.bytes);  // takes off what is half put on
    done = datapath.clear_conntrack();
    if (done) done = fill(datapath, resolved, *image, lab.ifindex());
    if (done) done = add_flows(datapath, setting);
    for (const auto hook : {kernel::Hook::tc_egress, ingress})
      if (auto attached = done ? datapath.attach(lab.ifindex(), hook) : fail(done.error()); !attached) done = fail(attached.error());
  });
  if (done) done = installed->sweep();
  if (!done) return fail(std::move(done.error()).in(engine));
  return installed;
}

std::optional<std::string> refuses(const std::string& engine, const Workload& workload) {
  const bool is_set = !workload.set.empty();
  const bool has_source_ports = std::ranges::any_of(workload.rules, [](const auto& rule) { return !is_any(rule.source_ports); });
  if ((engine == "nft-set" || engine == "ipset" || engine == "xdp-trie") && !is_set) return "";
  if ((engine == "nft-list" || engine == "iptables" || engine == "nft-concat" || engine == "xdp-list") && is_set) return "";
  if (engine == "xdp-list" && workload.family != Family::v4) return "IPv4 only here";
  if (engine == "xdp-list" && workload.size > 1000) return "a packet takes microseconds beyond 1,000 rules, and the kernel refuses a program of 5,000";
  if (engine == "nft-list" && workload.size > 10000) return "a packet takes milliseconds beyond 10,000 rules, and nft minutes to load them";
  if (engine == "iptables" && workload.size > 10000) return "a packet takes milliseconds beyond 10,000 rules";
  if (engine == "nft-concat" && has_source_ports) return "its set has no room for source ports";
  if (engine == "nft-concat" && workload.size > 10000) return "nft takes minutes to load more than 10,000 elements of concatenated intervals";
  if (engine == "nft-set" && workload.size > 100000) return "nft takes minutes to load more than 100,000 intervals";
  if (engine == "bpfilter" && workload.family != Family::v4) return "IPv4 only here";
  if (engine == "bpfilter" && workload.size > (is_set ? 100000U : 1000U)) return "it does not load more than 1,000 rules, or a set of 100,000";
  return std::nullopt;
}

bool at_xdp(const std::string& engine) { return engine.ends_with("-xdp") || engine.starts_with("xdp-") || engine == "bpfilter"; }
bool at_driver(const std::string& engine) { return at_xdp(engine) || engine == "empty-tc" || engine == "nodewall-tcx"; }

Result<std::unique_ptr<Engine>> install(const std::string& engine, Lab& lab, const Setting& setting) {
  if (engine.starts_with("empty") || engine == "read-xdp") return install_empty(engine, lab, setting);
  if (engine.starts_with("nodewall")) return install_nodewall(engine, lab, setting);
  if (engine.starts_with("xdp-")) return install_stateless(engine, lab, setting);
  return install_peer(engine, lab, setting);
}

}  // namespace nodewall::bench
