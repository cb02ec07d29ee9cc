// The generated skeleton, behind the types of the programs' variables.
#pragma once

#include "maps/conntrack.h"
#include "maps/counters.h"
#include "maps/endpoint.h"
#include "maps/events.h"
#include "maps/failsafe.h"
#include "maps/policy.h"
#include "maps/settings.h"

#include "bpf/nodewall.skel.h"
