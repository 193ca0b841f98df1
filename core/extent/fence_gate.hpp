// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace foreshift {

/// Lets requests of one epoch through and counts them, without a lock. Any thread may enter;
/// `close` and `open` are called by one thread at a time.
///
/// Why it holds (I2): a request counts itself and only then looks at the epoch again; `close` shuts
/// the epoch and only then looks at the count. In the single order of these four steps one of the
/// two sees the other. An epoch that was shut never opens again, so the second look cannot be
/// fooled.
class fence_gate {
public:
  /// A request being served.
  class pass {
  public:
    explicit pass(fence_gate& gate) noexcept : gate_(&gate) {}
    pass(pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    pass& operator=(pass&&) = delete;
    ~pass() {
      if (gate_)
        gate_->leave();
    }

  private:
    fence_gate* gate_;
  };

  /// Nothing unless `epoch` is the open one.
  std::optional<pass> enter(std::uint64_t epoch) noexcept {
    if (epoch == 0 || epoch_.load() != epoch)
      return std::nullopt;
    running_.fetch_add(1);
    if (epoch_.load() != epoch) {
      leave();
      return std::nullopt;
    }
    return std::optional<pass>(std::in_place, *this);
  }

  /// Refuses everyone from now on, and returns when no request is left.
  void close() noexcept {
    epoch_.store(0);
    for (auto left = running_.load(); left != 0; left = running_.load())
      running_.wait(left);
  }

  /// Admits `epoch`, which must be higher than any before; 0 admits nobody.
  void open(std::uint64_t epoch) noexcept { epoch_.store(epoch); }

private:
  void leave() noexcept {
    if (running_.fetch_sub(1) == 1 && epoch_.load() == 0)
      running_.notify_all();
  }

  alignas(64) std::atomic<std::uint64_t> epoch_{0}; ///< 0: closed.
  alignas(64) std::atomic<int> running_{0};
};

} // namespace foreshift
