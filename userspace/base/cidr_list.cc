#include "base/cidr_list.h"

#include <algorithm>
#include <utility>

namespace nodewall {
namespace {

constexpr std::size_t kChunk = 2048;  // members; a list of a million has 500 chunks

}  // namespace

CidrList::CidrList(std::vector<Cidr> members) {
  if (members.empty()) return;
  auto body = std::make_shared<Body>();
  body->size = members.size();
  if (members.size() <= kChunk) {
    body->chunks.push_back(std::make_shared<const Chunk>(std::move(members)));
  } else {
    for (std::size_t at = 0; at < members.size(); at += kChunk) {
      const auto first = members.begin() + static_cast<std::ptrdiff_t>(at);
      const auto last = members.begin() + static_cast<std::ptrdiff_t>(std::min(at + kChunk, members.size()));
      body->chunks.push_back(std::make_shared<const Chunk>(first, last));
    }
  }
  body_ = std::move(body);
}

const Cidr& CidrList::operator[](std::size_t index) const {
  std::size_t chunk = 0;
  for (; index >= body_->chunks[chunk]->size(); ++chunk) index -= body_->chunks[chunk]->size();
  return (*body_->chunks[chunk])[index];
}

// The chunk that a member is in, if any is.
std::size_t CidrList::chunk_of(const Cidr& member) const {
  const auto& chunks = body_->chunks;
  const auto after = std::ranges::upper_bound(chunks, member, {}, [](const auto& chunk) { return chunk->front(); });
  return after == chunks.begin() ? 0 : static_cast<std::size_t>(after - chunks.begin()) - 1;
}

CidrList CidrList::with_chunk(std::size_t chunk, Chunk content) const {
  auto body = std::make_shared<Body>(*body_);
  body->size = body_->size - body_->chunks[chunk]->size() + content.size();
  const auto place = body->chunks.begin() + static_cast<std::ptrdiff_t>(chunk);
  if (content.empty()) {
    body->chunks.erase(place);
  } else if (content.size() > 2 * kChunk) {
    const auto half = content.begin() + kChunk;
    *place = std::make_shared<const Chunk>(content.begin(), half);
    body->chunks.insert(body->chunks.begin() + static_cast<std::ptrdiff_t>(chunk) + 1, std::make_shared<const Chunk>(half, content.end()));
  } else {
    *place = std::make_shared<const Chunk>(std::move(content));
  }
  CidrList made;
  if (body->size > 0) made.body_ = std::move(body);
  return made;
}

CidrList CidrList::with(const Cidr& member) const {
  if (!body_) return {member};
  const auto chunk = chunk_of(member);
  auto content = *body_->chunks[chunk];
  const auto place = std::ranges::lower_bound(content, member);
  if (place != content.end() && *place == member) return *this;
  content.insert(place, member);
  return with_chunk(chunk, std::move(content));
}

CidrList CidrList::with_another(const Cidr& member) const {
  if (!body_) return {member};
  const auto chunk = chunk_of(member);
  auto content = *body_->chunks[chunk];
  content.insert(std::ranges::lower_bound(content, member), member);
  return with_chunk(chunk, std::move(content));
}

CidrList CidrList::without(const Cidr& member) const {
  if (!body_) return {};
  const auto chunk = chunk_of(member);
  auto content = *body_->chunks[chunk];
  const auto place = std::ranges::lower_bound(content, member);
  if (place == content.end() || *place != member) return *this;
  content.erase(place);
  return with_chunk(chunk, std::move(content));
}

const Cidr* CidrList::at_or_after(const Cidr& member) const {
  if (!body_) return nullptr;
  const auto chunk = chunk_of(member);
  const auto& content = *body_->chunks[chunk];
  const auto place = std::ranges::lower_bound(content, member);
  if (place != content.end()) return &*place;
  return chunk + 1 < body_->chunks.size() ? &body_->chunks[chunk + 1]->front() : nullptr;
}

const Cidr* CidrList::after(const Cidr& member) const {
  if (!body_) return nullptr;
  const auto chunk = chunk_of(member);
  const auto& content = *body_->chunks[chunk];
  const auto place = std::ranges::upper_bound(content, member);
  if (place != content.end()) return &*place;
  return chunk + 1 < body_->chunks.size() ? &body_->chunks[chunk + 1]->front() : nullptr;
}

bool CidrList::skip_shared(const_iterator& a, const_iterator& b) {
  if (a.at_ != 0 || b.at_ != 0 || a.body_->chunks[a.chunk_] != b.body_->chunks[b.chunk_]) return false;
  ++a.chunk_;
  ++b.chunk_;
  return true;
}

bool operator==(const CidrList& a, const CidrList& b) {
  if (a.body_ == b.body_) return true;
  if (a.size() != b.size()) return false;
  auto left = a.begin(), right = b.begin();
  while (left != a.end()) {
    if (CidrList::skip_shared(left, right)) continue;
    if (*left != *right) return false;
    ++left;
    ++right;
  }
  return true;
}

std::optional<CidrDifference> difference(const CidrList& before, const CidrList& after, std::size_t most) {
  CidrDifference found;
  auto old = before.begin(), fresh = after.begin();
  while (old != before.end() || fresh != after.end()) {
    if (found.gone.size() + found.fresh.size() > most) return std::nullopt;
    if (old == before.end()) {
      found.fresh.push_back(*fresh++);
    } else if (fresh == after.end()) {
      found.gone.push_back(*old++);
    } else if (CidrList::skip_shared(old, fresh)) {
      continue;
    } else if (*old == *fresh) {
      ++old;
      ++fresh;
    } else if (*old < *fresh) {
      found.gone.push_back(*old++);
    } else {
      found.fresh.push_back(*fresh++);
    }
  }
  if (found.gone.size() + found.fresh.size() > most) return std::nullopt;
  return found;
}

}  // namespace nodewall
