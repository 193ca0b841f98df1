// SPDX-License-Identifier: Apache-2.0
// Doors of the simulated world: these definitions stand in for those of core/door that need
// sockets and kj's event loop; the interface and everything above it is the product's.
#include "core/door/door.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/network.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace foreshift::door {

using namespace foreshift::sim;

/// A thread of the process it was made in, and what waits to be run there.
struct io_thread::impl {
  impl() : owner(kernel::current()), thread([this] { work(); }) {}
  ~impl() {
    stopping = true;
    kernel::wake(this);
    thread.join();
  }

  /// From any thread and from events.
  void post(std::function<void()> job) {
    jobs.push_back(std::move(job));
    kernel::wake(this);
  }

  process* const owner;

private:
  void work() {
    while (!stopping) {
      if (jobs.empty()) {
        kernel::block(this);
        continue;
      }
      auto job = std::move(jobs.front());
      jobs.pop_front();
      job();
      kernel::maybe_yield();
    }
  }

  bool stopping = false;
  std::deque<std::function<void()>> jobs;
  std::thread thread;
};

io_thread::io_thread() : impl_(std::make_unique<impl>()) {}
io_thread::~io_thread() = default;

namespace {

class sim_server final : public server {
public:
  sim_server(io_thread::impl& io, std::string address, service handler)
      : io_(io), address_(std::move(address)), handler_(std::move(handler)) {
    net::listeners()[address_] = {io.owner, this};
  }
  ~sim_server() override {
    auto at = net::listeners().find(address_);
    if (at != net::listeners().end() && at->second.server == this)
      net::listeners().erase(at);
  }

  std::uint16_t port() const override { return 1; }

  /// An event: the request has arrived.
  void take(envelope request, answer reply) {
    io_.post([this, request = std::move(request), reply = std::move(reply)]() mutable {
      handler_(std::move(request), peer{"local", ""}, std::move(reply));
    });
  }

private:
  io_thread::impl& io_;
  const std::string address_;
  const service handler_;
};

/// One request of a client; answered once.
struct open_call {
  answer reply;
  bool done = false;

  void finish(io_thread::impl& io, result<envelope> got) {
    if (std::exchange(done, true))
      return;
    io.post([reply = std::move(reply), got = std::move(got)]() mutable { reply(std::move(got)); });
  }
};

/// Both directions between two processes.
struct stream {
  stream(process* here, process* there) : request(here, there), answers(there, here) {}
  sim::pipe request;
  sim::pipe answers;
  bool dead = false; ///< The next request opens another one.
};

class sim_client final : public client {
public:
  sim_client(io_thread& io, client_options options) : io_(io.get()), options_(std::move(options)) {}

  ~sim_client() override {
    for (auto& open : calls_)
      if (!std::exchange(open->done, true))
        open->reply(fault{errc::canceled, "the client of " + options_.address + " was closed"});
  }

  void call(envelope request, std::chrono::milliseconds timeout, answer reply) override {
    std::erase_if(calls_, [](const auto& x) { return x->done; });
    auto open = std::make_shared<open_call>();
    open->reply = std::move(reply);
    calls_.push_back(open);
    auto* io = &io_;
    auto where = options_.address;
    auto at = net::listeners().find(where);
    if (at == net::listeners().end() || !at->second.owner->alive)
      return refuse(open);
    auto* server = static_cast<sim_server*>(at->second.server);
    if (!stream_ || stream_->dead || stream_->request.to() != at->second.owner)
      stream_ = std::make_shared<stream>(io->owner, at->second.owner);
    auto line = stream_;
    kernel::after(timeout.count() * ms, [io, open, where, line] {
      if (!open->done && io->owner->alive) {
        line->dead = true;
        open->finish(*io, fault{errc::timeout, "no answer from " + where + " in time"});
      }
    });
    auto broken = [io, open, where, line] {
      line->dead = true;
      open->finish(*io, fault{errc::unreachable, "the connection to " + where + " broke"});
    };
    auto send_back = [io, open, line, broken](result<envelope> got) {
      auto arrive = [io, open, got = std::move(got)] { open->finish(*io, got); };
      // The side that lost the connection is the one that hears of it here: the client.
      line->answers.send(std::move(arrive), [io, broken] {
        if (io->owner->alive)
          broken();
      });
    };
    auto arrive = [server, request = std::move(request), send_back] {
      server->take(request, send_back);
    };
    bool far = io->owner->host != at->second.owner->host;
    if (far && kernel::chance_or_no(net::faults().lost)) {
      counts::add(count::messages_lost);
      return kernel::trace("lost on its way to " + where);
    }
    line->request.send(std::move(arrive), broken);
    watch(io->owner, at->second.owner, open, broken);
  }

  const std::string& address() const override { return options_.address; }

private:
  void refuse(const std::shared_ptr<open_call>& open) {
    auto* io = &io_;
    kernel::after(100 * us, [io, open, where = options_.address] {
      if (io->owner->alive)
        open->finish(*io, fault{errc::unreachable, "cannot reach " + where + ": refused"});
    });
  }

  /// A connection to a process that dies breaks, if the wires still carry the news.
  static void watch(process* mine, process* server, std::shared_ptr<open_call> open,
                    std::function<void()> broken) {
    kernel::after(20 * ms, [=] {
      if (open->done || !mine->alive)
        return;
      bool heard =
          mine->host == server->host || !net::faults().cut.contains({server->host, mine->host});
      if (!server->alive && heard)
        broken();
      else
        watch(mine, server, open, broken);
    });
  }

  io_thread::impl& io_;
  const client_options options_;
  std::shared_ptr<stream> stream_;
  std::vector<std::shared_ptr<open_call>> calls_;
};

} // namespace

std::unique_ptr<client> client::open(io_thread& io, client_options options) {
  return std::make_unique<sim_client>(io, std::move(options));
}

result<envelope> client::call(envelope request, std::chrono::milliseconds timeout) {
  struct waiting {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<result<envelope>> got;
  };
  auto wait = std::make_shared<waiting>();
  call(std::move(request), timeout, [wait](result<envelope> got) {
    std::lock_guard lock{wait->mutex};
    wait->got = std::move(got);
    wait->ready.notify_all();
  });
  std::unique_lock lock{wait->mutex};
  wait->ready.wait(lock, [&] { return wait->got.has_value(); });
  return *std::move(wait->got);
}

result<std::unique_ptr<server>> server::open(io_thread& io, server_options options,
                                             service handler) {
  auto at = net::listeners().find(options.address);
  if (at != net::listeners().end() && at->second.owner->alive)
    return fault{errc::busy, options.address + " is served by another process"};
  return std::unique_ptr<server>{
      new sim_server{io.get(), std::move(options.address), std::move(handler)}};
}

} // namespace foreshift::door
