// nw_ct_line as memory (maps/conntrack.h): confirmed flows. The programs write it at the same time. Not for other rooms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernel/mapped.h"
#include "maps/conntrack.h"

namespace nodewall::kernel {

class FlowLines {
 public:
  static Result<FlowLines> read_only(int map, std::uint32_t count);
  static Result<FlowLines> writable(int map, std::uint32_t count);

  void for_each(const std::function<void(const nw_ct_slot&)>& flow) const;
  // False: all its places are taken by others. True: it is there, now or before.
  bool add(const nw_ct_place& place, const nw_ct_key& key, const nw_ct_entry& entry);

  // Removing, step by step: lines of flows that are over are emptied, all packets waited for, and then the lines are free.
  std::size_t end_if(const std::function<bool(const nw_ct_slot&)>& is_over);  // how many
  bool empty_ended();  // those that programs ended too; false: there are none to wait for
  void free_emptied();

  void change_each(const std::function<void(nw_ct_entry&)>& change);  // only when no program runs
  void clear();                                                       // likewise

 private:
  FlowLines(Mapped lines, std::uint32_t count) : lines_(std::move(lines)), count_(count) {}
  static Result<FlowLines> make(int map, std::uint32_t count, Result<Mapped> (*map_memory)(int, std::size_t));
  [[nodiscard]] std::span<nw_ct_slot> lines() const { return {lines_.as<nw_ct_slot>(), count_}; }

  Mapped lines_;
  std::uint32_t count_;
  std::vector<std::uint32_t> emptied_, busy_;  // lines, between empty_ended() and free_emptied()
};

}  // namespace nodewall::kernel
