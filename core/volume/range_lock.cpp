// SPDX-License-Identifier: Apache-2.0
#include "core/volume/range_lock.hpp"

#include "core/extent/extent_store.hpp"

#include <algorithm>
#include <utility>

namespace foreshift {

namespace {

byte_range widen(byte_range x) {
  constexpr std::uint64_t mask = block_bytes - 1;
  return {x.begin & ~mask, (x.end + mask) & ~mask};
}

bool overlap(const byte_range& x, const byte_range& y) {
  return x.begin < y.end && y.begin < x.end;
}

} // namespace

range_lock::guard::guard(guard&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), ticket_(other.ticket_) {}

range_lock::guard::~guard() {
  if (owner_ != nullptr)
    owner_->release(ticket_);
}

range_lock::guard range_lock::acquire(std::uint64_t offset, std::uint64_t length) {
  byte_range one{offset, offset + length};
  return enter(&one, 1);
}

range_lock::guard range_lock::acquire(const std::vector<byte_range>& ranges) {
  return enter(ranges.data(), ranges.size());
}

std::optional<range_lock::guard> range_lock::acquire_within(const std::vector<byte_range>& ranges,
                                                            std::chrono::milliseconds patience) {
  std::unique_lock lock{mutex_};
  auto ticket = queue(ranges.data(), ranges.size());
  ++waiting_;
  bool mine = released_.wait_for(lock, patience, [&] { return !blocked(ticket); });
  --waiting_;
  if (mine)
    return guard{this, ticket};
  drop(ticket);
  return std::nullopt;
}

std::uint64_t range_lock::queue(const byte_range* ranges, std::size_t count) {
  auto ticket = ++tickets_;
  for (std::size_t i = 0; i < count; ++i)
    entries_.push_back({ticket, widen(ranges[i])});
  return ticket;
}

range_lock::guard range_lock::enter(const byte_range* ranges, std::size_t count) {
  std::unique_lock lock{mutex_};
  auto ticket = queue(ranges, count);
  if (blocked(ticket)) {
    ++waiting_;
    released_.wait(lock, [&] { return !blocked(ticket); });
    --waiting_;
  }
  return guard{this, ticket};
}

bool range_lock::blocked(std::uint64_t ticket) const {
  auto mine = std::lower_bound(entries_.begin(), entries_.end(), ticket,
                               [](const entry& x, std::uint64_t t) { return x.ticket < t; });
  for (auto own = mine; own != entries_.end() && own->ticket == ticket; ++own)
    for (auto earlier = entries_.begin(); earlier != mine; ++earlier)
      if (overlap(own->range, earlier->range))
        return true;
  return false;
}

void range_lock::release(std::uint64_t ticket) {
  std::lock_guard lock{mutex_};
  drop(ticket);
}

void range_lock::drop(std::uint64_t ticket) {
  std::erase_if(entries_, [&](const entry& x) { return x.ticket == ticket; });
  if (waiting_ > 0)
    released_.notify_all();
}

} // namespace foreshift
