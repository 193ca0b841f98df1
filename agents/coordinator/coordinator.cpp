// SPDX-License-Identifier: Apache-2.0
#include "agents/coordinator/coordinator.hpp"

#include "actors/base/system.hpp"
#include "actors/coordinator/cell.hpp"
#include "agents/coordinator/metrics.hpp"
#include "core/base/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <filesystem>

namespace foreshift {

namespace {

/// What people may ask through HTTP: the same as through the door.
http::json_api offered_verbs() {
  http::json_api out;
  auto offer = [&out]<class Verb>() { out.offer<typename Verb::request, typename Verb::reply>(); };
  control::volume_verbs::each(offer);
  control::insight_verbs::each(offer);
  control::task_verbs::each(offer);
  control::events_verbs::each(offer);
  control::directory_verbs::each(offer);
  control::doctor_verbs::each(offer);
  control::herald_verbs::each(offer);
  return out;
}

class running_coordinator final : public coordinator {
public:
  explicit running_coordinator(coordinator_options options) : options_(std::move(options)) {}

  ~running_coordinator() override { stop(); }

  result<void> start() {
    namespace fs = std::filesystem;
    std::error_code ec;
    fs::create_directories(options_.data, ec);
    if (!ec)
      fs::permissions(options_.data, fs::perms::owner_all, ec);
    if (ec)
      return fault{errc::storage, "cannot create " + options_.data + ": " + ec.message()};
    auto keeper = open_embedded_store(options_.data + "/store");
    if (!keeper)
      return keeper.error();
    std::shared_ptr<store> shared = *std::move(keeper);
    auto token = shared->token();
    control::cell_options how;
    how.rules = options_.rules;
    how.version = coordinator_version;
    how.tls = tls();
    cell_ = control::spawn_cell(system_, std::move(shared),
                                control::door_connector(system_, io_, tls()), system_clock(), how);
    return listen(token);
  }

  void stop() override {
    if (stopped_)
      return;
    stopped_ = true;
    http_.reset();
    server_.reset();
    cell_.stop();
    if (dispatcher_)
      caf::anon_send_exit(dispatcher_, caf::exit_reason::user_shutdown);
    dispatcher_ = dispatcher_actor{};
  }

private:
  result<void> listen(std::uint64_t token) {
    dispatcher_ = spawn_dispatcher(system_, cell_.routes(coordinator_version));
    auto opened = door::server::open(io_, {.address = options_.listen, .tls = tls()},
                                     door_service(dispatcher_));
    if (!opened)
      return opened.error();
    server_ = *std::move(opened);
    if (auto ok = options_.http_listen.empty() ? result<void>{} : listen_http(); !ok)
      return ok;
    slog::info("the coordinator listens address={} data={} token={}", options_.listen,
               options_.data, token);
    return {};
  }

  result<void> listen_http() {
    auto service = door_service(dispatcher_);
    auto opened =
        http::http_server::open(io_, {.address = options_.http_listen, .tls = tls()},
                                offered_verbs(), service, {{"/metrics", metrics_page(service)}});
    if (!opened)
      return opened.error();
    http_ = *std::move(opened);
    slog::info("the coordinator serves HTTP address={} port={}", options_.http_listen,
               http_->port());
    return {};
  }

  door::tls_files tls() const { return {options_.certificate, options_.key, options_.ca}; }

  coordinator_options options_;
  door::io_thread io_; // above everything that lives on it
  actor_config config_;
  caf::actor_system system_{config_};
  control::cell cell_;
  dispatcher_actor dispatcher_;
  std::unique_ptr<door::server> server_;
  std::unique_ptr<http::http_server> http_;
  bool stopped_ = false;
};

} // namespace

result<std::unique_ptr<coordinator>> coordinator::open(coordinator_options options) {
  auto out = std::make_unique<running_coordinator>(std::move(options));
  if (auto ok = out->start(); !ok)
    return ok.error();
  return std::unique_ptr<coordinator>{std::move(out)};
}

} // namespace foreshift
