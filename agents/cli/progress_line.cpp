// SPDX-License-Identifier: Apache-2.0
#include "agents/cli/progress_line.hpp"

#include "agents/cli/terminal.hpp"
#include "core/base/clock.hpp"

#include <cstdio>
#include <unistd.h>

namespace foreshift::cli {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::size_t bar_columns = 40;

} // namespace

progress_line::progress_line()
    : terminal_(isatty(STDERR_FILENO) == 1), next_ns_(system_clock().monotonic_ns() + second_ns) {}

void progress_line::show(const char* doing, double done) {
  if (!terminal_)
    return;
  auto now_ns = system_clock().monotonic_ns();
  if (now_ns < next_ns_)
    return;
  next_ns_ = now_ns + second_ns / 8;
  std::fprintf(stderr, "\r\x1b[K%s %s %3.0f %%", bar(done, bar_columns).c_str(), doing, 100 * done);
  drawn_ = true;
}

void progress_line::clear() {
  if (drawn_)
    std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

} // namespace foreshift::cli
