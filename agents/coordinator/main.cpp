// SPDX-License-Identifier: Apache-2.0
#include "agents/coordinator/coordinator.hpp"
#include "agents/daemon/daemon.hpp"

namespace {

using namespace foreshift;

constexpr const char* help =
    R"(foreshift-coordinator: one per cell. It keeps the truth about hosts, volumes,
leases and placement, predicts with the agents where data will be used, moves it
there, and hands volumes over.

Usage: foreshift-coordinator --config FILE

  -c, --config FILE        settings, TOML
      --check-config       read the settings, say what is wrong, and end
      --print-config-example   print a commented file with every key, and end
      --version            print the version, and end
  -h, --help               this

To begin:
  foreshift-coordinator --print-config-example > coordinator.toml
  edit data in it
  foreshift-coordinator --config coordinator.toml
Agents then join by their coordinator.address; 'foreshift status' shows the cell.

SIGTERM and SIGINT end it; volumes go on being served, and what it was doing is
resumed at the next start.
Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 4 data directory in use.
)";

constexpr daemon::face face{"foreshift-coordinator", "coordinator", help, coordinator_version,
                            coordinator_options_example};

int run(coordinator_options options, bool) {
  auto opened = coordinator::open(std::move(options));
  if (!opened)
    return daemon::failed(face, opened.error());
  auto signal = daemon::wait_for_end();
  slog::info("the coordinator stops signal={}", signal);
  (*opened)->stop();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  return daemon::serve(face, argc, argv, read_coordinator_options, run);
}
