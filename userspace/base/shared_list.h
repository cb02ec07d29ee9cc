// SharedList: a list in chunks that copies of it share. It is used as a vector is; a copy costs a pointer a chunk, and what is
// changed in one of them is not changed in the other.
//
// So lists of many rules or networks are kept, copied and compared at little cost: two that were one are looked at where they differ
// only. Chunks are shared by pointer (shared_ptr: none of the lists outlives the others for sure).
//
//   list A   [chunk 0] [chunk 1] [chunk 2]
//   list B       '---------'     [chunk 2']     B = A; B[5000] = ...
//
// A reference to a member that is not const may be written through later. From then on its chunk belongs to this list alone: copies get
// a chunk of their own each time. So read a list that is not const by std::as_const, and change a member by set(). Changing the length of
// a list makes all references and iterators into it invalid. Lists that share chunks may be used in several threads, one list not.
#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace nodewall {

template <typename T>
class SharedList {
  struct Chunk {
    std::vector<T> values;  // never empty
    bool exposed = false;   // somebody may have a reference to write through: shared with nobody
  };
  struct Part {
    std::shared_ptr<Chunk> chunk;
    std::size_t first = 0;  // number of its first member in the list
  };

 public:
  // Members of a chunk that the list makes by itself.
  static constexpr std::size_t kChunk = std::clamp<std::size_t>(49152 / sizeof(T), 64, 2048);

  template <bool kConst>
  class Iterator {
    using List = std::conditional_t<kConst, const SharedList, SharedList>;

   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = std::conditional_t<kConst, const T&, T&>;
    using pointer = std::conditional_t<kConst, const T*, T*>;

    Iterator() = default;
    Iterator(List* list, std::size_t index) : list_(list) { go_to(index); }
    operator Iterator<true>() const { return {list_, index()}; }  // NOLINT(google-explicit-constructor): as a vector's

    reference operator*() const {
      if constexpr (kConst) return list_->parts_[part_].chunk->values[at_];
      else return list_->exposed(part_)[at_];
    }
    pointer operator->() const { return &**this; }
    reference operator[](difference_type n) const { return *(*this + n); }
    Iterator& operator++() {
      if (++at_ == list_->parts_[part_].chunk->values.size()) {
        ++part_;
        at_ = 0;
      }
      return *this;
    }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return std::exchange(*this, *this + 1); }
    Iterator operator--(int) { return std::exchange(*this, *this - 1); }
    Iterator& operator+=(difference_type n) {
      go_to(static_cast<std::size_t>(static_cast<difference_type>(index()) + n));
      return *this;
    }
    Iterator& operator-=(difference_type n) { return *this += -n; }
    friend Iterator operator+(Iterator it, difference_type n) { return it += n; }
    friend Iterator operator+(difference_type n, Iterator it) { return it += n; }
    friend Iterator operator-(Iterator it, difference_type n) { return it -= n; }
    friend difference_type operator-(const Iterator& a, const Iterator& b) {
      return static_cast<difference_type>(a.index()) - static_cast<difference_type>(b.index());
    }
    bool operator==(const Iterator& other) const { return part_ == other.part_ && at_ == other.at_; }
    auto operator<=>(const Iterator& other) const { return std::pair(part_, at_) <=> std::pair(other.part_, other.at_); }

   private:
    friend class SharedList;
    [[nodiscard]] std::size_t index() const {
      if (list_ == nullptr) return 0;
      return part_ == list_->parts_.size() ? list_->size() : list_->parts_[part_].first + at_;
    }
    void go_to(std::size_t index) { std::tie(part_, at_) = list_->place_of(index); }

    List* list_ = nullptr;
    std::size_t part_ = 0, at_ = 0;
  };
  using value_type = T;
  using iterator = Iterator<false>;
  using const_iterator = Iterator<true>;

  SharedList() = default;
  SharedList(std::vector<T> values) {  // NOLINT(google-explicit-constructor): a vector is a list
    if (values.size() <= kChunk) {
      if (!values.empty()) add_part(std::make_shared<Chunk>(Chunk{.values = std::move(values)}));
      return;
    }
    for (std::size_t at = 0; at < values.size(); at += kChunk) {
      const auto first = std::make_move_iterator(values.begin() + static_cast<std::ptrdiff_t>(at));
      add_part(std::make_shared<Chunk>(Chunk{.values = {first, first + static_cast<std::ptrdiff_t>(std::min(kChunk, values.size() - at))}}));
    }
  }
  SharedList(std::initializer_list<T> values) : SharedList(std::vector<T>(values)) {}
  template <std::input_iterator It>
  SharedList(It first, It last) : SharedList(std::vector<T>(first, last)) {}
  SharedList(const SharedList& other) { append(other); }
  SharedList(SharedList&&) noexcept = default;
  SharedList& operator=(const SharedList& other) {
    if (this != &other) *this = SharedList(other);
    return *this;
  }
  SharedList& operator=(SharedList&&) noexcept = default;
  ~SharedList() = default;

  [[nodiscard]] std::size_t size() const { return parts_.empty() ? 0 : parts_.back().first + parts_.back().chunk->values.size(); }
  [[nodiscard]] bool empty() const { return parts_.empty(); }
  [[nodiscard]] const_iterator begin() const { return {this, 0}; }
  [[nodiscard]] const_iterator end() const { return {this, size()}; }
  [[nodiscard]] iterator begin() { return {this, 0}; }
  [[nodiscard]] iterator end() { return {this, size()}; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return *const_iterator(this, index); }
  [[nodiscard]] T& operator[](std::size_t index) { return *iterator(this, index); }
  [[nodiscard]] const T& front() const { return (*this)[0]; }
  [[nodiscard]] T& front() { return (*this)[0]; }
  [[nodiscard]] const T& back() const { return parts_.back().chunk->values.back(); }
  [[nodiscard]] T& back() { return (*this)[size() - 1]; }

  void clear() { parts_.clear(); }
  void set(std::size_t index, T value) {
    const auto [part, at] = place_of(index);
    own(part)[at] = std::move(value);
  }
  void push_back(T value) {
    if (parts_.empty() || parts_.back().chunk->values.size() >= kChunk) add_part(std::make_shared<Chunk>(Chunk{.values = {std::move(value)}}));
    else own(parts_.size() - 1).push_back(std::move(value));
  }
  // Shares the other list's chunks.
  void append(const SharedList& other) {
    parts_.reserve(parts_.size() + other.parts_.size());
    for (const auto& part : other.parts_)
      add_part(part.chunk->exposed ? std::make_shared<Chunk>(Chunk{.values = part.chunk->values}) : part.chunk);
  }
  iterator insert(const_iterator before, T value) {
    const auto index = before.index();
    if (before.part_ == parts_.size()) {
      push_back(std::move(value));
      return {this, index};
    }
    auto& values = own(before.part_);
    values.insert(values.begin() + static_cast<std::ptrdiff_t>(before.at_), std::move(value));
    if (values.size() > 2 * kChunk) split(before.part_);
    number(before.part_);
    return {this, index};
  }
  template <std::input_iterator It>
  iterator insert(const_iterator before, It first, It last) {
    const auto index = before.index();
    for (auto at = index; first != last; ++first) insert(const_iterator(this, at++), *first);
    return {this, index};
  }
  iterator erase(const_iterator place) {
    const auto index = place.index();
    auto& values = own(place.part_);
    values.erase(values.begin() + static_cast<std::ptrdiff_t>(place.at_));
    if (values.empty()) parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(place.part_));
    number(place.part_);
    return {this, index};
  }

  // The chunks one by one. One that two lists have in common has the same address in both, as long as both live.
  [[nodiscard]] std::size_t chunks() const { return parts_.size(); }
  [[nodiscard]] const std::vector<T>& chunk(std::size_t number) const { return parts_[number].chunk->values; }
  [[nodiscard]] std::size_t first_of_chunk(std::size_t number) const { return parts_[number].first; }

  friend bool operator==(const SharedList& a, const SharedList& b) {
    if (a.size() != b.size()) return false;
    std::size_t left = 0, right = 0;  // within the first chunks that are not compared yet
    for (std::size_t i = 0, j = 0; i < a.chunks() && j < b.chunks();) {
      const auto &x = a.chunk(i), &y = b.chunk(j);
      const auto count = std::min(x.size() - left, y.size() - right);
      const bool shared = &x == &y && left == right;
      if (!shared && !std::equal(x.begin() + static_cast<std::ptrdiff_t>(left), x.begin() + static_cast<std::ptrdiff_t>(left + count),
                                 y.begin() + static_cast<std::ptrdiff_t>(right)))
        return false;
      left += count;
      right += count;
      if (left == x.size()) ++i, left = 0;
      if (right == y.size()) ++j, right = 0;
    }
    return true;
  }

 private:
  void add_part(std::shared_ptr<Chunk> chunk) {
    const auto first = size();
    parts_.push_back({std::move(chunk), first});
  }
  void number(std::size_t from) {
    for (auto i = from; i < parts_.size(); ++i)
      parts_[i].first = i == 0 ? 0 : parts_[i - 1].first + parts_[i - 1].chunk->values.size();
  }
  [[nodiscard]] std::pair<std::size_t, std::size_t> place_of(std::size_t index) const {
    if (index >= size()) return {parts_.size(), 0};
    const auto after = std::ranges::upper_bound(parts_, index, {}, &Part::first);
    const auto part = static_cast<std::size_t>(after - parts_.begin()) - 1;
    return {part, index - parts_[part].first};
  }
  // To change it: a chunk that others have is copied first.
  std::vector<T>& own(std::size_t part) {
    auto& chunk = parts_[part].chunk;
    if (chunk.use_count() > 1) chunk = std::make_shared<Chunk>(Chunk{.values = chunk->values});
    std::atomic_thread_fence(std::memory_order_acquire);  // after the last look of another thread's list
    return chunk->values;
  }
  std::vector<T>& exposed(std::size_t part) {
    auto& values = own(part);
    parts_[part].chunk->exposed = true;
    return values;
  }
  void split(std::size_t part) {
    auto& values = parts_[part].chunk->values;
    const auto half = values.begin() + static_cast<std::ptrdiff_t>(kChunk);
    auto rest = std::make_shared<Chunk>(Chunk{.values = {std::make_move_iterator(half), std::make_move_iterator(values.end())}});
    rest->exposed = parts_[part].chunk->exposed;
    values.erase(half, values.end());
    parts_.insert(parts_.begin() + static_cast<std::ptrdiff_t>(part) + 1, {std::move(rest), 0});
  }

  std::vector<Part> parts_;
};

}  // namespace nodewall
