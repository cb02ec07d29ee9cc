// CidrList: a list of networks that never changes, in chunks that lists share.
//
// A list that differs from another in a member shares all chunks but one with it: it is made, copied and compared without a look at
// the others. So a set of a million members that gets one more costs microseconds. Chunks are shared by pointer (shared_ptr: lists of
// two policies, the one in force and the next, have them in common, and neither outlives the other for sure).
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "base/ip.h"

namespace nodewall {

class CidrList {
  using Chunk = std::vector<Cidr>;  // never empty
  struct Body {
    std::vector<std::shared_ptr<const Chunk>> chunks;
    std::size_t size = 0;
  };

 public:
  using value_type = Cidr;

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Cidr;
    using difference_type = std::ptrdiff_t;
    using pointer = const Cidr*;
    using reference = const Cidr&;

    const_iterator() = default;
    reference operator*() const { return (*body_->chunks[chunk_])[at_]; }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      if (++at_ == body_->chunks[chunk_]->size()) {
        ++chunk_;
        at_ = 0;
      }
      return *this;
    }
    const_iterator operator++(int) {
      auto before = *this;
      ++*this;
      return before;
    }
    bool operator==(const const_iterator&) const = default;

   private:
    friend class CidrList;
    const_iterator(const Body* body, std::size_t chunk) : body_(body), chunk_(chunk) {}
    const Body* body_ = nullptr;
    std::size_t chunk_ = 0, at_ = 0;
  };

  CidrList() = default;
  CidrList(std::initializer_list<Cidr> members) : CidrList(std::vector<Cidr>(members)) {}
  CidrList(std::vector<Cidr> members);  // NOLINT(google-explicit-constructor): a vector is a list

  [[nodiscard]] std::size_t size() const { return body_ ? body_->size : 0; }
  [[nodiscard]] bool empty() const { return !body_; }
  [[nodiscard]] const_iterator begin() const { return {body_.get(), 0}; }
  [[nodiscard]] const_iterator end() const { return {body_.get(), body_ ? body_->chunks.size() : 0}; }
  [[nodiscard]] const Cidr& operator[](std::size_t index) const;

  // Only of sorted lists: the list with the member, or without it.
  [[nodiscard]] CidrList with(const Cidr& member) const;
  [[nodiscard]] CidrList without(const Cidr& member) const;         // once, if it has it several times
  [[nodiscard]] CidrList with_another(const Cidr& member) const;    // once more, if it has it
  [[nodiscard]] const Cidr* at_or_after(const Cidr& member) const;  // the first that is not less; null: none
  [[nodiscard]] const Cidr* after(const Cidr& member) const;        // the first that is greater; null: none

  friend bool operator==(const CidrList& a, const CidrList& b);
  friend std::optional<struct CidrDifference> difference(const CidrList& before, const CidrList& after, std::size_t most);

 private:
  // Goes on behind a chunk that both lists have, if both are at its beginning.
  static bool skip_shared(const_iterator& a, const_iterator& b);
  [[nodiscard]] std::size_t chunk_of(const Cidr& member) const;
  [[nodiscard]] CidrList with_chunk(std::size_t chunk, Chunk content) const;

  std::shared_ptr<const Body> body_;  // null: no members
};

struct CidrDifference {
  std::vector<Cidr> gone, fresh;  // sorted
};
// What distinguishes two sorted lists; nothing: more than `most` members. Chunks that both have are not looked at.
std::optional<CidrDifference> difference(const CidrList& before, const CidrList& after, std::size_t most);

}  // namespace nodewall
