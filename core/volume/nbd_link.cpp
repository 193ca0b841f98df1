// SPDX-License-Identifier: Apache-2.0
#include "core/volume/nbd_link.hpp"

#include "core/volume/nbd_handle.hpp"

#include <atomic>
#include <mutex>
#include <vector>

namespace foreshift {

namespace {

constexpr std::size_t idle_connections_max = 16;

// A near peer answers a small request sooner than a sleeping thread wakes; with other requests in
// flight there is better use for the processor.
constexpr std::chrono::microseconds spin_time{60};
constexpr std::uint64_t spin_bytes_max = 64u << 10;

// A disk with much to write is slow, not dead.
constexpr int flush_patience = 3;

enum class command_kind { read, write, zero, flush };

struct command {
  command_kind kind;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  void* out = nullptr;
  const void* in = nullptr;
};

std::int64_t issue(nbd_handle* h, const command& x) {
  switch (x.kind) {
  case command_kind::read:
    return nbd_aio_pread(h, x.out, x.length, x.offset, nbd_completion_callback{}, 0);
  case command_kind::write:
    return nbd_aio_pwrite(h, x.in, x.length, x.offset, nbd_completion_callback{}, 0);
  case command_kind::zero:
    return nbd_aio_zero(h, x.length, x.offset, nbd_completion_callback{}, 0);
  case command_kind::flush:
    return nbd_aio_flush(h, nbd_completion_callback{}, 0);
  }
  return -1;
}

/// Numbers for links that are given no counter.
const std::shared_ptr<std::atomic<std::uint64_t>>& own_sessions() {
  static const auto counter = std::make_shared<std::atomic<std::uint64_t>>(0);
  return counter;
}

/// A connection and the number of its session.
struct session_handle {
  nbd_connection h;
  std::uint64_t number = 0;

  nbd_handle* get() const { return h.get(); }
};

class nbd_link final : public peer_link, public std::enable_shared_from_this<nbd_link> {
public:
  nbd_link(const link_target& target, const nbd_link_options& options)
      : options_(options), sessions_(options.sessions ? options.sessions : own_sessions()),
        target_(target), where_("host '" + target.host + "'"),
        number_(sessions_->fetch_add(1) + 1) {}

  result<void> connect() override {
    auto got = checkout();
    if (!got)
      return got.error();
    give_back(*std::move(got));
    return {};
  }

  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return run({command_kind::read, offset, out.size(), out.data(), nullptr});
  }

  std::unique_ptr<pending_io> start_write(std::uint64_t offset,
                                          std::span<const std::byte> in) override {
    return start({command_kind::write, offset, in.size(), nullptr, in.data()});
  }
  std::unique_ptr<pending_io> start_zero(std::uint64_t offset, std::uint64_t length) override {
    return start({command_kind::zero, offset, length});
  }
  std::unique_ptr<pending_io> start_flush() override { return start({command_kind::flush}); }

private:
  friend class nbd_pending;

  std::unique_ptr<pending_io> start(command x);

  result<session_handle> checkout() {
    std::uint64_t number = 0;
    {
      std::lock_guard lock{mutex_};
      number = number_;
      if (!idle_.empty()) {
        auto h = std::move(idle_.back());
        idle_.pop_back();
        return session_handle{std::move(h), number};
      }
    }
    auto name = target_.look ? look_export_name(target_.volume) : peer_export_name(target_, number);
    auto h = nbd_open(target_.address, name, options_);
    if (!h)
      return h.error();
    return session_handle{*std::move(h), number};
  }

  void give_back(session_handle x) {
    if (nbd_lost(x.get()))
      return;
    std::lock_guard lock{mutex_};
    if (x.number == number_ && idle_.size() < idle_connections_max)
      idle_.push_back(std::move(x.h));
  }

  /// What became of a request of session `number` is unknown: later ones are of a later session,
  /// which ends it. (And when a peer goes away, its other connections are as dead.)
  void supersede(std::uint64_t number) {
    std::vector<nbd_connection> old;
    std::lock_guard lock{mutex_};
    if (number != number_)
      return;
    number_ = sessions_->fetch_add(1) + 1;
    old.swap(idle_);
  }

  bool superseded(std::uint64_t number) {
    std::lock_guard lock{mutex_};
    return number != number_;
  }

  result<void> attempt(session_handle x, std::int64_t cookie, const command& what) {
    auto number = x.number;
    if (cookie == -1) {
      supersede(number);
      return nbd_fault(x.get(), where_);
    }
    bool alone = in_flight_.fetch_add(1) == 0;
    bool spin = alone && what.kind != command_kind::flush && what.length <= spin_bytes_max;
    auto timeout = options_.io_timeout * (what.kind == command_kind::flush ? flush_patience : 1);
    auto done = nbd_await(x.get(), cookie, timeout, where_,
                          spin ? spin_time : std::chrono::microseconds{0});
    in_flight_.fetch_sub(1);
    if (done || (done.error().code != errc::timeout && done.error().code != errc::unreachable)) {
      give_back(std::move(x));
      // Another request's fate was unknown and this one's session ended with it.
      if (!done && done.error().code == errc::storage && superseded(number))
        return fault{errc::unreachable, done.error().detail};
      return done;
    }
    // After a time-out the connection still owns the caller's buffer: it is closed, not pooled.
    supersede(number);
    return done;
  }

  result<void> run(const command& x) {
    auto done = run_once(x);
    if (done || done.error().code != errc::unreachable)
      return done;
    return run_once(x);
  }

  result<void> run_once(const command& x) {
    auto h = checkout();
    if (!h)
      return h.error();
    auto cookie = issue(h->get(), x);
    return attempt(*std::move(h), cookie, x);
  }

  const nbd_link_options options_;
  const std::shared_ptr<std::atomic<std::uint64_t>> sessions_;
  const link_target target_;
  const std::string where_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::mutex mutex_;
  std::uint64_t number_; ///< Of new sessions, and of those that are idle.
  std::vector<nbd_connection> idle_;
};

class nbd_pending final : public pending_io {
public:
  nbd_pending(std::shared_ptr<nbd_link> link, command x) : link_(std::move(link)), command_(x) {
    auto h = link_->checkout();
    if (!h)
      return;
    connection_ = *std::move(h);
    cookie_ = issue(connection_.get(), command_);
  }

  result<void> finish() override {
    if (connection_.get() == nullptr)
      return link_->run(command_);
    auto done = link_->attempt(std::move(connection_), cookie_, command_);
    if (done || done.error().code != errc::unreachable)
      return done;
    return link_->run_once(command_);
  }

private:
  std::shared_ptr<nbd_link> link_;
  command command_;
  session_handle connection_;
  std::int64_t cookie_ = -1;
};

std::unique_ptr<pending_io> nbd_link::start(command x) {
  return std::make_unique<nbd_pending>(shared_from_this(), x);
}

} // namespace

std::string peer_export_name(const link_target& target, std::uint64_t session) {
  return "peer:" + std::to_string(target.volume) + ":" + std::to_string(target.epoch) + ":"
         + target.holder + ":" + std::to_string(target.move) + ":" + std::to_string(session);
}

std::string look_export_name(std::uint64_t volume) {
  return "look:" + std::to_string(volume);
}

std::string copy_export_name(std::uint64_t volume) {
  return "copy:" + std::to_string(volume);
}

result<std::pair<std::string, std::string>> split_address(const std::string& address) {
  auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size())
    return fault{errc::invalid, "'" + address + "' is not HOST:PORT"};
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return std::pair{host, address.substr(colon + 1)};
}

std::shared_ptr<peer_link> make_nbd_link(const link_target& target,
                                         const nbd_link_options& options) {
  return std::make_shared<nbd_link>(target, options);
}

} // namespace foreshift
