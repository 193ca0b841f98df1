// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/session.hpp"

#include <csignal>

namespace foreshift::cli {

session::session(options o) : options_(std::move(o)) {}

session session::elsewhere(const std::string& address) const {
  auto there = options_;
  there.coordinator = address;
  return session{there};
}

session::~session() = default;

door::client& session::client() {
  if (client_ == nullptr) {
    // Ctrl-C belongs to the command's own thread: the door's thread starts with it blocked.
    sigset_t interrupts, before;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &interrupts, &before);
    io_ = std::make_unique<door::io_thread>();
    client_ = door::client::open(*io_, {options_.coordinator, options_.tls, options_.server_name});
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  return *client_;
}

int session::fail(const fault& why) const {
  std::fprintf(stderr, "foreshift: %s\n", why.detail.c_str());
  std::string hint;
  switch (why.code) {
  case errc::unreachable:
    hint = "is foreshift-coordinator running at " + options_.coordinator
           + "? Name another with -C ADDRESS or FORESHIFT_COORDINATOR; volumes keep serving I/O "
             "meanwhile";
    break;
  case errc::timeout:
    hint = "the work may still be going on: see 'foreshift task list' and 'foreshift events'";
    break;
  case errc::not_found:
    hint = "see 'foreshift volume list', 'foreshift host list' and 'foreshift task list --all'";
    break;
  case errc::busy:
    hint = "see 'foreshift task list'";
    break;
  default:
    break;
  }
  if (!hint.empty())
    std::fprintf(stderr, "hint: %s\n", hint.c_str());
  return exit_code(why.code);
}

} // namespace foreshift::cli
