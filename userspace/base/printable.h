// printable(text): text that came from outside, made safe to print on a terminal or in a log line.
//
// Control characters (also ESC, NUL, DEL and the C1 range), line breaks and bytes that are not UTF-8 become \n, \t, \r or
// \xNN; a backslash stays as it is. Text of more than 256 bytes is cut, with "..." at its end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nodewall {

std::string printable(std::string_view text);
bool is_utf8(std::string_view text);
// The number of bytes before the first that is not UTF-8; the whole size if all are.
std::size_t utf8_length(std::string_view text);

}  // namespace nodewall
