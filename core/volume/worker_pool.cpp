// SPDX-License-Identifier: Apache-2.0
#include "core/volume/worker_pool.hpp"

#include "core/base/background.hpp"

namespace foreshift {

worker_pool::worker_pool(std::uint32_t threads, importance how) {
  for (std::uint32_t i = 0; i < threads; ++i)
    threads_.emplace_back([this, how] {
      if (how == importance::background)
        run_in_background();
      work();
    });
}

worker_pool::~worker_pool() {
  {
    std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  added_.notify_all();
  for (auto& thread : threads_)
    thread.join();
}

void worker_pool::add(std::function<void()> job) {
  {
    std::lock_guard lock{mutex_};
    jobs_.push_back(std::move(job));
  }
  added_.notify_one();
}

void worker_pool::work() {
  std::unique_lock lock{mutex_};
  for (;;) {
    added_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty())
      return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

} // namespace foreshift
