#include "outcome.h"

#include <fmt/format.h>

#include "terminal.h"

namespace nodewall::cli {
namespace {

// As Go prints a slice of errors.
std::string error_list(const std::vector<Error>& errors) {
  std::string text = "[";
  for (const auto& error : errors) text += (text.size() > 1 ? " " : "") + error.message();
  return text + "]";
}

}  // namespace

void Outcome::expect(const model::ResourceId& id) {
  ++expected_;
  if (kind_ && *kind_ != id.kind) mixed_ = true;
  kind_ = id.kind;
}

void Outcome::note(const Status& status) {
  if (status) done();
  else failed(status.error());
}

std::string Outcome::kind_text() const {
  return kind_ && !mixed_ ? fmt::format(" '{}'", name(*kind_)) : std::string();
}

int Outcome::tell() const {
  if (errors_.empty()) {
    if (expected_ > 0) print(fmt::format("Successfully {} {}{} resource(s)\n", done_verb_, done_, kind_text()));
    return 0;
  }
  if (done_ > 0) {
    complain(fmt::format("Partial success: {} the first {} out of {}{} resources:", done_verb_, done_,
                         expected_, kind_text()));
    complain("hit error: " + error_list(errors_));
    return 1;
  }
  complain(expected_ == 1
               ? fmt::format("failed to {}{} resource: {}", verb_, kind_text(), error_list(errors_))
               : fmt::format("failed to {} any{} resources: {}", verb_, kind_text(), error_list(errors_)));
  return exit_code(errors_.front().code);
}

int tell_faults(std::string_view verb, const config::Decoded& decoded) {
  for (const auto& diagnostic : decoded.diagnostics) complain(config::to_string(diagnostic));
  const auto count = decoded.diagnostics.size();
  complain(fmt::format("failed to {}: {} error{} in what was given; nothing was changed", verb, count,
                       count == 1 ? "" : "s"));
  return 1;
}

}  // namespace nodewall::cli
