// What somebody would write who wants no more than the verdict at XDP: a list of rules as one comparison after another, compiled into the program as
// bpfilter does, and a set as the kernel's LPM trie. No state, no counters, no failsafe ports, no options, no fragments.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_ether.h>

#include <cstring>

#include "bpf/trie.skel.h"
#include "engine.h"

namespace nodewall::bench {
namespace {

class Stateless : public Engine {
 public:
  Stateless(Fd program, Fd link, std::string about) : program_(std::move(program)), link_(std::move(link)), about_(std::move(about)) {}
  [[nodiscard]] std::string about() const override { return about_; }
  [[nodiscard]] Fd program() const override { return Fd(::fcntl(program_.get(), F_DUPFD_CLOEXEC, 0)); }

 private:
  Fd program_, link_;
  std::string about_;
};

// Where in a frame: Ethernet and an IPv4 header without options.
constexpr std::int16_t kEthertypeAt = 12, kVersionAt = 14, kProtocolAt = 23, kSourceAt = 26, kDestinationAt = 30, kSourcePortAt = 34, kDestinationPortAt = 36,
                       kHeaderBytes = 38;

// A program of instructions. What rules compare is in registers all the way.
class ListProgram {
 public:
  ListProgram() { begin(); }
  void add(const PlainRule& rule);
  Result<Fd> load();
  [[nodiscard]] std::size_t size() const { return code_.size(); }

 private:
  enum Register : std::uint8_t { kAnswer, kContext, kSource, kDestination, kProtocol, kSourcePort, kDestinationPort, kData, kEnd };

  void put(int code, Register to, Register from, int offset, std::uint32_t immediate) {
    code_.push_back({.code = static_cast<__u8>(code), .dst_reg = to, .src_reg = from, .off = static_cast<__s16>(offset), .imm = static_cast<__s32>(immediate)});
  }
  void read(Register to, int size, Register from, int offset) { put(BPF_LDX | BPF_MEM | size, to, from, offset, 0); }
  void read_port(Register to, int offset) {
    read(to, BPF_H, kData, offset);
    put(BPF_ALU | BPF_END | BPF_TO_BE, to, kAnswer, 0, 16);
  }
  // Leaves the rule for the next one when the comparison holds. Only of what was calculated: of a field the verifier would remember what it was
  // compared with, and go through all that follows once for each.
  void leave_if(int comparison, std::uint32_t right) {
    open_.push_back(code_.size());
    put(BPF_JMP32 | comparison | BPF_K, kAnswer, kAnswer, 0, right);
  }
  void calculate(Register field, int operation, std::uint32_t operand) {
    put(BPF_ALU | BPF_MOV | BPF_X, kAnswer, field, 0, 0);
    put(BPF_ALU | operation | BPF_K, kAnswer, kAnswer, 0, operand);
  }
  void compare(Register field, std::uint32_t wanted) {
    calculate(field, BPF_XOR, wanted);
    leave_if(BPF_JNE, 0);
  }
  void answer(xdp_action action) {
    put(BPF_ALU | BPF_MOV | BPF_K, kAnswer, kAnswer, 0, action);
    put(BPF_JMP | BPF_EXIT, kAnswer, kAnswer, 0, 0);
  }
  void next_rule() {
    for (const auto jump : open_) code_[jump].off = static_cast<__s16>(code_.size() - jump - 1);
    open_.clear();
  }
  void begin();
  void compare(Register field, const Cidr& net);
  void compare(Register field, const model::PortRange& range);

  std::vector<bpf_insn> code_;
  std::vector<std::size_t> open_;  // jumps to the next rule
};

void ListProgram::begin() {
  read(kData, BPF_W, kContext, offsetof(xdp_md, data));
  read(kEnd, BPF_W, kContext, offsetof(xdp_md, data_end));
  put(BPF_ALU64 | BPF_MOV | BPF_X, kAnswer, kData, 0, 0);
  put(BPF_ALU64 | BPF_ADD | BPF_K, kAnswer, kAnswer, 0, kHeaderBytes);
  put(BPF_JMP | BPF_JLE | BPF_X, kAnswer, kEnd, 2, 0);  // over the answer
  answer(XDP_DROP);
  read(kSource, BPF_H, kData, kEthertypeAt);
  put(BPF_JMP32 | BPF_JEQ | BPF_K, kSource, kAnswer, 2, __builtin_bswap16(ETH_P_IP));
  answer(XDP_DROP);
  read(kSource, BPF_B, kData, kVersionAt);
  put(BPF_JMP32 | BPF_JEQ | BPF_K, kSource, kAnswer, 2, 0x45);
  answer(XDP_DROP);
  read(kSource, BPF_W, kData, kSourceAt);
  read(kDestination, BPF_W, kData, kDestinationAt);
  read(kProtocol, BPF_B, kData, kProtocolAt);
  read_port(kSourcePort, kSourcePortAt);
  read_port(kDestinationPort, kDestinationPortAt);
}

void ListProgram::compare(Register field, const Cidr& net) {
  if (net.prefix == 0) return;
  const auto mask = __builtin_bswap32(~0U << (32 - net.prefix));
  const auto wanted = __builtin_bswap32(net.masked().address.v4_host_order());
  if (net.prefix == 32) return compare(field, wanted);
  calculate(field, BPF_AND, mask);
  leave_if(BPF_JNE, wanted);
}

void ListProgram::compare(Register field, const model::PortRange& range) {
  if (range.first == range.last) return compare(field, range.first);
  calculate(field, BPF_SUB, range.first);
  leave_if(BPF_JGT, static_cast<std::uint32_t>(range.last - range.first));
}

void ListProgram::add(const PlainRule& rule) {
  if (rule.source) compare(kSource, *rule.source);
  if (rule.destination) compare(kDestination, *rule.destination);
  if (rule.protocol != 0) {
    compare(kProtocol, rule.protocol);
    if (!is_any(rule.source_ports)) compare(kSourcePort, rule.source_ports);
    if (!is_any(rule.destination_ports)) compare(kDestinationPort, rule.destination_ports);
  }
  answer(XDP_PASS);
  next_rule();
}

Result<Fd> ListProgram::load() {
  answer(XDP_DROP);
  DECLARE_LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP);
  Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "xdp_list", "Dual BSD/GPL", code_.data(), code_.size(), &opts));
  if (!program.valid()) return fail(errno_error("load a program of " + std::to_string(code_.size()) + " instructions", errno));
  return program;
}

struct TrieDelete {
  void operator()(trie_bpf* skeleton) const { trie_bpf__destroy(skeleton); }
};

Status add_member(int trie, const Cidr& member) {
  struct {
    __u32 prefixlen;
    std::uint8_t address[16];
  } key{.prefixlen = member.prefix, .address = {}};
  const bool v4 = member.address.family == Family::v4;
  std::memcpy(key.address, member.address.bytes.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
  const __u8 present = 1;
  if (bpf_map_update_elem(trie, &key, &present, BPF_ANY) != 0) return fail(errno_error("add to the trie", errno));
  return {};
}

Result<Fd> trie_program(const Workload& workload) {
  const std::unique_ptr<trie_bpf, TrieDelete> skeleton(trie_bpf__open());
  if (!skeleton) return fail(errno_error("open the trie's program", errno));
  auto* members = workload.family == Family::v4 ? skeleton->maps.members_v4 : skeleton->maps.members_v6;
  bpf_map__set_max_entries(members, static_cast<__u32>(workload.set.size() + 1));
  if (const int done = trie_bpf__load(skeleton.get()); done != 0) return fail(errno_error("load the trie's program", -done));
  for (const auto& member : workload.set)
    if (auto done = add_member(bpf_map__fd(members), member); !done) return fail(done.error());
  return Fd(::fcntl(bpf_program__fd(skeleton->progs.xdp_trie), F_DUPFD_CLOEXEC, 0));
}

}  // namespace

Result<std::unique_ptr<Engine>> install_stateless(const std::string& engine, Lab& lab, const Setting& setting) {
  ListProgram list;
  for (const auto& rule : setting.workload.rules) list.add(rule);
  auto program = engine == "xdp-list" ? list.load() : trie_program(setting.workload);
  if (!program) return fail(std::move(program.error()).in(engine));
  auto link = attach_ingress(lab, program->get(), true);
  if (!link) return fail(std::move(link.error()).in(engine));
  const auto about = engine == "xdp-list" ? fmt::format("a program of {} instructions, one comparison after another; stateless", list.size())
                                          : fmt::format("a program with the kernel's LPM trie of {} networks; stateless", setting.workload.set.size());
  return std::make_unique<Stateless>(std::move(*program), std::move(*link), about);
}

}  // namespace nodewall::bench
