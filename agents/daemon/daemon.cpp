// SPDX-License-Identifier: Apache-2.0
#include "agents/daemon/daemon.hpp"

#include <csignal>
#include <cstdio>
#include <getopt.h>
#include <sys/stat.h>

namespace foreshift::daemon {

namespace {

sigset_t ends() {
  sigset_t all;
  sigemptyset(&all);
  sigaddset(&all, SIGTERM);
  sigaddset(&all, SIGINT);
  return all;
}

int usage(const face& of, const std::string& why) {
  std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", of.name, why.c_str(), of.name);
  return exit_code(errc::invalid);
}

} // namespace

arguments parse(const face& of, int argc, char** argv, std::optional<int>& done) {
  enum : int { check = 256, example, extra, show_version };
  const option options[] = {
      {"config", required_argument, nullptr, 'c'},
      {"check-config", no_argument, nullptr, check},
      {"print-config-example", no_argument, nullptr, example},
      {"version", no_argument, nullptr, show_version},
      {"help", no_argument, nullptr, 'h'},
      {*of.extra_switch ? of.extra_switch : nullptr, no_argument, nullptr, extra},
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
    case extra:
      wanted.extra = true;
      break;
    case example:
      std::fputs(of.example().c_str(), stdout);
      done = 0;
      return wanted;
    case show_version:
      std::printf("%s %s\n", of.name, of.version);
      done = 0;
      return wanted;
    case 'h':
      std::fputs(of.help, stdout);
      done = 0;
      return wanted;
    default:
      // getopt_long has said which.
      std::fprintf(stderr, "Try '%s --help'.\n", of.name);
      done = exit_code(errc::invalid);
      return wanted;
    }
  }
  if (optind < argc)
    done = usage(of, std::string{"unexpected argument '"} + argv[optind] + "'");
  else if (wanted.config.empty())
    done = usage(of, "--config FILE is missing");
  return wanted;
}

int failed(const face& of, const fault& why) {
  std::fprintf(stderr, "%s: %s\n", of.name, why.detail.c_str());
  return exit_code(why.code);
}

result<void> begin(const face& of, const std::string& log_level) {
  auto blocked = ends();
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  umask(0077);
  return start_log(of.subject, log_level);
}

int wait_for_end() {
  auto awaited = ends();
  int signal = 0;
  sigwait(&awaited, &signal);
  return signal;
}

} // namespace foreshift::daemon
