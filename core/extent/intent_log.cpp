// SPDX-License-Identifier: Apache-2.0
#include "core/extent/intent_log.hpp"

#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <thread>

namespace foreshift {

namespace {

constexpr std::uint32_t slots_of_a_word = 64;

} // namespace

intent_log::intent_log(mapped_file file, std::uint32_t slots)
    : file_(std::move(file)), slots_(reinterpret_cast<slot*>(file_.bytes().data())),
      used_(slots / slots_of_a_word), free_(slots) {
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (slots_[i].a == 0)
      continue;
    leftover_.push_back({slots_[i].a, slots_[i].b, slots_[i].c});
    leftover_slots_.push_back(i);
    used_[i / slots_of_a_word] |= 1ull << (i % slots_of_a_word);
    free_.acquire(); // never blocks: there are as many as slots
  }
}

result<std::unique_ptr<intent_log>> intent_log::open(const std::string& path,
                                                     std::uint32_t slots_min) {
  auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!fd)
    return fd.error();
  auto had = file_bytes(fd->get(), path);
  if (!had)
    return had.error();
  constexpr auto word_bytes = sizeof(slot) * slots_of_a_word;
  auto wanted = std::max<std::uint64_t>(*had, std::max(slots_min, 1u) * sizeof(slot));
  auto size = (wanted + word_bytes - 1) / word_bytes * word_bytes;
  if (auto ok = resize_file(fd->get(), size, path); !ok)
    return ok.error();
  if (auto ok = allocate_range(fd->get(), 0, size, path); !ok)
    return ok.error();
  auto file = mapped_file::map(std::move(*fd), size, path);
  if (!file)
    return file.error();
  auto slots = static_cast<std::uint32_t>(size / sizeof(slot));
  return std::unique_ptr<intent_log>(new intent_log(std::move(*file), slots));
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
