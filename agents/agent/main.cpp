// SPDX-License-Identifier: Apache-2.0
#include "agents/agent/agent.hpp"
#include "agents/agent/version.hpp"
#include "core/base/log.hpp"

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <getopt.h>
#include <string>
#include <sys/stat.h>

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

struct arguments {
  std::string config;
  bool check = false;
  bool stop_plane = false;
};

int usage(const std::string& why) {
  std::fprintf(stderr, "foreshift-agent: %s\nTry 'foreshift-agent --help'.\n", why.c_str());
  return exit_code(errc::invalid);
}

int failed(const fault& why) {
  std::fprintf(stderr, "foreshift-agent: %s\n", why.detail.c_str());
  return exit_code(why.code);
}

/// Where the build and the packages put the plugin: beside this program.
std::string plugin_beside() {
  std::error_code ec;
  auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  return (self.parent_path() / "nbdkit-foreshift-plugin.so").string();
}

int run(agent_options options, bool stop_plane) {
  // Before the first thread exists, so that every thread inherits it and only `sigwait` sees them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  umask(0077);
  if (auto ok = start_log("agent", options.log_level); !ok)
    return failed(ok.error());
  stop_plane = stop_plane || options.plane_stop_with_agent;
  auto opened = agent::open(std::move(options));
  if (!opened)
    return failed(opened.error());
  int signal = 0;
  sigwait(&ends, &signal);
  slog::info("the agent stops signal={} data_plane={}", signal, stop_plane ? "stops" : "stays");
  (*opened)->stop(stop_plane);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  enum : int { check = 256, example, stop_plane, show_version };
  static const option options[] = {{"config", required_argument, nullptr, 'c'},
                                   {"check-config", no_argument, nullptr, check},
                                   {"print-config-example", no_argument, nullptr, example},
                                   {"stop-plane", no_argument, nullptr, stop_plane},
                                   {"version", no_argument, nullptr, show_version},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
  arguments wanted;
  for (int got = 0; (got = getopt_long(argc, argv, "c:h", options, nullptr)) != -1;) {
    switch (got) {
    case 'c':
      wanted.config = optarg;
      break;
    case check:
      wanted.check = true;
      break;
    case stop_plane:
      wanted.stop_plane = true;
      break;
    case example:
      std::fputs(agent_options_example().c_str(), stdout);
      return 0;
    case show_version:
      std::printf("foreshift-agent %s\n", version);
      return 0;
    case 'h':
      std::fputs(help, stdout);
      return 0;
    default:
      // getopt_long has said which.
      std::fputs("Try 'foreshift-agent --help'.\n", stderr);
      return exit_code(errc::invalid);
    }
  }
  if (optind < argc)
    return usage(std::string{"unexpected argument '"} + argv[optind] + "'");
  if (wanted.config.empty())
    return usage("--config FILE is missing");
  auto settings = read_agent_options(wanted.config, plugin_beside());
  if (!settings)
    return failed(settings.error());
  if (wanted.check) {
    std::printf("%s: ok\n", wanted.config.c_str());
    return 0;
  }
  return run(*std::move(settings), wanted.stop_plane);
}
