// What networks came and went between two collections of lists, as they are written: in any order, masked or not, some several times.
#pragma once

#include <optional>
#include <vector>

#include "base/ip.h"
#include "base/shared_list.h"

namespace nodewall::resolve {

using WrittenLists = std::vector<SharedList<Cidr>>;

struct MemberChanges {
  std::vector<Cidr> gone, fresh;  // what both have is in none or in both
};
// Nothing: more than `most` changes. Chunks that both have are not looked at if they stand between the same neighbours.
std::optional<MemberChanges> member_changes(const WrittenLists& before, const WrittenLists& after, std::size_t most);

std::vector<Cidr> all_members(const WrittenLists& lists);

}  // namespace nodewall::resolve
