// The memory of a mmapable array map. Not for other rooms.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/error.h"
#include "base/result.h"

namespace nodewall::kernel {

class Mapped {
 public:
  static Result<Mapped> read_only(int map, std::size_t bytes) { return make(map, bytes, PROT_READ); }
  static Result<Mapped> writable(int map, std::size_t bytes) { return make(map, bytes, PROT_READ | PROT_WRITE); }
  Mapped(Mapped&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
  }

  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  Mapped(void* memory, std::size_t bytes) : memory_(memory), bytes_(bytes) {}
  static Result<Mapped> make(int map, std::size_t bytes, int protection) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes = (bytes + page - 1) / page * page;
    void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) return fail(errno_error("map the memory of a map", errno));
    return Mapped(memory, bytes);
  }

  void* memory_;
  std::size_t bytes_;
};

}  // namespace nodewall::kernel
