// SPDX-License-Identifier: Apache-2.0
#include "agents/nbd/data_plane.hpp"

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/base/units.hpp"
#include "core/volume/nbd_link.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace foreshift {

namespace {

constexpr std::string_view known_keys =
    "data, host, door, peer-door, peer-door-cert, peer-door-key, peer-door-ca, peer-tls, reserve, "
    "hold, peer-timeout, copy-slowdown, copy-rate-min, scrub-light, scrub-full,"
    " scrub-rate, access-log";

template <class Value>
result<void> set_parsed(const std::string& key, const std::string& text, result<Value> parsed,
                        Value& out) {
  if (!parsed)
    return fault{errc::invalid, key + "=" + text + ": " + parsed.error().detail};
  out = *parsed;
  return {};
}

/// "1" to "100".
result<std::uint64_t> parse_percent(const std::string& text) {
  std::uint64_t out = 0;
  auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (why != std::errc{} || end != text.data() + text.size() || out < 1 || out > 100)
    return fault{errc::invalid, "must be a whole number from 1 to 100"};
  return out;
}

} // namespace

result<void> data_plane_options::set(const std::string& key, const std::string& value) {
  if (auto* out = key == "reserve"         ? &reserve
                  : key == "copy-rate-min" ? &copy_rate_min
                  : key == "scrub-rate"    ? &scrubbing.rate_bytes
                                           : nullptr)
    return set_parsed(key, value, parse_bytes(value), *out);
  if (auto* out = key == "hold"           ? &hold
                  : key == "peer-timeout" ? &peer_timeout
                  : key == "scrub-light"  ? &scrubbing.light_every
                  : key == "scrub-full"   ? &scrubbing.full_every
                                          : nullptr)
    return set_parsed(key, value, parse_duration(value), *out);
  if (key == "copy-slowdown")
    return set_parsed(key, value, parse_percent(value), copy_slowdown);
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
  if (copy_rate_min == 0)
    return fault{errc::invalid, "copy-rate-min= must be more than 0"};
  return {};
}

slowdown_options data_plane_options::copies() const {
  slowdown_options out;
  out.tolerated = static_cast<double>(copy_slowdown) / 100;
  out.rate_min = std::min(static_cast<double>(copy_rate_min), out.rate_max);
  out.rate_start = std::max(out.rate_start, out.rate_min);
  return out;
}

result<std::unique_ptr<data_plane>> data_plane::open(const data_plane_options& options) {
  std::unique_ptr<data_plane> out{new data_plane};
  out->options_ = options;
  // Ending is no worse than a crash, and the agent starts the next process.
  auto end = [](const fault&) { std::_Exit(1); };
  auto store = extent_store::open({options.data, options.reserve, nullptr, end});
  if (!store)
    return store.error();
  out->store_ = *std::move(store);
  out->io_ = std::make_unique<door::io_thread>();
  plane_options plane;
  plane.host = options.host;
  plane.directory = options.data;
  plane.hold = options.hold;
  plane.copies = options.copies();
  plane.scrubbing = options.scrubbing;
  plane.log_capacity = options.access_log ? plane.log_capacity : 0;
  plane.tls = options.peer_door_tls;
  plane.peer_nbd.tls_directory = options.peer_tls;
  plane.peer_nbd.io_timeout = options.peer_timeout;
  plane.peer_nbd.connect_timeout = std::min(options.peer_timeout, plane.peer_nbd.connect_timeout);
  auto sessions = session_numbers(*out->store_);
  if (!sessions)
    return sessions.error();
  plane.peer_nbd.sessions = *std::move(sessions);
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
