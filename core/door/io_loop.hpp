// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"

#include <kj/async-io.h>
#include <kj/function.h>
#include <kj/io.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace foreshift::door {

/// Whether the caller is any io thread; blocking there would wait for itself.
bool on_io_thread();

/// The way onto the io thread. Shared by everyone who posts, so that an answer that comes late
/// finds a closed queue and not a destroyed one.
class io_queue {
public:
  io_queue();

  /// Queues `job`; any thread. False, and the job is dropped, when the thread has stopped: so a job
  /// must not own objects of kj's event loop.
  bool post(kj::Function<void()> job);

  /// Runs `job` on the io thread and returns when it has run (at once if this is the io thread).
  /// False when the thread has stopped.
  bool run(kj::Function<void()> job);

  /// Runs `job` now if this is the io thread, else queues it.
  bool post_or_run(kj::Function<void()> job);

  bool here() const { return std::this_thread::get_id() == thread_.load(); }

private:
  friend struct io_thread::impl;
  void serve(kj::AsyncIoContext& io);
  void stop();
  bool take(std::vector<kj::Function<void()>>& out);

  kj::AutoCloseFd wake_;
  std::atomic<std::thread::id> thread_;
  std::mutex guard_;
  std::vector<kj::Function<void()>> jobs_;
  bool stopping_ = false;
  bool closed_ = false;
};

struct io_thread::impl {
  impl();
  ~impl();

  /// Only on the io thread.
  kj::AsyncIoContext& io() { return *io_; }
  kj::Timer& timer() { return io_->provider->getTimer(); }

  std::shared_ptr<io_queue> queue = std::make_shared<io_queue>();

private:
  void work(std::function<void()> ready);

  kj::AsyncIoContext* io_ = nullptr;
  std::thread thread_;
};

} // namespace foreshift::door
