// nw_ct_new and nw_ct_bucket as memory (maps/conntrack.h): unconfirmed flows, and the hint of what is in nw_ct. The programs write it at the same time.
// Not for other rooms.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "kernel/mapped.h"
#include "maps/conntrack.h"

namespace nodewall::kernel {

class FlowTable {
 public:
  struct Maps {
    int slots = -1, buckets = -1, state = -1;  // nw_ct_new, nw_ct_bucket, nw_ct_state
    std::uint32_t bucket_count = 0;
  };
  static Result<FlowTable> read_only(const Maps& maps);
  // A table that has no secret yet gets one.
  static Result<FlowTable> writable(const Maps& maps);

  void for_each(const std::function<void(const nw_ct_slot&)>& flow) const;
  // Removes the flows of which `is_over` says so; how many.
  std::size_t remove_if(const std::function<bool(const nw_ct_slot&)>& is_over);
  void clear();
  void change_each(const std::function<void(nw_ct_entry&)>& change);  // only when no program runs

  // The hint. Bits of flows that are gone stay until user space, step by step: empties the half that nobody reads, waits for packets, adds
  // the bits of all confirmed flows to it, and makes it the one that is read.
  void hint(const nw_ct_key& key);          // in both halves
  void hint_standby(const nw_ct_key& key);
  void empty_standby();
  void read_standby();
  [[nodiscard]] std::size_t hints() const;  // bits set in the half that is read
  void clear_hints();                       // only when no program runs, and nw_ct is empty

 private:
  FlowTable(Mapped slots, Mapped buckets, Mapped state, std::uint32_t count)
      : slots_(std::move(slots)), buckets_(std::move(buckets)), state_(std::move(state)), count_(count) {}
  static Result<FlowTable> make(const Maps& maps, Result<Mapped> (*map)(int, std::size_t));
  template <typename Flow>
  void walk(Flow flow) const;
  [[nodiscard]] std::span<nw_ct_bucket> buckets() const { return {buckets_.as<nw_ct_bucket>(), count_}; }
  [[nodiscard]] nw_ct_state& state() const { return *state_.as<nw_ct_state>(); }
  [[nodiscard]] std::uint32_t half() const;
  [[nodiscard]] nw_ct_place place(const nw_ct_key& key) const;

  Mapped slots_, buckets_, state_;
  std::uint32_t count_;
};

}  // namespace nodewall::kernel
