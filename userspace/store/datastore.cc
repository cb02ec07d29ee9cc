#include "store/datastore.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "store/state.h"

namespace nodewall::store {
namespace {

// Somebody who only looks, without being root, can neither read nor keep what the daemon keeps: that is no fault.
bool is_no_fault(const Error& error) {
  return error.code == Errc::not_found ||
         (::geteuid() != 0 && (error.code == Errc::permission || error.sys_errno == EROFS));
}

}  // namespace

DirectoryStore::DirectoryStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
DirectoryStore::DirectoryStore(DirectoryStore&&) noexcept = default;
DirectoryStore& DirectoryStore::operator=(DirectoryStore&&) noexcept = default;
DirectoryStore::~DirectoryStore() = default;

Result<DirectoryStore> DirectoryStore::open(const std::string& directory, const std::string& generated) {
  auto folder = Folder::open(directory);
  if (!folder) return fail(folder.error());
  std::optional<LastGood> last_good;
  if (!generated.empty()) last_good.emplace(generated + "/last-good");
  auto state = std::make_unique<State>(Manifests(std::move(*folder), std::move(last_good)), generated);
  if (auto opened = state->open_generated(Create::no); !opened && !is_no_fault(opened.error()))
    return fail(opened.error());
  state->epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
  state->watch_all();
  return DirectoryStore(std::move(state));
}

Result<Snapshot> DirectoryStore::read() {
  auto& state = *state_;
  if (auto done = state.people.refresh(); !done) return fail(done.error());
  auto kept = state.people.save();
  if (::geteuid() != 0) kept.clear();  // is_no_fault
  const auto note = [&](const Error& error) {
    if (!is_no_fault(error))
      kept.push_back({.file = state.generated_path, .at = {}, .message = error.message(), .object = {}});
  };
  if (!state.generated_path.empty()) {
    if (auto opened = state.open_generated(Create::no); !opened) note(opened.error());
    if (state.generated) {
      if (auto done = state.generated->refresh(); !done) {
        note(done.error());
        if (done.error().code == Errc::not_found) state.generated.reset();
      }
    }
  }
  state.watch_all();
  auto snapshot = state.merged();
  snapshot.diagnostics.insert(snapshot.diagnostics.end(), kept.begin(), kept.end());
  return snapshot;
}

int DirectoryStore::watch_fd() const {
  return state_->people.watch().valid() ? state_->epoll.get() : -1;
}

void DirectoryStore::drain_watch() {
  state_->people.watch().drain();
  if (state_->generated) state_->generated->watch().drain();
}

Status DirectoryStore::State::open_generated(Create create) {
  if (generated_path.empty() || generated) return {};
  auto folder = Folder::open(generated_path, create);
  if (!folder) return fail(folder.error());
  generated.emplace(std::move(*folder), std::nullopt);
  return {};
}

void DirectoryStore::State::watch_all() {
  const auto add = [&](const Watch& watch) {
    if (!watch.valid() || !epoll.valid()) return;
    epoll_event event{.events = EPOLLIN, .data = {.fd = watch.fd()}};
    // EEXIST: it is there already.
    (void)::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, watch.fd(), &event);
  };
  add(people.watch());
  if (generated) add(generated->watch());
}

Status DirectoryStore::State::refresh_touched() {
  if (auto done = people.refresh_touched(); !done) return done;
  if (auto opened = open_generated(Create::no); !opened && !is_no_fault(opened.error())) return opened;
  return generated ? generated->refresh_touched() : Status{};
}

Snapshot DirectoryStore::State::merged(const model::ResourceId* only) const {
  return merge(people, generated ? &*generated : nullptr, removed(), only);
}

}  // namespace nodewall::store
