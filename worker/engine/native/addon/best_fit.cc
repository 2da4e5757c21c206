#include "best_fit.h"

#include <algorithm>
#include <iterator>

namespace hayate {
namespace {

constexpr size_t kLargeBytes = 4 << 20;

}  // namespace

size_t BestFit::Take(size_t bytes) {
  bytes = std::max(bytes, size_t{1});
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  size_t start = end_;
  const auto fitting = by_size_.lower_bound({bytes, 0});
  if (fitting == by_size_.end()) {
    end_ += bytes;
  } else {
    const auto [room, front] = *fitting;
    const size_t rest = room - bytes;
    RemoveGap(gaps_.find(front));
    start = bytes < kLargeBytes ? front + rest : front;
    if (rest > 0) AddGap(start == front ? front + bytes : front, rest);
  }
  buffers_.emplace(start, bytes);
  bytes_ += bytes;
  return start;
}

void BestFit::Give(size_t start) {
  const auto buffer = buffers_.find(start);
  if (buffer == buffers_.end()) return;
  const size_t given = buffer->second;
  buffers_.erase(buffer);
  bytes_ -= given;
  size_t from = start, to = start + given;
  const auto after = gaps_.lower_bound(start);
  if (after != gaps_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == from) {
      from = before->first;
      RemoveGap(before);
    }
  }
  if (after != gaps_.end() && after->first == to) {
    to += after->second;
    RemoveGap(after);
  }
  if (to == end_) {
    end_ = from;
  } else {
    AddGap(from, to - from);
  }
}

void BestFit::AddGap(size_t start, size_t bytes) {
  gaps_.emplace(start, bytes);
  by_size_.emplace(bytes, start);
}

void BestFit::RemoveGap(std::map<size_t, size_t>::iterator gap) {
  by_size_.erase({gap->second, gap->first});
  gaps_.erase(gap);
}

}  // namespace hayate
