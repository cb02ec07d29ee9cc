// A line of events.jsonl. What is accepted is written to a line that is accepted again, says the same, and holds nothing that a terminal
// obeys.
#include "engine/event_json.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nodewall;
  const auto read = engine::read_event_line(fuzz::Input(data, size).text());
  if (!read) return 0;
  const auto line = engine::json_line(read->value);
  fuzz::require(std::ranges::all_of(line, [](char c) { return c >= 0x20 && c < 0x7f; }), "a line is ASCII: " + line);
  const auto again = engine::read_event_line(line);
  fuzz::require(again.has_value(), "a written event is refused: " + line);
  fuzz::require(engine::json_line(again->value) == line, "an event is what its line says: " + line);
  fuzz::require(again->packet == read->packet && again->rule == read->rule && again->counts == read->counts, "it reads the same: " + line);
  return 0;
}
