// What the verifier of the running kernel says of each program, in each variant that kernel/object.cc asks for on this kernel: one line of
// JSON a program. `--every`: also the variants for older kernels. Exit code 1 when one is refused or over the budget. Programs are loaded one at
// a time: the time is that of one.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernel/skeleton.h"

namespace {

// Of the million instructions that the kernel's verifier is willing to walk. What is left is for compilers and kernels to come.
constexpr std::uint32_t kBudget = 700'000;

constexpr std::size_t kStatisticsBytes = 64 * 1024;
constexpr std::size_t kLogBytes = 64 * 1024 * 1024;  // the whole walk: older kernels keep its beginning and not its end
constexpr std::size_t kShownBytes = 3000;

struct Variant {
  std::string name;
  bool record;    // nw_record: nothing is pinned (trace, tests)
  bool xdp_load;  // nw_have_xdp_load: Linux 5.18
};

struct Destroy {
  void operator()(nodewall_bpf* skeleton) const { nodewall_bpf__destroy(skeleton); }
};

std::string warnings;

int keep_warnings(libbpf_print_level level, const char* format, va_list arguments) {
  std::array<char, 1024> line{};
  if (level == LIBBPF_WARN && vsnprintf(line.data(), line.size(), format, arguments) > 0) warnings += line.data();
  return 0;
}

bool has_xdp_load() { return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, nullptr) == 1; }

struct Loaded {
  std::unique_ptr<nodewall_bpf, Destroy> skeleton;
  int error = 0;
  double milliseconds = 0;
  std::string log;
};

bpf_program* find(nodewall_bpf* skeleton, const std::string& name) {
  return bpf_object__find_program_by_name(skeleton->obj, name.c_str());
}

Loaded load(const std::string& name, const Variant& variant, std::uint32_t log_level, std::size_t log_bytes) {
  Loaded loaded;
  loaded.skeleton.reset(nodewall_bpf__open());
  if (!loaded.skeleton) {
    loaded.error = errno;
    return loaded;
  }
  auto* skeleton = loaded.skeleton.get();
  skeleton->rodata->nw_record = variant.record ? 1 : 0;
  skeleton->rodata->nw_have_xdp_load = variant.xdp_load ? 1 : 0;
  bpf_map* map = nullptr;  // the programs count, not their tables
  bpf_object__for_each_map(map, skeleton->obj)
    if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH) bpf_map__set_max_entries(map, 4096);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) bpf_program__set_autoload(program, bpf_program__name(program) == name);
  std::vector<char> log(log_bytes);
  bpf_program__set_log_level(find(skeleton, name), log_level);
  bpf_program__set_log_buf(find(skeleton, name), log.data(), log.size());
  const auto started = std::chrono::steady_clock::now();
  loaded.error = -nodewall_bpf__load(skeleton);
  loaded.milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  loaded.log = log.data();
  return loaded;
}

// "processed 1234 insns (limit 1000000) ...": every kernel says it, bpf_prog_info has it since 5.16.
std::uint32_t processed(const std::string& log) {
  const auto at = log.rfind("processed ");
  return at == log.npos ? 0 : static_cast<std::uint32_t>(std::strtoul(log.c_str() + at + std::strlen("processed "), nullptr, 10));
}

nlohmann::json refusal(const std::string& name, const Variant& variant, int error) {
  const std::string log = load(name, variant, 1, kLogBytes).log;
  return {{"error", std::strerror(error)}, {"log", log.substr(log.size() - std::min(log.size(), kShownBytes))}, {"warnings", warnings}};
}

nlohmann::json judge(const std::string& name, const Variant& variant) {
  nlohmann::json row = {{"program", name}, {"variant", variant.name}, {"budget", kBudget}};
  warnings.clear();
  const Loaded loaded = load(name, variant, 4 /* statistics */, kStatisticsBytes);
  if (loaded.error != 0) {
    row["refused"] = refusal(name, variant, loaded.error);
    return row;
  }
  bpf_prog_info info{};
  __u32 length = sizeof(info);
  (void)bpf_prog_get_info_by_fd(bpf_program__fd(find(loaded.skeleton.get(), name)), &info, &length);
  const std::uint32_t verified = info.verified_insns != 0 ? info.verified_insns : processed(loaded.log);
  row["verified"] = verified;
  row["instructions"] = info.xlated_prog_len / sizeof(bpf_insn);
  row["machineCodeBytes"] = info.jited_prog_len;
  row["milliseconds"] = loaded.milliseconds;
  row["withinBudget"] = verified != 0 && verified < kBudget;
  return row;
}

}  // namespace

int main(int argc, char** argv) {
  const bool every = argc == 2 && std::string(argv[1]) == "--every";
  libbpf_set_print(keep_warnings);
  const bool xdp_load = has_xdp_load();
  bool good = true;
  for (const Variant& variant : {Variant{"daemon", false, true}, Variant{"trace", true, true}, Variant{"daemon, before 5.18", false, false},
                                 Variant{"trace, before 5.18", true, false}}) {
    if (variant.xdp_load != xdp_load && !(every && xdp_load)) continue;
    for (const std::string name : {"nw_xdp_ingress", "nw_tc_ingress", "nw_tc_egress"}) {
      if (xdp_load && !variant.xdp_load && name != "nw_xdp_ingress") continue;  // at tc there is no difference
      const auto row = judge(name, variant);
      good = good && row.value("withinBudget", false);
      std::cout << row.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
    }
  }
  return good ? 0 : 1;
}
