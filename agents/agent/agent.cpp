// SPDX-License-Identifier: Apache-2.0
#include "agents/agent/agent.hpp"

#include "actors/agent/agent_status.hpp"
#include "actors/agent/collector.hpp"
#include "actors/agent/examiner.hpp"
#include "actors/agent/forecasts.hpp"
#include "actors/agent/mover.hpp"
#include "actors/agent/plane_link.hpp"
#include "actors/agent/plane_supervisor.hpp"
#include "actors/agent/porter.hpp"
#include "actors/agent/sentinel.hpp"
#include "actors/agent/uplink.hpp"
#include "actors/agent/vault.hpp"
#include "actors/agent/watcher.hpp"
#include "actors/base/remote.hpp"
#include "actors/base/router.hpp"
#include "actors/base/system.hpp"
#include "agents/agent/version.hpp"
#include "core/base/background.hpp"
#include "core/base/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <filesystem>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

// A whole batch may have to pass at the lowest rate; the coordinator watches its progress
// otherwise.
constexpr auto move_timeout = 10min;
constexpr auto relay_timeout = 60s;
constexpr auto stop_timeout = 10s;

struct parts {
  plane_actor plane;
  vault_actor vault;
  supervisor_actor supervisor;
  mover_actor mover;
  uplink_actor uplink;
  forecasts_actor forecasts;
  status_actor status;
  examiner_actor examiner;
  porter_actor porter;
};

class running_agent final : public agent {
public:
  explicit running_agent(agent_options options)
      : options_(std::move(options)),
        plane_client_(open_plane_client(io_, options_.plane().door_socket(), options_.name)) {}

  ~running_agent() override { stop(false); }

  result<void> start() {
    if (auto ok = make_directories(); !ok)
      return ok;
    auto store = open_agent_store({.path = options_.data + "/agent.db",
                                   .history_bytes_max = options_.history_bytes_max,
                                   .history_age_max = options_.history_age_max});
    if (!store)
      return store.error();
    spawn_memory(*std::move(store));
    spawn_plane();
    spawn_loop();
    if (auto ok = listen(); !ok)
      return ok;
    // Last: an agent that cannot start must not leave a data plane behind.
    caf::anon_send(parts_.supervisor, tick_alarm{});
    return {};
  }

  void stop(bool stop_plane) override {
    if (stopped_)
      return;
    stopped_ = true;
    server_.reset();
    finish(stop_plane);
    for (const auto& x : all_)
      caf::anon_send_exit(x, caf::exit_reason::user_shutdown);
    all_.clear();
    parts_ = {};
    dispatcher_ = dispatcher_actor{};
    system_.await_all_actors_done();
  }

private:
  result<void> make_directories() const {
    namespace fs = std::filesystem;
    std::error_code ec;
    for (const auto& dir : {options_.data, options_.data + "/run", options_.data + "/log"}) {
      fs::create_directories(dir, ec);
      if (!ec)
        fs::permissions(dir, fs::perms::owner_all, ec);
      if (ec)
        return fault{errc::storage, "cannot create " + dir + ": " + ec.message()};
    }
    return {};
  }

  template <class Actor>
  Actor keep(Actor x) {
    all_.push_back(caf::actor_cast<caf::actor>(x));
    return x;
  }

  void spawn_memory(std::shared_ptr<agent_store> store) {
    vault_options calm;
    calm.at_start = run_in_background; // what guests do comes before what is told of it
    parts_.vault = keep<vault_actor>(
        system_.spawn<vault, caf::detached>(std::move(store), system_clock(), calm));
    std::vector<coordinator_link> links;
    for (const auto& address : options_.coordinators) {
      std::shared_ptr<door::client> to =
          door::client::open(io_, {.address = address, .tls = tls()});
      links.push_back({address, keep(spawn_remote<coordinator_verbs>(system_, std::move(to)))});
    }
    parts_.uplink = keep<uplink_actor>(
        system_.spawn<uplink>(std::move(links), parts_.vault, identity(), uplink_options{}));
  }

  void spawn_plane() {
    parts_.plane = keep<plane_actor>(spawn_remote<plane_verbs>(system_, plane_client_));
    std::shared_ptr<plane_runner> runner = make_nbdkit_runner(options_.plane());
    parts_.supervisor = keep<supervisor_actor>(system_.spawn<supervisor, caf::detached>(
        parts_.plane, std::move(runner), system_clock(), supervisor_options{}));
    mover_options moves;
    moves.rate_bytes = static_cast<double>(options_.move_rate_bytes);
    parts_.mover = keep<mover_actor>(system_.spawn<mover>(parts_.plane, system_clock(), moves));
  }

  void spawn_loop() {
    forecasts_options learning;
    learning.book.host = options_.name;
    learning.book.window = options_.forecast_window;
    learning.book.horizon = options_.forecast_horizon;
    learning.book.memory_bytes_max = options_.forecast_memory_bytes_max;
    learning.predict_interval = options_.forecast_interval;
    learning.cpu_share = options_.forecast_cpu_share;
    learning.at_start = run_in_background;
    parts_.forecasts = keep<forecasts_actor>(system_.spawn<forecasts, caf::detached>(
        parts_.vault, parts_.uplink, system_clock(), learning));
    collector_parts around{parts_.plane, parts_.vault, parts_.forecasts, parts_.mover,
                           parts_.uplink};
    collector_options pace;
    pace.sample_interval = options_.sample_interval;
    auto measuring = keep<collector_actor>(
        system_.spawn<collector>(around, host_reporter{options_.name, system_clock()}, pace));
    auto sources = guest_sources(options_.guests_qmp, options_.guests_libvirt, system_clock());
    if (!sources.empty())
      keep<watcher_actor>(system_.spawn<watcher, caf::detached>(
          measuring, std::move(sources), watcher_options{options_.sample_interval}));
    parts_.porter = keep<porter_actor>(
        system_.spawn<porter>(parts_.uplink, porter_options{.host = options_.name}));
    keep<sentinel_actor>(system_.spawn<sentinel>(parts_.plane, parts_.uplink,
                                                 sentinel_options{.host = options_.name}));
    status_parts tellers{parts_.supervisor, parts_.vault, parts_.mover, parts_.uplink};
    parts_.status = keep<status_actor>(system_.spawn<agent_status>(
        tellers, status_options{.host = options_.name, .version = version}));
    port_prober probe = [this](const auto& ports, auto timeout) {
      return door::probe(io_, tls(), ports, timeout);
    };
    parts_.examiner = keep<examiner_actor>(
        system_.spawn<examiner, caf::detached>(parts_.plane, std::move(probe), system_clock(),
                                               examiner_options{.version = version, .tls = tls()}));
  }

  result<void> listen() {
    roles control{"coordinator", "local"};
    roles everyone{"coordinator", "agent", "tool", "local"};
    router routes;
    routes.forward<plane_relay_verbs>(plane_client_, control, relay_timeout)
        .serve<move_verbs>(parts_.mover, control, move_timeout)
        .serve<carry_verbs>(parts_.forecasts, control)
        .serve<status_verbs>(parts_.status, everyone)
        .serve<porter_verbs>(parts_.porter, {"tool", "local"})
        .serve<examiner_verbs>(parts_.examiner, control)
        .pong("agent", options_.name, version);
    dispatcher_ = spawn_dispatcher(system_, std::move(routes));
    keep(dispatcher_);
    auto opened = door::server::open(io_, {.address = options_.door_listen, .tls = tls()},
                                     door_service(dispatcher_));
    if (!opened)
      return opened.error();
    server_ = *std::move(opened);
    slog::info("the agent of {} listens address={} data={}", options_.name, options_.door_listen,
               options_.data);
    return {};
  }

  /// Bounded: an agent that cannot store its last seconds still ends.
  void finish(bool stop_plane) {
    caf::scoped_actor self{system_};
    auto stored = [](const caf::error& why) {
      slog::warn("the latest forecasts may not be stored: {}", to_fault(why).detail);
    };
    if (parts_.forecasts)
      self->request(parts_.forecasts, stop_timeout, flush_order{})
          .receive([](const packet<schema::Done>&) {}, stored);
    if (stop_plane && parts_.supervisor)
      self->request(parts_.supervisor, stop_timeout, stop_order{})
          .receive([](const packet<schema::Done>&) { slog::info("the data plane is stopped"); },
                   [](const caf::error& why) {
                     slog::error("the data plane has not ended: {}", to_fault(why).detail);
                   });
  }

  door::tls_files tls() const { return {options_.certificate, options_.key, options_.ca}; }

  host_identity identity() const {
    return {.name = options_.name,
            .zone = options_.zone,
            .nbd = options_.plane_advertise,
            .plane = options_.plane_door_advertise,
            .agent = options_.door_advertise,
            .version = version,
            .boot_ms = system_clock().wall_ms()};
  }

  agent_options options_;
  door::io_thread io_; // above everything that lives on it
  std::shared_ptr<door::client> plane_client_;
  actor_config config_;
  caf::actor_system system_{config_};
  parts parts_;
  dispatcher_actor dispatcher_;
  std::vector<caf::actor> all_;
  std::unique_ptr<door::server> server_;
  bool stopped_ = false;
};

} // namespace

result<std::unique_ptr<agent>> agent::open(agent_options options) {
  auto out = std::make_unique<running_agent>(std::move(options));
  if (auto ok = out->start(); !ok)
    return ok.error();
  return std::unique_ptr<agent>{std::move(out)};
}

} // namespace foreshift
