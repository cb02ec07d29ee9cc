// What the daemon needs of the machine beside its datastore: privileges, the service manager, labels, signals.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "model/selector.h"

namespace nodewall::daemon {

// Keeps CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON and gives up everything else, for good (bounding set, no new privileges).
Status drop_privileges();

// Tells systemd, when it asked to be told: "READY=1", "STOPPING=1".
void notify_service_manager(std::string_view state);

// "key=value" a line; blank lines and lines that begin with # are left out. Every fault names file and line.
Result<model::Labels> read_labels(const std::string& path);

Result<Fd> open_signals();  // SIGTERM, SIGINT, SIGHUP, blocked for the process
Result<Fd> open_timer();
void set_timer(const Fd& timer, long first_ms, long period_ms);  // 0: off

}  // namespace nodewall::daemon
