// SPDX-License-Identifier: Apache-2.0
#include "agents/agent/agent.hpp"
#include "agents/agent/version.hpp"
#include "agents/daemon/daemon.hpp"

#include <filesystem>

namespace {

using namespace foreshift;

constexpr const char* help =
    R"(foreshift-agent: one per host. It owns the host's data plane (nbdkit with the
Foreshift plugin), measures the host, learns which extents its guests use, and
copies extents here when a coordinator asks.

Usage: foreshift-agent --config FILE [--stop-plane]

  -c, --config FILE        settings, TOML
      --check-config       read the settings, say what is wrong, and end
      --print-config-example   print a commented file with every key, and end
      --stop-plane         when this agent ends, end the data plane too (guests
                           lose their disks); otherwise it goes on serving and
                           the next agent adopts it
      --version            print the version, and end
  -h, --help               this

To begin:
  foreshift-agent --print-config-example > agent.toml
  edit host.name, host.data and coordinator.address in it
  foreshift-agent --config agent.toml
Guests then attach volumes through the unix socket plane.socket:
  nbdinfo 'nbd+unix:///VOLUME?socket=DATA/run/nbd.sock'

SIGTERM and SIGINT end the agent after it has stored what it knows.
Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 4 data directory in use.
)";

constexpr daemon::face face{"foreshift-agent",     "agent",     help, version,
                            agent_options_example, "stop-plane"};

/// Where the build and the packages put the plugin: beside this program.
std::string plugin_beside() {
  std::error_code ec;
  auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  return (self.parent_path() / "nbdkit-foreshift-plugin.so").string();
}

int run(agent_options options, bool stop_plane) {
  stop_plane = stop_plane || options.plane_stop_with_agent;
  auto opened = agent::open(std::move(options));
  if (!opened)
    return daemon::failed(face, opened.error());
  auto signal = daemon::wait_for_end();
  slog::info("the agent stops signal={} data_plane={}", signal, stop_plane ? "stops" : "stays");
  (*opened)->stop(stop_plane);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  auto read = [](const std::string& path) { return read_agent_options(path, plugin_beside()); };
  return daemon::serve(face, argc, argv, read, run);
}
