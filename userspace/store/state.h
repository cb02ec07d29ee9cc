// DirectoryStore::State: both folders, and what the controller deleted. Private to this room.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "store/datastore.h"
#include "store/manifests.h"
#include "store/merge.h"

namespace nodewall::store {

struct DirectoryStore::State {
  State(Manifests opened, std::string generated_directory)
      : people(std::move(opened)), generated_path(std::move(generated_directory)) {}

  Manifests people;
  std::string generated_path;          // empty: nothing generated is read or written
  std::optional<Manifests> generated;  // none yet: the directory does not exist
  Fd epoll;                            // readable when either watch is

  // Opens the generated folder when it is there; Create::yes makes it.
  Status open_generated(Create create);
  void watch_all();
  Status refresh_touched();
  [[nodiscard]] Removed removed() const;
  [[nodiscard]] Snapshot merged(const model::ResourceId* only = nullptr) const;

  [[nodiscard]] bool is_changed_in_generated(const model::ResourceId& id) const;
  Status remove_people(const model::ResourceId& id);
  Status remove_generated(const model::ResourceId& id);
  // Leaves a person's object out from now on.
  Status leave_out(const model::ResourceId& id);
};

}  // namespace nodewall::store
