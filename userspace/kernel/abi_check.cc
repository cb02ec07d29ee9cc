// Every key and value that crosses into the kernel has no padding: equal values are equal bytes.
#include <type_traits>

#include "maps/abi.h"
#include "maps/conntrack.h"
#include "maps/counters.h"
#include "maps/endpoint.h"
#include "maps/failsafe.h"
#include "maps/policy.h"
#include "maps/settings.h"

namespace nodewall::kernel {

template <typename... T>
constexpr bool kNoPadding = (std::has_unique_object_representations_v<T> && ...);

static_assert(kNoPadding<nw_stamp, nw_addr, nw_interface, nw_cached_local, nw_live, nw_failsafe_word, nw_failsafe_key, nw_ct_key, nw_ct_entry, nw_ct_slot,
                         nw_ct_bucket, nw_ct_state,
                         nw_fragment_key, nw_settings, nw_count, nw_recorded>);
static_assert(kNoPadding<nw_line, nw_image_header, nw_tree16, nw_tree64, nw_protocol, nw_list, nw_image_endpoint, nw_image_rule>);

}  // namespace nodewall::kernel
