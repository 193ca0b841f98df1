// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace foreshift {

/// Threads that run jobs in the order they came. Any thread may add; the destructor finishes what
/// was added.
class worker_pool {
public:
  enum class importance { guests_wait, background };

  explicit worker_pool(std::uint32_t threads, importance how = importance::guests_wait);
  ~worker_pool();
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  void add(std::function<void()> job);

private:
  void work();

  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

} // namespace foreshift
