// Reading the tables: apart from the comparison, which needs no kernel.
#include "engine/verify.h"

namespace nodewall::engine {

Result<Tables> read_tables(const kernel::Datapath& datapath) {
  auto image = datapath.read_policy();
  if (!image) return fail(std::move(image.error()).in("policy image"));
  auto small = datapath.read_small_maps();
  if (!small) return fail(std::move(small.error()).in("small maps"));
  auto interfaces = datapath.interfaces();
  if (!interfaces) return fail(std::move(interfaces.error()).in("interfaces"));
  return Tables{.image = std::move(*image), .small = std::move(*small), .interfaces = std::move(*interfaces)};
}

}  // namespace nodewall::engine
