// The files of a run directory: state.json and policy.json. What is read is written to a text that reads the same.
//
// The functions of engine/files.h are defined here instead: the bytes come from the fuzzer, and no file is touched.
#include "engine/files.h"
#include "engine/state_file.h"
#include "input.h"

namespace {
std::string file_text;
}

namespace nodewall::engine {

Result<std::string> read_private_file(const std::string&) { return file_text; }
Status write_private_file(const std::string&, std::string_view text) {
  file_text = text;
  return {};
}
std::string temporary_name(const std::string& path) { return path; }

}  // namespace nodewall::engine

namespace nodewall::kernel {

Result<std::string> instance_name() { return "nodewall"; }

}  // namespace nodewall::kernel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  const std::string text(fuzz::Input(data, size).text());
  file_text = text;
  if (const auto state = engine::read_state("")) {
    const auto written = engine::state_text(*state);
    file_text = written;
    const auto again = engine::read_state("");
    fuzz::require(again.has_value(), "a written state is refused: " + written);
    fuzz::require(again->interface_counters == state->interface_counters && again->notes == state->notes && again->pid == state->pid &&
                      again->status.conditions == state->status.conditions && again->status.generation == state->status.generation &&
                      again->status.interfaces.size() == state->status.interfaces.size(),
                  "a written state reads the same: " + written);
    fuzz::require(engine::state_text(*again) == written, "a state is what its text says: " + written);
  }
  file_text = text;
  if (const auto policy = engine::read_policy("")) {
    (void)engine::write_policy("", *policy);
    const auto written = file_text;
    const auto again = engine::read_policy("");
    fuzz::require(again.has_value(), "a written policy is refused: " + written);
    fuzz::require(again->slots == policy->slots && again->endpoints == policy->endpoints && again->chains == policy->chains,
                  "a written policy reads the same: " + written);
    (void)engine::write_policy("", *again);
    fuzz::require(file_text == written, "a policy is what its text says: " + written);
    for (const auto& endpoint : policy->endpoints)
      for (const auto* chains : {&endpoint.chains, &endpoint.staged})
        for (const auto& [chain, index] : *chains)
          fuzz::require(chain <= NW_CHAIN_PRE_DNAT && index < policy->chains.size(), "an endpoint's chains exist");
  }
  return 0;
}
