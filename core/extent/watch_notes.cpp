// SPDX-License-Identifier: Apache-2.0
#include "core/extent/watch_notes.hpp"

namespace foreshift {

watch_notes::watch_notes(extent_records& records, std::uint64_t volume, std::uint32_t extents)
    : records_(records), volume_(volume), extents_(extents) {
  // nop
}

/// Nothing is known to be in every set any more: the next change of each extent looks closely.
void watch_notes::renew() {
  ++generation_;
  auto words = (std::size_t{extents_} + 63) / 64;
  if (!sets_.empty() && !noted_)
    noted_ = std::make_unique<std::atomic<std::uint64_t>[]>(words);
  for (std::size_t i = 0; noted_ && i < words; ++i)
    noted_[i].store(0);
  watching_.store(!sets_.empty());
}

result<void> watch_notes::load() {
  auto found = records_.watches(volume_);
  if (!found)
    return found.error();
  std::lock_guard lock(mutex_);
  for (auto& [since, extents] : *found)
    if (extents.isEmpty() || extents.maximum() < extents_)
      sets_[since] = std::move(extents);
  renew();
  return {};
}

result<void> watch_notes::watch(std::uint64_t since) {
  if (since == 0)
    return fault{errc::invalid, "a watch begins at a map version"};
  std::lock_guard changes(sets_changes_);
  {
    std::lock_guard lock(mutex_);
    if (sets_.count(since) != 0)
      return {};
  }
  if (auto ok = records_.put_watch(volume_, since); !ok)
    return ok;
  std::lock_guard lock(mutex_);
  sets_[since];
  renew();
  return {};
}

result<void> watch_notes::unwatch(std::uint64_t since) {
  std::lock_guard changes(sets_changes_);
  {
    std::lock_guard lock(mutex_);
    if (sets_.erase(since) == 0)
      return {};
    renew();
  }
  return records_.erase_watch(volume_, since);
}

std::optional<roaring::Roaring> watch_notes::changed(std::uint64_t since) const {
  std::lock_guard lock(mutex_);
  auto found = sets_.find(since);
  return found == sets_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::uint64_t> watch_notes::watches() const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> out;
  for (const auto& [since, extents] : sets_)
    out.push_back(since);
  return out;
}

result<void> watch_notes::note_watched(std::uint32_t extent) {
  auto& word = noted_[extent / 64];
  auto bit = std::uint64_t{1} << (extent % 64);
  while ((word.load(std::memory_order_acquire) & bit) == 0) {
    std::vector<std::uint64_t> missing;
    std::uint64_t generation = 0;
    {
      std::lock_guard lock(mutex_);
      generation = generation_;
      for (const auto& [since, extents] : sets_)
        if (!extents.contains(extent))
          missing.push_back(since);
      if (missing.empty()) {
        word.fetch_or(bit);
        return {};
      }
    }
    // Without the lock: writes to several extents share a sync of the database.
    if (auto ok = records_.put_notes(volume_, missing, extent); !ok)
      return ok;
    std::lock_guard lock(mutex_);
    for (auto since : missing)
      if (auto found = sets_.find(since); found != sets_.end())
        found->second.add(extent);
    // A set that began meanwhile lacks it: look again.
    if (generation == generation_)
      word.fetch_or(bit);
  }
  return {};
}

} // namespace foreshift
