// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

namespace foreshift {

/// Holds the current version of an immutable `View`. Readers pin it at the cost of two atomic
/// read-modify-writes and never wait; a writer installs the next version and may then wait until
/// nobody holds an older one. New readers see the new version at once, also while a writer waits.
template <class View>
class view_cell {
  struct slot;

public:
  /// Keeps the version it was made from in use until it dies.
  class pin {
  public:
    pin(pin&& other) noexcept : cell_(other.cell_), slot_(std::exchange(other.slot_, nullptr)) {}
    pin& operator=(pin&&) = delete;
    ~pin() { release(); }

    const View& operator*() const { return *slot_->view; }
    const View* operator->() const { return slot_->view.get(); }

    /// Stops using the version early.
    void release() {
      if (auto* held = std::exchange(slot_, nullptr))
        cell_->unpin(*held);
    }

  private:
    friend class view_cell;
    pin(view_cell* cell, slot* held) : cell_(cell), slot_(held) {}

    view_cell* cell_;
    slot* slot_;
  };

  explicit view_cell(std::shared_ptr<const View> first) {
    FORESHIFT_ENSURE(first != nullptr);
    slots_[0].view = std::move(first);
    slots_[0].generation = 1;
  }

  pin acquire() {
    for (;;) {
      auto index = current_.load();
      auto& candidate = slots_[index];
      candidate.pins.fetch_add(1);
      // Still current after the pin became visible: whoever replaces it now will see the pin.
      if (current_.load() == index)
        return pin{this, &candidate};
      unpin(candidate);
    }
  }

  /// Makes `next` current and returns its generation, to wait for with `drain`. Waits only in the
  /// absurd case that every slot is in use by a version of its own.
  std::uint64_t install(std::shared_ptr<const View> next) {
    FORESHIFT_ENSURE(next != nullptr);
    std::unique_lock lock{mutex_};
    slot* free = nullptr;
    wait(lock, [&] { return (free = find_free()) != nullptr; });
    free->view = std::move(next);
    free->generation = ++generation_;
    current_.store(static_cast<std::uint32_t>(free - slots_.data()));
    return generation_;
  }

  /// Waits until no pin of a version older than `generation` is left; false after `timeout`.
  bool drain(std::uint64_t generation, std::chrono::nanoseconds timeout) {
    std::unique_lock lock{mutex_};
    waiters_.fetch_add(1);
    auto quiet = [&] { return older_unpinned(generation); };
    bool done = unpinned_.wait_for(lock, timeout, quiet);
    waiters_.fetch_sub(1);
    return done;
  }

  std::shared_ptr<const View> current() const {
    std::lock_guard lock{mutex_};
    return slots_[current_.load()].view;
  }

private:
  struct alignas(64) slot {
    std::atomic<std::uint32_t> pins{0};
    std::uint64_t generation = 0;
    std::shared_ptr<const View> view;
  };

  void unpin(slot& held) {
    if (held.pins.fetch_sub(1) == 1 && waiters_.load() > 0) {
      std::lock_guard lock{mutex_};
      unpinned_.notify_all();
    }
  }

  template <class Ready>
  void wait(std::unique_lock<std::mutex>& lock, Ready ready) {
    if (ready())
      return;
    waiters_.fetch_add(1);
    unpinned_.wait(lock, ready);
    waiters_.fetch_sub(1);
  }

  slot* find_free() {
    auto current = current_.load();
    for (std::uint32_t i = 0; i < slots_.size(); ++i)
      if (i != current && slots_[i].pins.load() == 0)
        return &slots_[i];
    return nullptr;
  }

  /// Also drops versions nobody can reach any more.
  bool older_unpinned(std::uint64_t generation) {
    bool quiet = true;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (i == current_.load() || slots_[i].generation >= generation)
        continue;
      if (slots_[i].pins.load() != 0)
        quiet = false;
      else
        slots_[i].view.reset();
    }
    return quiet;
  }

  std::array<slot, 32> slots_;
  alignas(64) std::atomic<std::uint32_t> current_{0};
  alignas(64) std::atomic<std::uint32_t> waiters_{0};
  mutable std::mutex mutex_;
  std::condition_variable unpinned_;
  std::uint64_t generation_ = 1;
};

} // namespace foreshift
