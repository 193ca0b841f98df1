// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace foreshift::lease {

/// A coroutine that yields one `T` in the end. Lazy: it runs when somebody awaits or resumes it.
/// Destroying it at any suspension point is how a machine "crashes".
template <class T>
class [[nodiscard]] script {
public:
  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> caller;

    script get_return_object() {
      return script{std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct back {
        bool await_ready() noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
          auto next = self.promise().caller;
          return next ? next : std::noop_coroutine();
        }
        void await_resume() noexcept {}
      };
      return back{};
    }
    void return_value(T x) { value.emplace(std::move(x)); }
    void unhandled_exception() { std::terminate(); }
  };

  script() = default;
  script(script&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  script& operator=(script&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~script() {
    if (handle_)
      handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().caller = caller;
    return handle_;
  }
  T await_resume() { return *std::move(handle_.promise().value); }

  /// Runs until the first suspension.
  void start() { handle_.resume(); }
  /// The result, once it has run to its end.
  T* result() { return handle_ && handle_.done() ? &*handle_.promise().value : nullptr; }

private:
  explicit script(std::coroutine_handle<promise_type> handle) : handle_(handle) {}

  std::coroutine_handle<promise_type> handle_;
};

} // namespace foreshift::lease
