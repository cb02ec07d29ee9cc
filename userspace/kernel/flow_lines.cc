#include "kernel/flow_lines.h"

#include <cstring>

namespace nodewall::kernel {
namespace {

nw_ct_line_word state_of(const nw_ct_slot& line) { return __atomic_load_n(nw_ct_word_in(&line.key), __ATOMIC_ACQUIRE); }

bool is_flow(nw_ct_line_word word) { return word != NW_CT_LINE_FREE && word != NW_CT_LINE_BUSY && word != NW_CT_LINE_OVER; }

bool change_state(nw_ct_slot& line, nw_ct_line_word from, nw_ct_line_word to) {
  return __atomic_compare_exchange_n(nw_ct_word_of(&line.key), &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

constexpr std::size_t kBytesBeforeWord = offsetof(nw_ct_key, protocol);

}  // namespace

Result<FlowLines> FlowLines::make(int map, std::uint32_t count, Result<Mapped> (*map_memory)(int, std::size_t)) {
  auto lines = map_memory(map, sizeof(nw_ct_slot) * count);
  if (!lines) return fail(std::move(lines.error()).in("confirmed flows"));
  return FlowLines(std::move(*lines), count);
}

Result<FlowLines> FlowLines::read_only(int map, std::uint32_t count) { return make(map, count, Mapped::read_only); }
Result<FlowLines> FlowLines::writable(int map, std::uint32_t count) { return make(map, count, Mapped::writable); }

void FlowLines::for_each(const std::function<void(const nw_ct_slot&)>& flow) const {
  for (const auto& line : lines()) {
    const auto seen = state_of(line);
    if (!is_flow(seen)) continue;
    const nw_ct_slot copy = line;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (state_of(line) == seen) flow(copy);
  }
}

bool FlowLines::add(const nw_ct_place& place, const nw_ct_key& key, const nw_ct_entry& entry) {
  const auto choice = [&](std::uint32_t i) -> nw_ct_slot& { return lines()[nw_ct_line_index(&place, i, count_)]; };
  for (std::uint32_t i = 0; i < NW_CT_CHOICES; ++i)
    if (std::memcmp(&choice(i).key, &key, sizeof(key)) == 0) return true;
  for (std::uint32_t i = 0; i < NW_CT_CHOICES; ++i) {
    auto& line = choice(i);
    if (!change_state(line, NW_CT_LINE_FREE, NW_CT_LINE_BUSY)) continue;
    std::memcpy(&line.key, &key, kBytesBeforeWord);
    line.entry = entry;
    __atomic_store_n(nw_ct_word_of(&line.key), *nw_ct_word_in(&key), __ATOMIC_SEQ_CST);
    return true;
  }
  return false;
}

std::size_t FlowLines::end_if(const std::function<bool(const nw_ct_slot&)>& is_over) {
  std::size_t ended = 0;
  for (auto& line : lines()) {
    const auto seen = state_of(line);
    if (is_flow(seen) && is_over(line) && change_state(line, seen, NW_CT_LINE_OVER)) ++ended;
  }
  return ended;
}

// A packet that compares a key while its line becomes another flow's shall not meet old parts of it: so they are emptied before the wait.
bool FlowLines::empty_ended() {
  emptied_.clear();
  busy_.clear();
  for (std::uint32_t i = 0; i < count_; ++i) {
    auto& line = lines()[i];
    const auto seen = state_of(line);
    if (seen == NW_CT_LINE_BUSY) busy_.push_back(i);
    if (seen != NW_CT_LINE_OVER) continue;
    std::memset(&line.key, 0, kBytesBeforeWord);
    emptied_.push_back(i);
  }
  return !emptied_.empty() || !busy_.empty();
}

// Who was writing a line before the wait has done so behind it: one that is still busy has lost its writer, and is over.
void FlowLines::free_emptied() {
  for (const auto i : emptied_) (void)change_state(lines()[i], NW_CT_LINE_OVER, NW_CT_LINE_FREE);
  for (const auto i : busy_) (void)change_state(lines()[i], NW_CT_LINE_BUSY, NW_CT_LINE_OVER);
}

void FlowLines::change_each(const std::function<void(nw_ct_entry&)>& change) {
  for (auto& line : lines())
    if (is_flow(state_of(line))) change(line.entry);
}

void FlowLines::clear() { std::memset(lines_.as<nw_ct_slot>(), 0, lines().size_bytes()); }

}  // namespace nodewall::kernel
