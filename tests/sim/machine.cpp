// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/machine.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/volume/plane_service.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/nbd.hpp"
#include "tests/sim/watch.hpp"

namespace foreshift::sim {

namespace {

constexpr std::chrono::seconds hold{6};
constexpr std::int64_t agent_pause_ns = 300 * ms;

[[noreturn]] void stay() {
  int nobody = 0;
  for (;;)
    kernel::block(&nobody);
}

} // namespace

machine::machine(std::string host) : host_(std::move(host)) {}

void machine::start_plane() {
  plane_ = nullptr;
  plane_process_ = kernel::make_process("plane-" + host_, host_);
  kernel::trace("start " + plane_process_->name);
  kernel::spawn(plane_process_, [this] { run_plane(); });
}

void machine::kill_plane() {
  if (plane_up())
    kernel::kill(plane_process_);
  plane_ = nullptr;
  disk.release_locks();
}

void machine::end_plane() {
  auto* me = kernel::current();
  kill_plane();
  kernel::after(agent_pause_ns, [this, me] {
    if (plane_process_ == me)
      start_plane();
  });
  stay(); // never goes on: it is dead
}

void machine::scrub() {
  if (plane() == nullptr)
    return;
  plane_->scrub().start(true);
  plane_->wake_scrub();
}

std::string machine::trouble() const {
  if (plane() == nullptr)
    return "its data plane does not serve";
  for (const auto& volume : plane_->volumes()) {
    auto about = "its replica of volume " + volume->shape.name;
    if (volume->extents->doubt() != 0)
      return about + " is doubted";
    if (auto why = volume->extents->failure(); !why.empty())
      return about + " has failed: " + why;
    if (!volume->extents->corrupt_extents().isEmpty())
      return about + " is corrupt";
  }
  return {};
}

void machine::lose_power() {
  kill_plane();
  disk.lose_power();
  kernel::trace("power lost at " + host_);
}

/// As agents/nbd/data_plane.cpp; nothing of it is ever destroyed in order.
void machine::run_plane() {
  auto cannot = [this](const fault& why) {
    kernel::trace("data plane cannot start: " + to_string(why));
    watch_start_failed(*this, why);
    end_plane();
  };
  auto broken = [this](const fault& why) {
    counts::add(count::databases_failed);
    kernel::trace("data plane ends: " + to_string(why));
    end_plane();
  };
  auto store = extent_store::open({"/data", 1u << 20, &disk, broken});
  if (!store)
    return cannot(store.error());
  auto* io = new door::io_thread;
  plane_options options;
  options.host = host_;
  options.directory = "/data";
  options.hold = hold;
  options.log_capacity = 0;
  options.disk = &disk;
  options.peer_nbd.io_timeout = std::chrono::seconds{2};
  options.peer_nbd.connect_timeout = std::chrono::seconds{1};
  auto sessions = session_numbers(**store);
  if (!sessions)
    return cannot(sessions.error());
  options.peer_nbd.sessions = *std::move(sessions);
  auto links = [link = options.peer_nbd](const link_target& target) {
    return make_nbd_link(target, link);
  };
  auto opened = foreshift::plane::open(options, **store, *io, links, system_clock());
  if (!opened)
    return cannot(opened.error());
  [[maybe_unused]] auto* keep = store->release();
  auto* plane = opened->release();
  auto* service = new plane_service(*plane);
  auto serve = [service](plane_door through) {
    return [service, through](door::envelope request, const door::peer& from, door::answer reply) {
      service->handle(through, std::move(request), from, std::move(reply));
    };
  };
  auto open_door = [&](std::string address, plane_door through) {
    door::server_options how;
    how.address = std::move(address);
    return (*door::server::open(*io, how, serve(through))).release();
  };
  open_door("unix:" + host_ + ".plane", plane_door::agent);
  open_door(host_ + ":10810", plane_door::peer);
  listen_nbd(nbd_address(),
             [plane](const std::string& name) { return watched_peer_session(*plane, name); });
  listen_nbd(guest_address(),
             [plane](const std::string& name) { return open_gateway_session(*plane, name, 0); });
  plane_ = plane;
  kernel::trace("data plane serves");
  stay();
}

} // namespace foreshift::sim
