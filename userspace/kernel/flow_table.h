// nw_ct_new, nw_ct_bucket and nw_ct_hint as memory (maps/conntrack.h): unconfirmed flows, and the hint of where flows are. The programs write it at the
// same time. Not for other rooms.
#pragma once

#include <algorithm>
#include <cstddef>
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
    int slots = -1, buckets = -1, hints = -1, state = -1;  // nw_ct_new, nw_ct_bucket, nw_ct_hint, nw_ct_state
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

  // The hint. Bits of flows that are gone stay until user space makes it anew, step by step: begins, waits for packets, adds all flows, and has it read.
  enum class In : std::uint8_t { confirmed, unconfirmed };
  struct Count {
    std::size_t confirmed = 0, unconfirmed = 0;
    [[nodiscard]] std::size_t greater() const { return std::max(confirmed, unconfirmed); }
  };
  [[nodiscard]] nw_ct_place place_of(const nw_ct_key& key) const;
  void hint(const nw_ct_key& key, In where);  // in the one that is read, and in one that is being made
  void begin_hint(std::size_t flows);         // another one, empty, with room for so many flows of one kind
  void add_to_begun(const nw_ct_key& key, In where);
  void read_begun();
  [[nodiscard]] Count hinted() const;                      // bits in the hint that is read
  [[nodiscard]] bool has_room_for(std::size_t flows) const;  // it has the words that so many want, or not too many more
  void clear_hints();                                      // only when no program runs, and there are no flows

 private:
  FlowTable(Mapped slots, Mapped buckets, Mapped hints, Mapped state, std::uint32_t count)
      : slots_(std::move(slots)), buckets_(std::move(buckets)), hints_(std::move(hints)), state_(std::move(state)), count_(count) {}
  static Result<FlowTable> make(const Maps& maps, Result<Mapped> (*map)(int, std::size_t));
  template <typename Flow>
  void walk(Flow flow) const;
  [[nodiscard]] std::span<nw_ct_bucket> buckets() const { return {buckets_.as<nw_ct_bucket>(), count_}; }
  [[nodiscard]] nw_ct_state& state() const { return *state_.as<nw_ct_state>(); }
  [[nodiscard]] std::uint32_t read_hint() const;  // its number
  [[nodiscard]] std::span<std::uint64_t> words(std::uint32_t hint) const;  // those in use
  void set_bits(const nw_ct_key& key, In where, std::uint32_t hint);

  Mapped slots_, buckets_, hints_, state_;
  std::uint32_t count_;
};

}  // namespace nodewall::kernel
