// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/door/io_loop.hpp"

#include <kj/async-unix.h>
#include <kj/exception.h>

#include <csignal>
#include <future>
#include <sys/eventfd.h>
#include <unistd.h>

namespace foreshift::door {

namespace {

thread_local bool is_io_thread = false;

/// kj writes its complaints about peers to standard error; they belong into our log, at debug
/// level, because hostile bytes must not fill a disk.
class quiet_log final : public kj::ExceptionCallback {
public:
  void logMessage(kj::LogSeverity, const char*, int, int, kj::String&& text) override {
    slog::debug("kj: {}", text.cStr());
  }
};

/// Keeps signals for the threads of `main`; the io thread never handles any.
class signals_blocked {
public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
  sigset_t before_{};
};

} // namespace

bool on_io_thread() {
  return is_io_thread;
}

io_queue::io_queue() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  FORESHIFT_ENSURE(wake_.get() >= 0);
}

bool io_queue::post(kj::Function<void()> job) {
  bool first = false;
  {
    std::lock_guard lock{guard_};
    if (closed_)
      return false;
    first = jobs_.empty();
    jobs_.push_back(kj::mv(job));
  }
  if (first) // otherwise a wake-up is already on its way
    ::eventfd_write(wake_.get(), 1);
  return true;
}

bool io_queue::run(kj::Function<void()> job) {
  if (here()) {
    job();
    return true;
  }
  auto done = std::make_shared<std::promise<void>>();
  if (!post([&job, done] {
        job();
        done->set_value();
      }))
    return false;
  done->get_future().get();
  return true;
}

bool io_queue::post_or_run(kj::Function<void()> job) {
  if (!here())
    return post(kj::mv(job));
  job();
  return true;
}

void io_queue::stop() {
  {
    std::lock_guard lock{guard_};
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
}

/// False when there is nothing left and the thread shall end.
bool io_queue::take(std::vector<kj::Function<void()>>& out) {
  std::lock_guard lock{guard_};
  out.swap(jobs_);
  closed_ = stopping_ && out.empty();
  return !closed_;
}

void io_queue::serve(kj::AsyncIoContext& io) {
  kj::UnixEventPort::FdObserver observer{io.unixEventPort, wake_.get(),
                                         kj::UnixEventPort::FdObserver::OBSERVE_READ};
  std::vector<kj::Function<void()>> jobs;
  for (;;) {
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
    if (!take(jobs))
      return;
    if (jobs.empty()) {
      observer.whenBecomesReadable().wait(io.waitScope);
      continue;
    }
    // Jobs run outside every kj callback, so that they may destroy whatever they like.
    for (auto& job : jobs)
      job();
    jobs.clear();
  }
}

io_thread::impl::impl() {
  std::promise<void> ready;
  signals_blocked inherited;
  thread_ = std::thread{[this, &ready] { work([&ready] { ready.set_value(); }); }};
  ready.get_future().get();
}

io_thread::impl::~impl() {
  FORESHIFT_ENSURE(!queue->here());
  queue->stop();
  thread_.join();
}

void io_thread::impl::work(std::function<void()> ready) {
  pthread_setname_np(pthread_self(), "foreshift-io");
  is_io_thread = true;
  quiet_log log;
  auto io = kj::setupAsyncIo();
  io_ = &io;
  queue->thread_ = std::this_thread::get_id();
  ready();
  queue->serve(io);
  queue->thread_ = std::thread::id{};
}

io_thread::io_thread() : impl_(std::make_unique<impl>()) {}
io_thread::~io_thread() = default;

} // namespace foreshift::door
