// SPDX-License-Identifier: Apache-2.0
#include "core/volume/write_intents.hpp"

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
    : file_(std::move(file)), records_(records), taken_(new std::atomic<bool>[slots]) {
  for (std::uint32_t i = 0; i < slots; ++i) {
    bool left = records_[i].volume.load() != 0;
    taken_[i].store(left);
    used_ += left ? 1 : 0;
    if (left)
      left_.push_back(i);
  }
}

bool write_intents::claim(std::uint32_t slot) {
  return !taken_[slot].load(std::memory_order_relaxed) && !taken_[slot].exchange(true);
}

std::uint32_t write_intents::begin(std::uint64_t volume, std::uint64_t offset,
                                   std::uint64_t length) {
  for (std::uint32_t tries = 1;; ++tries) {
    auto slot = next_.fetch_add(1, std::memory_order_relaxed) % slots;
    if (claim(slot)) {
      auto& mine = records_[slot];
      used_.fetch_add(1);
      mine.offset.store(offset, std::memory_order_relaxed);
      mine.length.store(length, std::memory_order_relaxed);
      mine.volume.store(volume, std::memory_order_release);
      return slot;
    }
    if (tries % slots == 0)
      std::this_thread::yield();
  }
}

void write_intents::end(std::uint32_t slot) {
  records_[slot].volume.store(0, std::memory_order_release);
  taken_[slot].store(false, std::memory_order_release);
  used_.fetch_sub(1);
}

std::vector<write_intent> write_intents::of(std::uint64_t volume) const {
  std::vector<write_intent> out;
  if (empty())
    return out;
  for (std::uint32_t i = 0; i < slots; ++i)
    if (records_[i].volume.load(std::memory_order_acquire) == volume)
      out.push_back({volume, records_[i].offset.load(), records_[i].length.load(), i});
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
