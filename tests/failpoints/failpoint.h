// Failpoint: every call by which this process changes the kernel or a file goes through here (failpoint.cc has the C library's functions in
// its place), is counted, and can be made to fail, or to be the process's last. What a call is about is told in words, so that a test
// can say where it was: "map_update nw_policy", "rename state.json".
//
// One watch at a time, for the whole process; a forked child has a copy.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace failpoint {

enum class Scope {
  changes,     // calls that change something
  everything,  // and those that only look: bpf look-ups and descriptors, files opened
};

void watch(Scope scope);        // counts from 0; nothing fails
void crash_at(std::size_t call);  // SIGKILL in the place of the call with this number
// The call fails; `lasting`: and every one after it that is of the same kind, kernel or file.
void fail_at(std::size_t call, int error, bool lasting);
// Before each counted call. What it does itself is not counted.
void before_each(std::function<void(const std::string& call)> look);
void off();

bool was_reached();                      // the call of crash_at or fail_at came
std::vector<std::string> calls();        // counted since watch()

// A program is verified once: a load is answered by a descriptor of the loaded program of the same name that has the same pinned maps. For
// lives that adopt what another left; the verifier would take seconds for each.
void reuse_programs(bool on);

}  // namespace failpoint
