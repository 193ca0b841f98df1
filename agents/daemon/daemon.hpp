// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.hpp"
#include "core/base/result.hpp"

#include <cstdio>
#include <optional>
#include <string>

namespace foreshift::daemon {

/// What a program says of itself.
struct face {
  const char* name;    ///< "foreshift-agent"
  const char* subject; ///< "agent", in its log.
  const char* help;
  const char* version;
  std::string (*example)();      ///< A commented settings file.
  const char* extra_switch = ""; ///< One more flag without an argument.
};

/// A command line that asks to run, or to check settings.
struct arguments {
  std::string config;
  bool check = false;
  bool extra = false; ///< `extra_switch` was given.
};

/// Reads the command line. What needs no settings (help, version, example, wrong usage) is done
/// here; then the exit code is in `done`.
arguments parse(const face& of, int argc, char** argv, std::optional<int>& done);

/// Prints why to standard error; returns the exit code.
int failed(const face& of, const fault& why);

/// Signals that end the program are only seen by `wait_for_end` from now on. Call it before the
/// first thread exists; starts the log.
result<void> begin(const face& of, const std::string& log_level);

/// Returns the signal.
int wait_for_end();

/// The whole of `main`: `read(config)` gives the settings, `run(settings, extra)` opens, waits and
/// stops, and returns the exit code.
template <class Read, class Run>
int serve(const face& of, int argc, char** argv, Read&& read, Run&& run) {
  std::optional<int> done;
  auto wanted = parse(of, argc, argv, done);
  if (done)
    return *done;
  auto settings = read(wanted.config);
  if (!settings)
    return failed(of, settings.error());
  if (wanted.check) {
    std::printf("%s: ok\n", wanted.config.c_str());
    return 0;
  }
  if (auto ok = begin(of, settings->log_level); !ok)
    return failed(of, ok.error());
  return run(*std::move(settings), wanted.extra);
}

} // namespace foreshift::daemon
