#include "terminal.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/printable.h"

namespace nodewall::cli {
namespace {

constexpr std::size_t kPiece = 128;  // well below what printable() cuts

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto length = std::min(text.size(), kPiece);
    // Never between the bytes of a character; bytes that are none are cut anywhere.
    for (int back = 0; back < 3 && length < text.size() && continues_character(text[length]); ++back)
      --length;
    out += printable(text.substr(0, length));
    text.remove_prefix(length);
  }
  return out;
}

std::string json_text(const nlohmann::json& value, int indent) {
  const auto raw = value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const auto byte = static_cast<unsigned char>(raw[i]);
    const auto next = i + 1 < raw.size() ? static_cast<unsigned char>(raw[i + 1]) : 0U;
    if (byte == 0x7f) {
      out += "\\u007f";
    } else if (byte == 0xc2 && next < 0xa0) {  // the C1 controls
      out += fmt::format("\\u{:04x}", next);
      ++i;
    } else {
      out += raw[i];
    }
  }
  return out;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void complain(std::string_view message) {
  std::fflush(stdout);
  const auto line = escaped(message) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void warn(std::string_view message) { complain("warning: " + std::string(message)); }

int report(const Error& error) {
  complain(error.message());
  return exit_code(error.code);
}

int usage(std::string_view message, std::string_view hint) {
  complain(fmt::format("nodewall: {}", message));
  complain(fmt::format("See: {}", hint));
  return 2;
}

int finish(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  complain("cannot write to standard output");
  return exit_code == 0 ? 1 : exit_code;
}

}  // namespace nodewall::cli
