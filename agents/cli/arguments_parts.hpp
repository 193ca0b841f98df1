// SPDX-License-Identifier: Apache-2.0
// Only the arguments' own sources include this: CLI11 is slow to compile.
#pragma once

#include "agents/cli/session.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace foreshift::cli {

/// The command line as read so far: global options and the command to run.
struct parsed {
  options global;
  std::string output = "table";
  std::function<int(session&)> command;
};

/// Adds a command. `declare(sub, args)` binds its arguments to `args`, `act(session, args)` runs
/// it.
template <class Args, class Declare, class Act>
void command(CLI::App& parent, parsed& p, const char* name, const char* what, const char* example,
             Declare&& declare, Act act) {
  auto* sub = parent.add_subcommand(name, what);
  sub->footer(std::string{"Example:\n  "} + example);
  sub->fallthrough();
  auto args = std::make_shared<Args>();
  declare(*sub, *args);
  sub->callback([&p, args, act] { p.command = [args, act](session& s) { return act(s, *args); }; });
}

struct no_args {};
struct name_args {
  std::string name;
};
struct to_args {
  std::string name, to, budget;
  bool force = false;
};
struct leave_args {
  std::string name, to;
  bool lost = false, no_wait = false;
};
struct number_args {
  std::uint64_t id = 0;
  std::uint32_t limit = 100;
  bool flag = false;
};

inline CLI::App& group(CLI::App& app, const char* name, const char* what) {
  auto* sub = app.add_subcommand(name, what);
  sub->require_subcommand(1);
  sub->fallthrough();
  return *sub;
}

/// What looks at things and changes none: simulate, trace, doctor, check-history.
void add_rest(CLI::App& app, parsed& p);

} // namespace foreshift::cli
