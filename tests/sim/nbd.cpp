// SPDX-License-Identifier: Apache-2.0
// libnbd, as far as the product uses it, over the simulated network; and nbdkit's side of it.
#include "tests/sim/nbd.hpp"

#include "tests/sim/network.hpp"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

namespace foreshift::sim {

namespace {

enum class verb { read, write, zero, flush, close };

struct request {
  verb what = verb::flush;
  std::int64_t cookie = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::vector<std::byte> data;
};

struct command {
  void* out = nullptr;
  std::uint64_t length = 0;
  bool done = false;
  int error = 0;
};

struct nbd_listener {
  session_opener open;
};

/// Both ends of a connection. The client's end belongs to a handle until it is closed.
struct connection {
  connection(process* client, process* server)
      : there(client, server), back(server, client), server_process(server) {}

  pipe there;
  pipe back;
  process* const server_process;
  nbd_handle* handle = nullptr; ///< Null after nbd_close.
  std::deque<request> arrived;
};

enum class phase { created, connecting, ready, dead };

thread_local int last_errno = 0;
thread_local const char* last_error = nullptr;

int failed(int number, const char* why) {
  last_errno = number;
  last_error = why;
  return -1;
}

constexpr std::int64_t look_ns = 10 * ms; ///< How soon a client notices a killed server.

} // namespace

} // namespace foreshift::sim

using namespace foreshift;
using namespace foreshift::sim;

struct nbd_handle {
  std::string export_name;
  std::shared_ptr<connection> line;
  phase now = phase::created;
  std::map<std::int64_t, command> commands;
  std::int64_t cookies = 0;

  void break_off() {
    now = phase::dead;
    kernel::wake(this);
  }
};

namespace foreshift::sim {

namespace {

std::function<void()> breaker(const std::shared_ptr<connection>& line) {
  return [line] {
    if (line->handle != nullptr)
      line->handle->break_off();
  };
}

int carry_out(session& on, request& x) {
  result<void> done;
  switch (x.what) {
  case verb::read:
    x.data.resize(x.length);
    done = on.read(x.offset, x.data);
    break;
  case verb::write:
    done = on.write(x.offset, x.data);
    break;
  case verb::zero:
    done = on.zero(x.offset, x.length);
    break;
  default:
    done = on.flush();
  }
  return done ? 0 : on.error_number(done.error());
}

void answer(const std::shared_ptr<connection>& line, request x, int error) {
  auto arrive = [line, x = std::move(x), error] {
    if (line->handle == nullptr)
      return;
    auto at = line->handle->commands.find(x.cookie);
    if (at == line->handle->commands.end())
      return;
    at->second.done = true;
    at->second.error = error;
    if (error == 0 && x.what == verb::read)
      std::memcpy(at->second.out, x.data.data(), x.data.size());
    kernel::wake(line->handle);
  };
  line->back.send(std::move(arrive), breaker(line));
}

/// A connection's thread in the server's process.
void serve(const std::shared_ptr<connection>& line, const session_opener& open,
           const std::string& export_name) {
  auto opened = open(export_name);
  bool ok = bool(opened);
  line->back.send(
      [line, ok] {
        if (line->handle == nullptr)
          return;
        line->handle->now = ok ? phase::ready : phase::dead;
        kernel::wake(line->handle);
      },
      breaker(line));
  while (ok) {
    if (line->arrived.empty()) {
      kernel::block(line.get());
      continue;
    }
    auto next = std::move(line->arrived.front());
    line->arrived.pop_front();
    if (next.what == verb::close)
      return;
    auto error = carry_out(**opened, next);
    if (next.what != verb::read)
      next.data.clear();
    answer(line, std::move(next), error);
  }
}

std::int64_t issue(nbd_handle* h, request x, void* out) {
  if (h->now != phase::ready)
    return failed(ENOTCONN, "not connected");
  x.cookie = ++h->cookies;
  h->commands[x.cookie] = {out, x.length, false, 0};
  auto line = h->line;
  auto cookie = x.cookie;
  line->there.send(
      [line, x = std::move(x)]() mutable {
        line->arrived.push_back(std::move(x));
        kernel::wake(line.get());
      },
      breaker(line));
  return cookie;
}

} // namespace

void listen_nbd(const std::string& address, session_opener open) {
  auto* x = new nbd_listener{std::move(open)};
  net::listeners()["nbd:" + address] = {kernel::current(), x};
}

} // namespace foreshift::sim

extern "C" {

nbd_handle* nbd_create() {
  return new nbd_handle;
}

void nbd_close(nbd_handle* h) {
  if (h == nullptr)
    return;
  if (auto line = h->line) {
    line->handle = nullptr;
    line->there.send(
        [line] {
          line->arrived.push_back({verb::close, 0, 0, 0, {}});
          kernel::wake(line.get());
        },
        [] {});
  }
  delete h;
}

int nbd_set_export_name(nbd_handle* h, const char* name) {
  h->export_name = name;
  return 0;
}

int nbd_set_pread_initialize(nbd_handle*, bool) {
  return 0;
}

int nbd_set_request_structured_replies(nbd_handle*, bool) {
  return 0;
}

int nbd_set_tls(nbd_handle*, int) {
  return 0;
}

int nbd_set_tls_certificates(nbd_handle*, const char*) {
  return 0;
}

int nbd_set_tls_verify_peer(nbd_handle*, bool) {
  return 0;
}

int nbd_aio_connect_tcp(nbd_handle* h, const char* host, const char* port) {
  auto at = net::listeners().find("nbd:" + std::string{host} + ":" + port);
  if (at == net::listeners().end() || !at->second.owner->alive) {
    kernel::sleep(100 * us);
    h->now = phase::dead;
    return failed(ECONNREFUSED, "connection refused");
  }
  auto* listener = static_cast<nbd_listener*>(at->second.server);
  auto* owner = at->second.owner;
  auto line = std::make_shared<connection>(kernel::current(), owner);
  line->handle = h;
  h->line = line;
  h->now = phase::connecting;
  line->there.send(
      [line, owner, listener, name = h->export_name] {
        kernel::spawn(owner, [line, listener, name] { serve(line, listener->open, name); });
      },
      breaker(line));
  return 0;
}

int nbd_aio_is_connecting(nbd_handle* h) {
  return h->now == phase::connecting;
}

int nbd_aio_is_ready(nbd_handle* h) {
  return h->now == phase::ready;
}

int nbd_aio_is_dead(nbd_handle* h) {
  return h->now == phase::dead;
}

int nbd_aio_is_closed(nbd_handle*) {
  return 0;
}

int nbd_poll(nbd_handle* h, int timeout_ms) {
  if (timeout_ms == 0) {
    kernel::yield();
    return 0;
  }
  auto until = timeout_ms < 0 ? never_ns : kernel::now_ns() + timeout_ms * ms;
  auto before = h->now;
  auto finished = [&] {
    return std::any_of(h->commands.begin(), h->commands.end(),
                       [](const auto& x) { return x.second.done; });
  };
  while (h->now == before && h->now != phase::dead && !finished()) {
    if (kernel::now_ns() >= until)
      return 0;
    kernel::block(h, std::min(until, kernel::now_ns() + look_ns));
    auto* server = h->line->server_process;
    auto* here = kernel::current();
    bool heard =
        server->host == here->host || !net::faults().cut.contains({server->host, here->host});
    if (!server->alive && heard)
      h->now = phase::dead;
  }
  return h->now == phase::dead ? failed(ENOTCONN, "the server closed the connection") : 1;
}

int64_t nbd_aio_pread(nbd_handle* h, void* out, size_t count, uint64_t offset,
                      nbd_completion_callback, uint32_t) {
  return issue(h, {verb::read, 0, offset, count, {}}, out);
}

int64_t nbd_aio_pwrite(nbd_handle* h, const void* in, size_t count, uint64_t offset,
                       nbd_completion_callback, uint32_t) {
  auto* from = static_cast<const std::byte*>(in);
  return issue(h, {verb::write, 0, offset, count, {from, from + count}}, nullptr);
}

int64_t nbd_aio_zero(nbd_handle* h, uint64_t count, uint64_t offset, nbd_completion_callback,
                     uint32_t) {
  return issue(h, {verb::zero, 0, offset, count, {}}, nullptr);
}

int64_t nbd_aio_flush(nbd_handle* h, nbd_completion_callback, uint32_t) {
  return issue(h, {verb::flush, 0, 0, 0, {}}, nullptr);
}

int nbd_aio_command_completed(nbd_handle* h, uint64_t cookie) {
  auto at = h->commands.find(static_cast<std::int64_t>(cookie));
  if (at == h->commands.end())
    return failed(EINVAL, "no such command");
  if (!at->second.done && h->now != phase::dead)
    return 0;
  auto error = at->second.done ? at->second.error : ENOTCONN;
  h->commands.erase(at);
  return error == 0 ? 1 : failed(error, std::strerror(error));
}

const char* nbd_get_error() {
  return last_error;
}

int nbd_get_errno() {
  return last_errno;
}

} // extern "C"
