// SPDX-License-Identifier: Apache-2.0
#include "agents/coordinator/coordinator.hpp"
#include "core/base/log.hpp"

#include <csignal>
#include <cstdio>
#include <getopt.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

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

int usage(const std::string& why) {
  std::fprintf(stderr, "foreshift-coordinator: %s\nTry 'foreshift-coordinator --help'.\n",
               why.c_str());
  return exit_code(errc::invalid);
}

int failed(const fault& why) {
  std::fprintf(stderr, "foreshift-coordinator: %s\n", why.detail.c_str());
  return exit_code(why.code);
}

int run(coordinator_options options) {
  // Before the first thread exists, so that every thread inherits it and only `sigwait` sees them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  umask(0077);
  if (auto ok = start_log("coordinator", options.log_level); !ok)
    return failed(ok.error());
  auto opened = coordinator::open(std::move(options));
  if (!opened)
    return failed(opened.error());
  int signal = 0;
  sigwait(&ends, &signal);
  slog::info("the coordinator stops signal={}", signal);
  (*opened)->stop();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  enum : int { check = 256, example, show_version };
  static const option options[] = {{"config", required_argument, nullptr, 'c'},
                                   {"check-config", no_argument, nullptr, check},
                                   {"print-config-example", no_argument, nullptr, example},
                                   {"version", no_argument, nullptr, show_version},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
  std::string config;
  bool only_check = false;
  for (int got = 0; (got = getopt_long(argc, argv, "c:h", options, nullptr)) != -1;) {
    switch (got) {
    case 'c':
      config = optarg;
      break;
    case check:
      only_check = true;
      break;
    case example:
      std::fputs(coordinator_options_example().c_str(), stdout);
      return 0;
    case show_version:
      std::printf("foreshift-coordinator %s\n", coordinator_version);
      return 0;
    case 'h':
      std::fputs(help, stdout);
      return 0;
    default:
      // getopt_long has said which.
      std::fputs("Try 'foreshift-coordinator --help'.\n", stderr);
      return exit_code(errc::invalid);
    }
  }
  if (optind < argc)
    return usage(std::string{"unexpected argument '"} + argv[optind] + "'");
  if (config.empty())
    return usage("--config FILE is missing");
  auto settings = read_coordinator_options(config);
  if (!settings)
    return failed(settings.error());
  if (only_check) {
    std::printf("%s: ok\n", config.c_str());
    return 0;
  }
  return run(*std::move(settings));
}
