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
    return nbd_aio_pread(h, x.out, x.length, x.offset, NBD_NULL_COMPLETION, 0);
  case command_kind::write:
    return nbd_aio_pwrite(h, x.in, x.length, x.offset, NBD_NULL_COMPLETION, 0);
  case command_kind::zero:
    return nbd_aio_zero(h, x.length, x.offset, NBD_NULL_COMPLETION, 0);
  case command_kind::flush:
    return nbd_aio_flush(h, NBD_NULL_COMPLETION, 0);
  }
  return -1;
}

class nbd_link final : public peer_link, public std::enable_shared_from_this<nbd_link> {
public:
  nbd_link(const link_target& target, const nbd_link_options& options)
      : options_(options), address_(target.address), export_(peer_export_name(target)),
        where_("host '" + target.host + "'") {}

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

  result<nbd_connection> checkout() {
    {
      std::lock_guard lock{mutex_};
      if (!idle_.empty()) {
        auto h = std::move(idle_.back());
        idle_.pop_back();
        return h;
      }
    }
    return nbd_open(address_, export_, options_);
  }

  void give_back(nbd_connection h) {
    if (nbd_lost(h.get()))
      return;
    std::lock_guard lock{mutex_};
    if (idle_.size() < idle_connections_max)
      idle_.push_back(std::move(h));
  }

  /// The peer went away: its other connections are as dead as the one that showed it.
  void drop_idle() {
    std::vector<nbd_connection> old;
    std::lock_guard lock{mutex_};
    old.swap(idle_);
  }

  result<void> attempt(nbd_connection h, std::int64_t cookie, const command& x) {
    if (cookie == -1)
      return nbd_fault(h.get(), where_);
    bool alone = in_flight_.fetch_add(1) == 0;
    bool spin = alone && x.kind != command_kind::flush && x.length <= spin_bytes_max;
    auto timeout = options_.io_timeout * (x.kind == command_kind::flush ? flush_patience : 1);
    auto done = nbd_await(h.get(), cookie, timeout, where_,
                          spin ? spin_time : std::chrono::microseconds{0});
    in_flight_.fetch_sub(1);
    // After a time-out the connection still owns the caller's buffer: it is closed, not pooled.
    if (done || done.error().code != errc::timeout)
      give_back(std::move(h));
    return done;
  }

  result<void> run(const command& x) {
    auto done = run_once(x);
    if (done || done.error().code != errc::unreachable)
      return done;
    drop_idle();
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
  const std::string address_;
  const std::string export_;
  const std::string where_;
  std::atomic<std::uint32_t> in_flight_{0};
  std::mutex mutex_;
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
    if (connection_ == nullptr)
      return link_->run(command_);
    auto done = link_->attempt(std::move(connection_), cookie_, command_);
    if (done || done.error().code != errc::unreachable)
      return done;
    link_->drop_idle();
    return link_->run_once(command_);
  }

private:
  std::shared_ptr<nbd_link> link_;
  command command_;
  nbd_connection connection_;
  std::int64_t cookie_ = -1;
};

std::unique_ptr<pending_io> nbd_link::start(command x) {
  return std::make_unique<nbd_pending>(shared_from_this(), x);
}

} // namespace

std::string peer_export_name(const link_target& target) {
  return "peer:" + std::to_string(target.volume) + ":" + std::to_string(target.epoch) + ":"
         + target.holder + ":" + std::to_string(target.move);
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
