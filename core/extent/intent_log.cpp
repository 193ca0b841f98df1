// SPDX-License-Identifier: Apache-2.0
#include "core/extent/intent_log.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <thread>

namespace foreshift {

namespace {

constexpr std::uint32_t slots_of_a_word = 64;

} // namespace

intent_log::intent_log(std::unique_ptr<disk_file> file, std::span<std::byte> mapped,
                       std::uint64_t boot)
    : file_(std::move(file)), slots_(reinterpret_cast<slot*>(mapped.data())), boot_(boot),
      used_(mapped.size() / sizeof(slot) / slots_of_a_word),
      free_(static_cast<std::ptrdiff_t>(mapped.size() / sizeof(slot))) {
  for (std::uint32_t i = 0; i < mapped.size() / sizeof(slot); ++i) {
    // After a power loss data and checksum may each be old or new, and the slot too: to take the
    // checksum from the data then could call a torn block good.
    if (slots_[i].a != 0 && slots_[i].boot != boot_)
      slots_[i].a = 0;
    if (slots_[i].a == 0)
      continue;
    leftover_.push_back({slots_[i].a, slots_[i].b, slots_[i].c});
    leftover_slots_.push_back(i);
    used_[i / slots_of_a_word] |= 1ull << (i % slots_of_a_word);
    free_.acquire(); // never blocks: there are as many as slots
  }
}

result<std::unique_ptr<intent_log>> intent_log::open(disk_io& disk, const std::string& path,
                                                     std::uint32_t slots_min) {
  auto file = disk.open(path, disk_io::open_mode::create);
  if (!file)
    return file.error();
  auto had = (*file)->size();
  if (!had)
    return had.error();
  constexpr auto word_bytes = sizeof(slot) * slots_of_a_word;
  auto wanted = std::max<std::uint64_t>(*had, std::max(slots_min, 1u) * sizeof(slot));
  auto size = (wanted + word_bytes - 1) / word_bytes * word_bytes;
  if (auto ok = (*file)->resize(size); !ok)
    return ok.error();
  if (auto ok = (*file)->allocate(0, size); !ok)
    return ok.error();
  auto mapped = (*file)->map(size);
  if (!mapped)
    return mapped.error();
  auto boot = disk.boot_id();
  if (!boot)
    return boot.error();
  auto named = XXH3_64bits(boot->data(), boot->size());
  return std::unique_ptr<intent_log>(new intent_log(std::move(*file), *mapped, named));
}

void intent_log::settle() {
  for (auto index : leftover_slots_)
    release(index);
  leftover_slots_.clear();
  leftover_.clear();
}

intent_log::claim intent_log::begin(const intent& what) {
  FORESHIFT_ENSURE(what.a != 0);
  free_.acquire();
  // Threads start at different words, so that they rarely share a cache line.
  auto start = std::hash<std::thread::id>{}(std::this_thread::get_id());
  for (auto word = start % used_.size();; word = (word + 1) % used_.size()) {
    auto seen = used_[word].load();
    while (seen != ~0ull) {
      auto bit = static_cast<std::uint32_t>(std::countr_one(seen));
      if (!used_[word].compare_exchange_weak(seen, seen | 1ull << bit))
        continue;
      auto index = static_cast<std::uint32_t>(word) * slots_of_a_word + bit;
      auto& at = slots_[index];
      at.b = what.b;
      at.c = what.c;
      at.boot = boot_;
      std::atomic_ref(at.a).store(what.a);
      return {*this, index};
    }
  }
}

void intent_log::release(std::uint32_t index) noexcept {
  std::atomic_ref(slots_[index].a).store(0);
  used_[index / slots_of_a_word].fetch_and(~(1ull << (index % slots_of_a_word)));
  free_.release();
}

} // namespace foreshift
