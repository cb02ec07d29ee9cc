// Resolver: resolve() for policies that follow each other, where a small change costs little.
//
// It remembers what it made last: for each selector the lists of networks that it stood for and their normal form, for each chunk of
// rules the resolved ones, the sets that they look at and what was said about them. What did not change since is used again, shared
// with the Resolved before. The answer is that of resolve() whatever came before, to the number of a set.
#pragma once

#include <memory>

#include "resolve/endpoint_policy.h"

namespace nodewall::resolve {

class Resolver {
 public:
  Resolver();
  Resolver(Resolver&&) noexcept;
  Resolver& operator=(Resolver&&) noexcept;
  ~Resolver();

  Resolved resolve(const model::ResourceSet& resources, const NodeFacts& facts);

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace nodewall::resolve
