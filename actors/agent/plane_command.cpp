// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/plane_command.hpp"

#include <fmt/format.h>

namespace foreshift {

namespace {

std::string span(std::chrono::milliseconds x) {
  return x.count() % 1000 == 0 ? fmt::format("{}s", x.count() / 1000)
                               : fmt::format("{}ms", x.count());
}

} // namespace

std::vector<std::string> plane_command(const plane_process_options& options) {
  std::vector<std::string> out{options.nbdkit, "-f", "-t", std::to_string(options.threads)};
  bool tls = !options.certificate.empty();
  if (tls) {
    // "on", not "require": guests on the unix socket speak plain NBD, the plugin refuses plain
    // peers.
    out.insert(out.end(),
               {"--tls=on", "--tls-certificates=" + options.tls_dir(), "--tls-verify-peer"});
  }
  out.push_back(options.plugin);
  out.push_back("data=" + options.plane_data());
  out.push_back("host=" + options.host);
  out.push_back("door=unix:" + options.door_socket());
  out.push_back("peer-door=" + options.door);
  out.push_back(fmt::format("reserve={}", options.reserve_bytes));
  out.push_back("hold=" + span(options.hold));
  out.push_back("peer-timeout=" + span(options.peer_timeout));
  out.push_back(fmt::format("copy-slowdown={}", options.copy_slowdown));
  out.push_back(fmt::format("copy-rate-min={}", options.copy_rate_min));
  out.push_back(options.access_log ? "access-log=on" : "access-log=off");
  if (tls) {
    out.push_back("peer-door-cert=" + options.certificate);
    out.push_back("peer-door-key=" + options.key);
    out.push_back("peer-door-ca=" + options.ca);
    out.push_back("peer-tls=" + options.tls_dir());
  }
  return out;
}

} // namespace foreshift
