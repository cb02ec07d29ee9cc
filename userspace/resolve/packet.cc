#include "resolve/packet.h"

namespace nodewall::resolve {

std::string_view reason_name(std::uint32_t reason) {
  switch (reason) {
#define NW_REASON_CASE(number, symbol, name, verdict, meaning) \
  case NW_REASON_##symbol: return name;
    NW_REASONS(NW_REASON_CASE)
#undef NW_REASON_CASE
  }
  return "unknown";
}

}  // namespace nodewall::resolve
