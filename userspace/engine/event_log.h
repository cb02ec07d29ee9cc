// The file of packet events: <run_dir>/events.jsonl, and events.jsonl.1 with what came before. Neither outgrows kMostEventBytes.
//
//   EventLog   writes. A write is one append; a line is there whole or not at all.
//   EventTail  reads both from their beginning, and then on, across a change of files, with a writer or without one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace nodewall::engine {

inline constexpr std::string_view kEventFile = "events.jsonl";
inline constexpr std::string_view kOlderEventFile = "events.jsonl.1";
inline constexpr std::size_t kMostEventBytes = std::size_t{4} << 20;

class EventLog {
 public:
  explicit EventLog(std::string run_dir, std::size_t most_bytes = kMostEventBytes);
  // Makes the file, mode 0600, when there is none. On failure the line is left out, and the next one is tried afresh.
  Status write(std::string_view line);

 private:
  Result<std::size_t> size_before(std::size_t added);
  Status open();
  Status mend();

  std::string path_, older_;
  std::size_t most_;
  Fd file_;
};

class EventTail {
 public:
  explicit EventTail(std::string run_dir) : run_dir_(std::move(run_dir)) {}
  // Every whole line that came since the last call. A file that is not there has none. Fails when others could have written it.
  Status read(const std::function<void(std::string_view line)>& line);
  // Files that were replaced before they were read: their lines are missing. Told once.
  bool take_missed() { return std::exchange(missed_, false); }

 private:
  using Handler = std::function<void(std::string_view line)>;
  Status begin(const Handler& line);
  Status read_on(Fd& file, const Handler& line);
  Result<Fd> open(std::string_view name) const;

  std::string run_dir_;
  Fd file_;                // the current file, read up to its offset
  std::string rest_;       // of a line that is not whole yet
  bool begun_ = false;
  bool overlong_ = false;  // `rest_` was thrown away: it was too long for a line
  bool missed_ = false;
};

}  // namespace nodewall::engine
