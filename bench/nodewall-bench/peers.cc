// The same policies for nftables, iptables with ipset, and bpfilter.
#include <fmt/format.h>

#include <cstdio>

#include "engine.h"

namespace nodewall::bench {
namespace {

const char* family_word(const Workload& workload) { return workload.family == Family::v4 ? "ip" : "ip6"; }

std::string ports_text(const model::PortRange& range, char between) {
  if (range.first == range.last) return std::to_string(range.first);
  return fmt::format("{}{}{}", range.first, between, range.last);
}

std::string any_net(const Workload& workload) { return workload.family == Family::v4 ? "0.0.0.0/0" : "::/0"; }

std::string net_text(const std::optional<Cidr>& net, const Workload& workload) { return net ? to_string(*net) : any_net(workload); }

const char* protocol_word(std::uint8_t protocol) { return protocol == 6 ? "tcp" : "udp"; }

// One nft table "bench" with one chain at the input hook.
std::string nft_chain(const std::string& device, const std::string& definitions, const std::string& rules, const char* policy) {
  return fmt::format("table inet bench {{\n{}  chain input {{\n    type filter hook input priority 0; policy {};\n    iifname != \"{}\" accept\n{}  }}\n}}\n",
                     definitions, policy, device, rules);
}

std::string nft_list(const Workload& workload, const std::string& device) {
  std::string rules;
  const char* ip = family_word(workload);
  for (const auto& rule : workload.rules) {
    rules += "    ";
    if (rule.source) rules += fmt::format("{} saddr {} ", ip, to_string(*rule.source));
    if (rule.destination) rules += fmt::format("{} daddr {} ", ip, to_string(*rule.destination));
    if (rule.protocol != 0) {
      const char* protocol = protocol_word(rule.protocol);
      if (is_any(rule.source_ports) && is_any(rule.destination_ports)) rules += fmt::format("meta l4proto {} ", protocol);
      if (!is_any(rule.source_ports)) rules += fmt::format("{} sport {} ", protocol, ports_text(rule.source_ports, '-'));
      if (!is_any(rule.destination_ports)) rules += fmt::format("{} dport {} ", protocol, ports_text(rule.destination_ports, '-'));
    }
    rules += "accept\n";
  }
  return nft_chain(device, "", rules, "drop");
}

std::string nft_set(const Workload& workload, const std::string& device) {
  const char* ip = family_word(workload);
  std::string set = fmt::format("  set blocked {{\n    type {}v{}_addr\n    flags interval\n    auto-merge\n    elements = {{\n", "ip",
                                workload.family == Family::v4 ? 4 : 6);
  for (const auto& member : workload.set) set += "      " + to_string(member) + ",\n";
  set += "    }\n  }\n";
  return nft_chain(device, set, fmt::format("    {} saddr @blocked drop\n", ip), "accept");
}

std::string nft_concat(const Workload& workload, const std::string& device) {
  const char* ip = family_word(workload);
  const char* address = workload.family == Family::v4 ? "ipv4_addr" : "ipv6_addr";
  std::string set = fmt::format("  set allowed {{\n    type {0} . {0} . inet_proto . inet_service\n    flags interval\n    elements = {{\n", address);
  for (const auto& rule : workload.rules) {
    const std::string protocols = rule.protocol != 0 ? std::to_string(rule.protocol) : "0-255";
    set += fmt::format("      {} . {} . {} . {},\n", net_text(rule.source, workload), net_text(rule.destination, workload), protocols,
                       ports_text(rule.destination_ports, '-'));
  }
  set += "    }\n  }\n";
  return nft_chain(device, set, fmt::format("    {0} saddr . {0} daddr . meta l4proto . th dport @allowed accept\n", ip), "drop");
}

std::string iptables_list(const Workload& workload, const std::string& device) {
  std::string text = fmt::format("*filter\n:INPUT DROP [0:0]\n-A INPUT ! -i {} -j ACCEPT\n", device);
  for (const auto& rule : workload.rules) {
    text += "-A INPUT";
    if (rule.source) text += " -s " + to_string(*rule.source);
    if (rule.destination) text += " -d " + to_string(*rule.destination);
    if (rule.protocol != 0) {
      text += fmt::format(" -p {0} -m {0}", protocol_word(rule.protocol));
      if (!is_any(rule.source_ports)) text += " --sport " + ports_text(rule.source_ports, ':');
      if (!is_any(rule.destination_ports)) text += " --dport " + ports_text(rule.destination_ports, ':');
    }
    text += " -j ACCEPT\n";
  }
  return text + "COMMIT\n";
}

std::string ipset_text(const Workload& workload) {
  std::string text = fmt::format("create bench hash:net family {} maxelem {} hashsize {}\n", workload.family == Family::v4 ? "inet" : "inet6",
                                 workload.set.size() + 1, std::max<std::size_t>(1024, workload.set.size()));
  for (const auto& member : workload.set) text += "add bench " + to_string(member) + " -exist\n";
  return text;
}

std::string bpfilter_text(const Workload& workload, std::uint32_t ifindex) {
  const char* policy = workload.set.empty() ? "DROP" : "ACCEPT";
  std::string text = fmt::format("chain bench BF_HOOK_XDP{{ifindex={}}} {}\n", ifindex, policy);
  if (!workload.set.empty()) {
    text += "    rule (ip4.snet) in {\n";
    for (const auto& member : workload.set) text += "        " + to_string(member) + ";\n";
    return text + "    } DROP\n";
  }
  for (const auto& rule : workload.rules) {
    text += "    rule";
    if (rule.source) text += " ip4.snet eq " + to_string(*rule.source);
    if (rule.destination) text += " ip4.dnet eq " + to_string(*rule.destination);
    if (rule.protocol != 0) {
      const char* protocol = protocol_word(rule.protocol);
      text += fmt::format(" ip4.proto eq {}", protocol);
      const auto port = [&](const char* field, const model::PortRange& range) {
        if (is_any(range)) return;
        text += fmt::format(" {}.{} {} {}", protocol, field, range.first == range.last ? "eq" : "range", ports_text(range, '-'));
      };
      port("sport", rule.source_ports);
      port("dport", rule.destination_ports);
    }
    text += " ACCEPT\n";
  }
  return text;
}

// What takes it off again: commands, run in order.
using Commands = std::vector<std::vector<std::string>>;

class Peer : public Engine {
 public:
  Peer(Lab& lab, std::string about, Commands off) : lab_(lab), about_(std::move(about)), off_(std::move(off)) {}
  ~Peer() override {
    for (const auto& command : off_) (void)lab_.node().run(command);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  [[nodiscard]] std::string about() const override { return about_; }

 private:
  Lab& lab_;
  std::string about_;
  Commands off_;
};

struct Installation {
  Commands on;
  std::vector<std::string> inputs;  // one for each of `on`
  Commands off;
};

Result<Installation> installation(const std::string& engine, const Lab& lab, const Workload& workload) {
  const bool v4 = workload.family == Family::v4;
  if (engine.starts_with("nft")) {
    const auto text = engine == "nft-list"  ? nft_list(workload, lab.device())
                      : engine == "nft-set" ? nft_set(workload, lab.device())
                                            : nft_concat(workload, lab.device());
    return Installation{{{"nft", "-f", "-"}}, {text}, {{"nft", "delete", "table", "inet", "bench"}}};
  }
  const std::string tables = v4 ? "iptables" : "ip6tables";
  const Commands open = {{tables, "-P", "INPUT", "ACCEPT"}, {tables, "-F", "INPUT"}};
  if (engine == "iptables") return Installation{{{tables + "-restore"}}, {iptables_list(workload, lab.device())}, open};
  if (engine == "ipset") {
    Commands off = open;
    off.push_back({"ipset", "destroy", "bench"});
    const std::vector<std::string> rule = {tables, "-A", "INPUT", "-i", lab.device(), "-m", "set", "--match-set", "bench", "src", "-j", "DROP"};
    return Installation{{{"ipset", "restore"}, rule}, {ipset_text(workload), ""}, off};
  }
  if (engine == "bpfilter")
    return Installation{{{"bfcli", "chain", "set", "--from-file", "/dev/stdin"}}, {bpfilter_text(workload, lab.ifindex())}, {{"bfcli", "chain", "flush", "--name", "bench"}}};
  return fail(Errc::config, "no engine '" + engine + "'");
}

// What the program says of itself.
std::string version_of(std::string program) {
  if (const auto dash = program.find("-restore"); dash != program.npos) program.resize(dash);
  std::string said;
  FILE* pipe = ::popen((program + " --version 2>/dev/null").c_str(), "r");
  char line[256];
  if (pipe != nullptr && std::fgets(line, sizeof(line), pipe) != nullptr) said = line;
  if (pipe != nullptr) ::pclose(pipe);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said.empty() ? program : said;
}

}  // namespace

Result<std::unique_ptr<Engine>> install_peer(const std::string& engine, Lab& lab, const Setting& setting) {
  auto steps = installation(engine, lab, setting.workload);
  if (!steps) return fail(steps.error());
  for (const auto& command : steps->on)
    if (!has_program(command.front())) return fail(Errc::not_found, engine + ": there is no program '" + command.front() + "'");
  auto peer = std::make_unique<Peer>(lab, version_of(steps->on.front().front()), steps->off);  // also takes off what was half put on
  for (std::size_t i = 0; i < steps->on.size(); ++i)
    if (auto done = lab.node().run(steps->on[i], steps->inputs[i]); !done) return fail(std::move(done.error()).in(engine));
  return peer;
}

}  // namespace nodewall::bench
