// InterfaceMonitor: the interfaces of this network namespace and their addresses, from rtnetlink (libmnl). Own addresses are the
// kernel's local routes. A lost event (ENOBUFS) is answered with a full dump.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "resolve/facts.h"

namespace nodewall::engine {

class InterfaceMonitor {
 public:
  static Result<InterfaceMonitor> open();
  InterfaceMonitor(InterfaceMonitor&&) noexcept;
  InterfaceMonitor& operator=(InterfaceMonitor&&) noexcept;
  ~InterfaceMonitor();

  [[nodiscard]] int fd() const;     // readable when something may have changed
  Result<bool> read_events();       // drains; true when interfaces() changed
  Status refresh();                 // full dump
  [[nodiscard]] const std::vector<resolve::InterfaceFacts>& interfaces() const;  // by name

 private:
  struct State;
  explicit InterfaceMonitor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nodewall::engine
