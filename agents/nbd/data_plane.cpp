// SPDX-License-Identifier: Apache-2.0
#include "agents/nbd/data_plane.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/base/units.hpp"
#include "core/volume/nbd_link.hpp"

#include <algorithm>
#include <array>

namespace foreshift {

namespace {

constexpr std::string_view known_keys =
    "data, host, door, peer-door, peer-door-cert, peer-door-key, peer-door-ca, peer-tls, reserve, "
    "hold, peer-timeout, access-log";

} // namespace

result<void> data_plane_options::set(const std::string& key, const std::string& value) {
  if (key == "reserve") {
    auto bytes = parse_bytes(value);
    if (!bytes)
      return fault{errc::invalid, key + "=" + value + ": " + bytes.error().detail};
    reserve = *bytes;
    return {};
  }
  if (key == "hold" || key == "peer-timeout") {
    auto span = parse_duration(value);
    if (!span)
      return fault{errc::invalid, key + "=" + value + ": " + span.error().detail};
    (key == "hold" ? hold : peer_timeout) = *span;
    return {};
  }
  if (key == "access-log") {
    if (value != "on" && value != "off")
      return fault{errc::invalid, "access-log=" + value + ": must be on or off"};
    access_log = value == "on";
    return {};
  }
  const std::array<std::pair<std::string_view, std::string*>, 8> texts{
      {{"data", &data},
       {"host", &host},
       {"door", &door},
       {"peer-door", &peer_door},
       {"peer-door-cert", &peer_door_tls.certificate},
       {"peer-door-key", &peer_door_tls.key},
       {"peer-door-ca", &peer_door_tls.ca},
       {"peer-tls", &peer_tls}}};
  for (const auto& [name, out] : texts) {
    if (name != key)
      continue;
    if (value.empty())
      return fault{errc::invalid, key + "= must not be empty"};
    *out = value;
    return {};
  }
  return fault{errc::invalid, "unknown key '" + key + "'; known keys: " + std::string{known_keys}};
}

result<void> data_plane_options::check() const {
  if (data.empty())
    return fault{errc::invalid, "data=DIR is missing: where this host keeps its extents"};
  if (host.empty())
    return fault{errc::invalid, "host=NAME is missing: the name of this host in the cell"};
  if (!valid_host_name(host))
    return fault{errc::invalid, "host=" + host + ": a host name is [a-z0-9][a-z0-9.-]*"};
  if (door.empty())
    return fault{errc::invalid, "door=unix:PATH is missing: where the agent asks this data plane"};
  if (!door.starts_with("unix:"))
    return fault{errc::invalid, "door=" + door + ": this door is a unix socket, unix:PATH"};
  if (peer_door.empty())
    return fault{errc::invalid,
                 "peer-door=ADDRESS:PORT is missing: where other planes ask this one"};
  const auto& tls = peer_door_tls;
  if (!tls.empty() && (tls.certificate.empty() || tls.key.empty() || tls.ca.empty()))
    return fault{errc::invalid, "peer-door-cert=, peer-door-key= and peer-door-ca= go together"};
  return {};
}

result<std::unique_ptr<data_plane>> data_plane::open(const data_plane_options& options) {
  std::unique_ptr<data_plane> out{new data_plane};
  out->options_ = options;
  auto store = extent_store::open({options.data, options.reserve});
  if (!store)
    return store.error();
  out->store_ = *std::move(store);
  out->io_ = std::make_unique<door::io_thread>();
  plane_options plane;
  plane.host = options.host;
  plane.directory = options.data;
  plane.hold = options.hold;
  plane.log_capacity = options.access_log ? plane.log_capacity : 0;
  plane.tls = options.peer_door_tls;
  plane.peer_nbd.tls_directory = options.peer_tls;
  plane.peer_nbd.io_timeout = options.peer_timeout;
  plane.peer_nbd.connect_timeout = std::min(options.peer_timeout, plane.peer_nbd.connect_timeout);
  auto links = [link = plane.peer_nbd](const link_target& target) {
    return make_nbd_link(target, link);
  };
  auto opened = foreshift::plane::open(plane, *out->store_, *out->io_, links, system_clock());
  if (!opened)
    return opened.error();
  out->plane_ = *std::move(opened);
  out->service_ = std::make_unique<plane_service>(*out->plane_);
  auto serve = [service = out->service_.get()](plane_door through) {
    return [service, through](door::envelope request, const door::peer& from, door::answer reply) {
      service->handle(through, std::move(request), from, std::move(reply));
    };
  };
  door::server_options agent;
  agent.address = options.door;
  auto agent_door = door::server::open(*out->io_, agent, serve(plane_door::agent));
  if (!agent_door)
    return agent_door.error();
  out->agent_door_ = *std::move(agent_door);
  door::server_options peers;
  peers.address = options.peer_door;
  peers.tls = options.peer_door_tls;
  auto peer_door = door::server::open(*out->io_, peers, serve(plane_door::peer));
  if (!peer_door)
    return peer_door.error();
  out->peer_door_ = *std::move(peer_door);
  slog::info("data plane serves host={} data={} door={} peer_door={}", options.host, options.data,
             options.door, options.peer_door);
  return out;
}

} // namespace foreshift
