#include "engine/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "engine/files.h"
#include "engine/json_reader.h"

namespace nodewall::engine {
namespace {

using nlohmann::json;

constexpr std::uint64_t kStateVersion = 1;
constexpr int kLockAttempts = 5;
constexpr useconds_t kLockPauseUs = 10000;

constexpr std::string_view kSeverities[] = {"info", "warning", "error"};
constexpr std::string_view kHooks[] = {"xdp", "tc-ingress", "tc-egress"};

std::string path_of(const std::string& run_dir, std::string_view file) {
  return run_dir + "/" + std::string(file);
}

json to_json(const InterfaceStatus& status) {
  json hooks = json::array();
  for (const auto& hook : status.hooks) {
    hooks.push_back({{"hook", kHooks[static_cast<std::size_t>(hook.hook)]},
                     {"mode", hook.mode},
                     {"programId", hook.program_id}});
  }
  return {{"name", status.name},         {"ifindex", status.ifindex},
          {"hostEndpoint", status.host_endpoint}, {"hooks", std::move(hooks)},
          {"counter", status.counter},   {"problem", status.problem},
          {"workload", status.workload}, {"excluded", status.excluded}};
}

json to_json(const resolve::Condition& condition) {
  return {{"severity", kSeverities[static_cast<std::size_t>(condition.severity)]},
          {"kind", model::name(condition.object.kind)},
          {"name", condition.object.name},
          {"type", condition.type},
          {"message", condition.message}};
}

InterfaceStatus interface_from(JsonReader& in, const json& from) {
  InterfaceStatus status;
  status.name = in.text(from, "name");
  status.ifindex = in.u32(from, "ifindex");
  status.host_endpoint = in.text(from, "hostEndpoint");
  status.counter = static_cast<std::uint32_t>(in.number(from, "counter", NW_MAX_INTERFACES - 1));
  status.problem = in.text(from, "problem");
  status.workload = in.flag(from, "workload");
  status.excluded = in.flag(from, "excluded");
  for (const auto& entry : in.array(from, "hooks")) {
    kernel::AttachedHook hook;
    hook.ifindex = status.ifindex;
    const auto found = std::ranges::find(kHooks, in.text(entry, "hook"));
    if (found == std::end(kHooks)) in.reject();
    else hook.hook = static_cast<kernel::Hook>(found - std::begin(kHooks));
    hook.mode = in.text(entry, "mode");
    hook.program_id = in.u32(entry, "programId");
    status.hooks.push_back(std::move(hook));
  }
  return status;
}

resolve::Condition condition_from(JsonReader& in, const json& from) {
  resolve::Condition condition;
  const auto severity = std::ranges::find(kSeverities, in.text(from, "severity"));
  if (severity == std::end(kSeverities)) in.reject();
  else condition.severity =
      static_cast<resolve::Condition::Severity>(severity - std::begin(kSeverities));
  const auto kind_name = in.text(from, "kind");
  const auto kind = std::ranges::find(model::kAllKinds, kind_name,
                                      [](model::Kind it) { return model::name(it); });
  if (kind == std::end(model::kAllKinds)) in.reject();
  else condition.object.kind = *kind;
  condition.object.name = in.text(from, "name");
  condition.type = in.text(from, "type");
  condition.message = in.text(from, "message");
  return condition;
}

void counters_from(JsonReader& in, const json& from, SavedState& state) {
  std::set<std::uint32_t> taken;
  for (const auto& [name, value] : in.object(from, "interfaceCounters").items()) {
    const bool fits = value.is_number_unsigned() && value.get<std::uint64_t>() < NW_MAX_INTERFACES;
    if (!fits || !taken.insert(value.get<std::uint32_t>()).second) in.reject();
    else state.interface_counters.emplace(name, value.get<std::uint32_t>());
  }
}

}  // namespace

Result<SavedState> read_state(const std::string& run_dir) {
  const auto path = path_of(run_dir, "state.json");
  const auto text = read_private_file(path);
  if (!text) return fail(text.error());
  const json from = json::parse(*text, nullptr, false);
  JsonReader in;
  SavedState state;
  if (in.number(from, "version", UINT32_MAX) != kStateVersion) in.reject();
  state.pid = static_cast<std::int64_t>(in.number(from, "pid", 1U << 30));
  state.pin_dir = in.text(from, "pinDirectory");
  counters_from(in, from, state);
  state.notes.datastore = in.text(from, "datastore");
  state.notes.datastore_error = in.text(from, "datastoreError");
  state.notes.diagnostics = in.texts(from, "diagnostics");
  state.notes.program_version = in.text(from, "programVersion");
  state.status.node = in.text(from, "node");
  state.status.armed = in.flag(from, "armed");
  state.status.generation = in.u32(from, "generation");
  state.status.last_error = in.text(from, "lastError");
  for (const auto& entry : in.array(from, "interfaces")) {
    state.status.interfaces.push_back(interface_from(in, entry));
  }
  for (const auto& entry : in.array(from, "conditions")) {
    state.status.conditions.push_back(condition_from(in, entry));
  }
  if (!in.ok()) return fail(Errc::abi, path + " is not a state file of this version");
  return state;
}

std::string state_text(const SavedState& state) {
  json interfaces = json::array();
  for (const auto& entry : state.status.interfaces) interfaces.push_back(to_json(entry));
  json conditions = json::array();
  for (const auto& entry : state.status.conditions) conditions.push_back(to_json(entry));
  const json to = {{"version", kStateVersion},
                   {"pid", static_cast<std::uint64_t>(state.pid)},
                   {"pinDirectory", state.pin_dir},
                   {"interfaceCounters", state.interface_counters},
                   {"datastore", state.notes.datastore},
                   {"datastoreError", state.notes.datastore_error},
                   {"diagnostics", state.notes.diagnostics},
                   {"programVersion", state.notes.program_version},
                   {"node", state.status.node},
                   {"armed", state.status.armed},
                   {"generation", state.status.generation},
                   {"lastError", state.status.last_error},
                   {"interfaces", std::move(interfaces)},
                   {"conditions", std::move(conditions)}};
  return to.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Status write_state(const std::string& run_dir, std::string_view text) {
  return write_private_file(path_of(run_dir, "state.json"), text);
}

bool is_disarmed(const std::string& run_dir) {
  struct stat info {};
  return ::lstat(path_of(run_dir, kDisarmMarker).c_str(), &info) == 0;
}

// Empty, so it is whole from the start: no file that is renamed could be left behind.
Status set_disarmed(const std::string& run_dir) {
  const auto path = path_of(run_dir, kDisarmMarker);
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail(errno_error("create " + path, errno));
  return {};
}

void remove_leftovers(const std::string& run_dir) {
  for (const auto* name : {"state.json", "policy.json"}) ::unlink(temporary_name(path_of(run_dir, name)).c_str());
}

Status clear_disarmed(const std::string& run_dir) {
  const auto path = path_of(run_dir, kDisarmMarker);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail(errno_error("remove " + path, errno));
}

Result<Fd> take_lock(const std::string& run_dir) {
  const auto path = path_of(run_dir, "lock");
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail(errno_error("open " + path, errno));
  // lock_is_held() of another process holds it for a moment.
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) return fail(errno_error("lock " + path, errno));
    ::usleep(kLockPauseUs);
  }
  return fail(Errc::busy, "another engine is at work in this network namespace (" + path + ")");
}

bool lock_is_held(const std::string& run_dir) {
  const Fd fd(::open(path_of(run_dir, "lock").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  return fd.valid() && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

Status check_run_dir(const std::string& path, CreateDir create) {
  // A slash at the end would follow a link.
  const auto run_dir = path.substr(0, std::max<std::size_t>(path.find_last_not_of('/') + 1, 1));
  if (create == CreateDir::yes && ::mkdir(run_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(errno_error("create " + run_dir, errno));
  }
  struct stat info {};
  if (::lstat(run_dir.c_str(), &info) != 0) {
    if (errno == ENOENT) return fail(Errc::not_found, run_dir + " does not exist");
    return fail(errno_error(run_dir, errno));
  }
  if (!S_ISDIR(info.st_mode)) return fail(Errc::permission, run_dir + " is not a directory");
  if ((info.st_uid != 0 && info.st_uid != ::geteuid()) || (info.st_mode & (S_IWGRP | S_IWOTH))) {
    return fail(Errc::permission, run_dir + " can be written by others: not used");
  }
  return {};
}

Result<std::string> default_run_dir(CreateDir create) {
  std::string run_dir;
  if (const char* named = std::getenv("NODEWALL_RUN_DIR"); named && *named) {
    run_dir = named;
  } else {
    const auto instance = kernel::instance_name();
    if (!instance) return fail(instance.error());
    run_dir = "/run/" + *instance;
  }
  const auto checked = check_run_dir(run_dir, create);
  if (!checked && checked.error().code != Errc::not_found) return fail(checked.error());
  if (!checked && create == CreateDir::yes) return fail(checked.error());
  return run_dir;
}

}  // namespace nodewall::engine
