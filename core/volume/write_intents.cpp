// SPDX-License-Identifier: Apache-2.0
#include "core/volume/write_intents.hpp"

#include <bit>
#include <thread>
#include <utility>

namespace foreshift {

result<std::unique_ptr<write_intents>> write_intents::open(const std::string& path, disk_io& disk) {
  constexpr auto bytes = sizeof(record) * slots;
  auto file = disk.open(path, disk_io::open_mode::create);
  if (!file)
    return file.error();
  if (auto ok = (*file)->resize(bytes); !ok)
    return ok.error();
  // Allocated, not sparse: a full disk must show now and not as a bus error later.
  if (auto ok = (*file)->allocate(0, bytes); !ok)
    return ok.error();
  auto mapped = (*file)->map(bytes);
  if (!mapped)
    return mapped.error();
  auto* records = reinterpret_cast<record*>(mapped->data());
  return std::unique_ptr<write_intents>{new write_intents{std::move(*file), records}};
}

write_intents::write_intents(std::unique_ptr<disk_file> file, record* records)
    : file_(std::move(file)), records_(records) {
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (records_[i].volume.load() == 0)
      continue;
    taken_[i / 64] |= 1ull << (i % 64);
    ++used_;
    left_.push_back(i);
  }
}

std::uint32_t write_intents::claim() {
  auto start = next_.fetch_add(1, std::memory_order_relaxed) % taken_.size();
  for (auto word = start;; word = (word + 1) % taken_.size()) {
    auto seen = taken_[word].load(std::memory_order_relaxed);
    while (seen != ~0ull) {
      auto bit = static_cast<std::uint32_t>(std::countr_one(seen));
      if (taken_[word].compare_exchange_weak(seen, seen | 1ull << bit))
        return static_cast<std::uint32_t>(word) * 64 + bit;
    }
    if ((word + 1) % taken_.size() == start)
      std::this_thread::yield();
  }
}

std::uint32_t write_intents::begin(std::uint64_t volume, std::uint64_t offset,
                                   std::uint64_t length) {
  auto slot = claim();
  auto& mine = records_[slot];
  used_.fetch_add(1);
  mine.offset.store(offset, std::memory_order_relaxed);
  mine.length.store(length, std::memory_order_relaxed);
  mine.volume.store(volume, std::memory_order_release);
  return slot;
}

void write_intents::end(std::uint32_t slot) {
  records_[slot].volume.store(0, std::memory_order_release);
  taken_[slot / 64].fetch_and(~(1ull << (slot % 64)), std::memory_order_release);
  used_.fetch_sub(1);
}

template <class F>
bool write_intents::any(F&& see) const {
  if (empty())
    return false;
  for (std::uint32_t word = 0; word < taken_.size(); ++word)
    for (auto left = taken_[word].load(std::memory_order_acquire); left != 0; left &= left - 1)
      if (see(word * 64 + static_cast<std::uint32_t>(std::countr_zero(left))))
        return true;
  return false;
}

bool write_intents::overlaps(std::uint64_t volume, std::uint64_t offset,
                             std::uint64_t length) const {
  return any([&](std::uint32_t slot) {
    const auto& noted = records_[slot];
    if (noted.volume.load(std::memory_order_acquire) != volume)
      return false;
    auto from = noted.offset.load(std::memory_order_relaxed);
    return from < offset + length && offset < from + noted.length.load(std::memory_order_relaxed);
  });
}

std::vector<write_intent> write_intents::of(std::uint64_t volume) const {
  std::vector<write_intent> out;
  any([&](std::uint32_t slot) {
    if (records_[slot].volume.load(std::memory_order_acquire) == volume)
      out.push_back({volume, records_[slot].offset.load(), records_[slot].length.load(), slot});
    return false;
  });
  return out;
}

void write_intents::clear_left(std::uint64_t volume) {
  std::lock_guard lock{left_mutex_};
  std::erase_if(left_, [&](std::uint32_t slot) {
    if (records_[slot].volume.load(std::memory_order_acquire) != volume)
      return false;
    end(slot);
    return true;
  });
}

} // namespace foreshift
