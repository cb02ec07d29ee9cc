// What is printed: data to stdout, diagnostics to stderr, nothing that came from outside with raw control characters.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace nodewall::cli {

// printable() of the whole text, however long it is.
std::string escaped(std::string_view text);

// JSON whose strings hold no control character that a terminal would obey. `indent` < 0: one line.
std::string json_text(const nlohmann::json& value, int indent);

void print(std::string_view text);          // stdout, as it is
void complain(std::string_view message);    // a line on stderr, made printable
void warn(std::string_view message);        // "warning: ..." on stderr

// Says what went wrong and returns the exit code of it.
int report(const Error& error);
// A mistake in the arguments: the message, and one hint. Returns 2.
int usage(std::string_view message, std::string_view hint);

// Flushes stdout; a failure to write turns a success into exit code 1.
int finish(int exit_code);

}  // namespace nodewall::cli
