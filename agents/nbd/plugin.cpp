// SPDX-License-Identifier: Apache-2.0
// nbdkit's callbacks in the order of a process's and a connection's life; the table is at the end.
#include "agents/nbd/data_plane.hpp"
#include "agents/nbd/sessions.hpp"
#include "core/base/log.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

using namespace foreshift;

namespace {

constexpr std::uint32_t request_bytes_max = 32u << 20;

// nbdkit's callbacks carry no context of their own, so the process's one data plane is here.
data_plane_options options;
std::unique_ptr<data_plane> process;
std::thread leaver;
std::atomic<int> sessions_open{0};

constexpr int leave_tries = 50;
constexpr std::chrono::milliseconds leave_pause{20};

session& as_session(void* handle) {
  return *static_cast<session*>(handle);
}

int answer(const session& on, const result<void>& done) {
  if (done)
    return 0;
  nbdkit_set_error(on.error_number(done.error()));
  return -1;
}

// -- the process ---------------------------------------------------------------------------------

void load() {
  ::umask(077);
}

/// nbdkit goes to another directory when it becomes a daemon.
std::string absolute(const std::string& path) {
  char* full = nbdkit_absolute_path(path.c_str());
  std::string out = full ? full : path;
  std::free(full);
  return out;
}

int config(const char* key, const char* value) {
  std::string text = value;
  std::string name = key;
  if (name == "data" || name == "peer-tls" || name == "peer-door-cert" || name == "peer-door-key"
      || name == "peer-door-ca")
    text = text.empty() ? text : absolute(text);
  if (name == "door" && text.starts_with("unix:"))
    text = "unix:" + absolute(text.substr(5));
  auto done = options.set(name, text);
  if (!done)
    nbdkit_error("%s", done.error().detail.c_str());
  return done ? 0 : -1;
}

int config_complete() {
  auto done = options.check();
  if (!done)
    nbdkit_error("%s", done.error().detail.c_str());
  return done ? 0 : -1;
}

/// nbdkit ends only after its last connection, and planes keep connections to each other: asked to
/// end, this process grants its clients a moment and then leaves, which is no worse than a crash
/// and, with nothing synced later than acknowledged, loses nothing.
void leave_when_asked() {
  while (nbdkit_nanosleep(3600, 0) == 0) {
  }
  for (int i = 0; i < leave_tries; ++i) {
    if (sessions_open.load() == 0)
      return;
    std::this_thread::sleep_for(leave_pause);
  }
  slog::info("data plane leaves with connections open connections={}", sessions_open.load());
  std::_Exit(0);
}

int after_fork() {
  auto logging = start_log("plane", "info");
  auto opened = logging ? data_plane::open(options) : logging.error();
  if (!opened) {
    nbdkit_error("%s", to_string(opened.error()).c_str());
    return -1;
  }
  process = *std::move(opened);
  leaver = std::thread{leave_when_asked};
  return 0;
}

void cleanup() {
  if (leaver.joinable())
    leaver.join();
  process.reset();
}

// -- a connection --------------------------------------------------------------------------------

enum class face { gateway, partition, none };

/// Guests come over the unix socket, peers over TCP.
face face_of_peer() {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (nbdkit_peer_name(reinterpret_cast<sockaddr*>(&address), &length) == -1)
    return face::none;
  if (address.ss_family == AF_UNIX)
    return face::gateway;
  bool tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
  return tcp ? face::partition : face::none;
}

bool tls_as_required(int is_tls) {
  return options.peer_tls.empty() || is_tls == 1;
}

int list_exports(int, int, nbdkit_exports* exports) {
  if (face_of_peer() != face::gateway)
    return 0;
  for (const auto& volume : process->plane().volumes()) {
    auto state = volume->gate->state();
    if (state == LeaseState::NONE || state == LeaseState::DEACTIVATED)
      continue;
    if (nbdkit_add_export(exports, volume->shape.name.c_str(), nullptr) == -1)
      return -1;
  }
  return 0;
}

const char* default_export(int, int) {
  // None: a client must name a volume. The empty name reaches `open`, which says so.
  return "";
}

void* open(int) {
  const char* name = nbdkit_export_name();
  result<std::unique_ptr<session>> made = fault{errc::refused, "neither a guest nor a peer"};
  switch (face_of_peer()) {
  case face::gateway:
    made = open_gateway_session(process->plane(), name ? name : "", nbdkit_peer_pid());
    break;
  case face::partition:
    if (tls_as_required(nbdkit_is_tls()))
      made = open_peer_session(process->plane(), name ? name : "");
    else
      made = fault{errc::refused, "peers of this host must use TLS"};
    break;
  case face::none:
    break;
  }
  if (made) {
    sessions_open.fetch_add(1);
    return (*made).release();
  }
  nbdkit_error("%s", made.error().detail.c_str());
  nbdkit_set_error(made.error().code == errc::not_found ? ENOENT : EINVAL);
  return nullptr;
}

void close(void* handle) {
  delete &as_session(handle);
  sessions_open.fetch_sub(1);
}

const char* export_description(void* handle) {
  return nbdkit_strdup_intern(as_session(handle).description().c_str());
}

std::int64_t get_size(void* handle) {
  return static_cast<std::int64_t>(as_session(handle).size());
}

int block_size(void*, std::uint32_t* minimum, std::uint32_t* preferred, std::uint32_t* maximum) {
  *minimum = 1;
  *preferred = block_bytes;
  *maximum = request_bytes_max;
  return 0;
}

int can_write(void* handle) {
  return as_session(handle).writable() ? 1 : 0;
}
int yes(void*) {
  return 1;
}
int can_fua(void*) {
  return NBDKIT_FUA_EMULATE;
}

// -- requests ------------------------------------------------------------------------------------

int pread(void* handle, void* buffer, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  auto& on = as_session(handle);
  return answer(on, on.read(offset, {static_cast<std::byte*>(buffer), count}));
}

int pwrite(void* handle, const void* buffer, std::uint32_t count, std::uint64_t offset,
           std::uint32_t) {
  auto& on = as_session(handle);
  return answer(on, on.write(offset, {static_cast<const std::byte*>(buffer), count}));
}

int flush(void* handle, std::uint32_t) {
  auto& on = as_session(handle);
  return answer(on, on.flush());
}

int zero(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
  auto& on = as_session(handle);
  return answer(on, on.zero(offset, count));
}

constexpr const char* help =
    "data=DIR               where this host keeps its extents (required)\n"
    "host=NAME              name of this host in the cell (required)\n"
    "door=unix:PATH         door for this host's agent (required)\n"
    "peer-door=ADDR:PORT    door for other data planes (required)\n"
    "peer-door-cert=PEM, peer-door-key=PEM, peer-door-ca=PEM\n"
    "                       TLS of the peer door; required unless it is on loopback\n"
    "peer-tls=DIR           certificates for NBD between data planes; plain TCP is then refused\n"
    "reserve=SIZE           disk space that new copies leave free (default 256MiB)\n"
    "hold=DURATION          how long a request waits for a lease or a lost peer (default 30s)\n"
    "peer-timeout=DURATION  silence after which another host counts as failed (default 3s)\n"
    "access-log=on|off      note every request, for the forecasts (default on)";

nbdkit_plugin make_plugin() {
  nbdkit_plugin p{};
  p.name = "foreshift";
  p.longname = "Foreshift data plane";
  p.description = "volumes made of extents that move ahead of their virtual machines";
  p.load = load;
  p.config = config;
  p.config_complete = config_complete;
  p.config_help = help;
  p.after_fork = after_fork;
  p.cleanup = cleanup;
  p.list_exports = list_exports;
  p.default_export = default_export;
  p.open = open;
  p.close = close;
  p.export_description = export_description;
  p.get_size = get_size;
  p.block_size = block_size;
  p.can_write = can_write;
  p.can_flush = yes;
  p.can_trim = yes;
  p.can_zero = yes;
  p.can_fast_zero = yes;
  p.can_fua = can_fua;
  p.can_multi_conn = yes; // A flush on one connection reaches every replica for all of them.
  p.pread = pread;
  p.pwrite = pwrite;
  p.flush = flush;
  p.trim = zero;
  p.zero = zero;
  return p;
}

nbdkit_plugin plugin = make_plugin();

} // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
