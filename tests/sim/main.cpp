// SPDX-License-Identifier: Apache-2.0
// foreshift_sim: runs seeds, each in a process of its own made from the same untouched one.
#include "core/base/log.hpp"
#include "tests/sim/counts.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/scenario.hpp"

#include <malloc.h>
#include <sched.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <string_view>

#ifdef FORESHIFT_BUGS
#include "tests/sim/bugs.hpp"
#endif

namespace {

using namespace foreshift;
using namespace foreshift::sim;

constexpr unsigned wall_s_max = 120; ///< A seed that takes longer is stuck.

struct arguments {
  std::uint64_t first = 1;
  std::uint64_t last = 20;
  std::uint64_t step = 1;
  bool verbose = false;
  bool hashes = false;
  bool stop = false;   ///< At the first seed that fails.
  bool silent = false; ///< Failing is what is expected.
  bool log = false;    ///< What the product logs, between the lines of the trace.
  std::string_view bug;
  bool every_bug = false;
};

/// Without a lock: a lock would be one more place where threads switch.
class trace_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  void sink_it_(const spdlog::details::log_msg& what) override {
    std::printf("%12.6f %-12s   log: %.*s\n",
                double(kernel::active() ? kernel::now_ns() : 0) / double(second),
                kernel::active() ? kernel::current()->name.c_str() : "",
                static_cast<int>(what.payload.size()), what.payload.data());
  }
  void flush_() override {}
};

struct tally {
  std::uint64_t runs = 0;
  std::uint64_t failures = 0;
  std::uint64_t last_failure = 0;
};

[[noreturn]] void run_seed(std::uint64_t seed, const arguments& how) {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &here);
  ::sched_setaffinity(0, sizeof here, &here); // a turn passes faster within one processor
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(wall_s_max);
  if (how.silent) [[maybe_unused]]
    auto* closed = std::freopen("/dev/null", "w", stdout);
  kernel::start({seed, how.verbose});
  net::reset();
  scenario{}.run();
  if (how.hashes)
    std::printf("seed %llu trace %016llx switches %llu\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(kernel::trace_hash()),
                static_cast<unsigned long long>(kernel::switches()));
  kernel::finish(0, "");
}

/// Allocates nothing, so that every seed finds the same memory.
tally run_seeds(const arguments& how) {
  tally out;
  for (auto seed = how.first; seed <= how.last; seed += how.step) {
    auto child = ::fork();
    if (child == 0)
      run_seed(seed, how);
    int status = 0;
    ::waitpid(child, &status, 0);
    ++out.runs;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
      continue;
    ++out.failures;
    out.last_failure = seed;
    if (WIFSIGNALED(status) && !how.silent)
      ::dprintf(1, "seed %llu: ended by signal %d\n", static_cast<unsigned long long>(seed),
                WTERMSIG(status));
    if (how.stop)
      break;
  }
  return out;
}

#ifdef FORESHIFT_BUGS
/// A seed that fails with the bug and passes without it.
bool finds(arguments how, std::string_view name, std::uint64_t seed) {
  how.first = how.last = seed;
  plant(name);
  if (run_seeds(how).failures == 0)
    return false;
  plant(no_bug);
  if (run_seeds(how).failures != 0)
    return false;
  ::dprintf(1, "%-26s found by seed %llu\n", name.data(), static_cast<unsigned long long>(seed));
  return true;
}

/// Every bug that is demanded must be found. The seeds that found one before are tried first; since
/// any change gives seeds another meaning, all others follow.
int find_bugs(arguments how) {
  how.silent = true;
  auto bugs = planted_bugs();
  bool known[64] = {};
  auto missing = static_cast<std::size_t>(
      std::count_if(bugs.begin(), bugs.end(), [](const auto& x) { return x.demanded; }));
  auto try_seed = [&](std::size_t i, std::uint64_t seed) {
    if (known[i] || !finds(how, bugs[i].name, seed))
      return;
    known[i] = true;
    missing -= bugs[i].demanded ? 1 : 0;
  };
  for (std::size_t i = 0; i < bugs.size(); ++i)
    for (auto seed : bugs[i].seeds)
      if (seed != 0)
        try_seed(i, seed);
  for (auto seed = how.first; seed <= how.last && missing > 0; seed += how.step)
    for (std::size_t i = 0; i < bugs.size(); ++i)
      try_seed(i, seed);
  for (std::size_t i = 0; i < bugs.size(); ++i)
    if (!known[i])
      ::dprintf(1, "%-26s %s\n", bugs[i].name.data(),
                bugs[i].demanded ? "NOT FOUND" : "not found so far");
  return missing == 0 ? 0 : 1;
}
#endif

/// Addresses must not differ between runs: some containers are ordered by them.
void fix_addresses(char** argv) {
  auto now = ::personality(0xffffffff);
  if ((now & ADDR_NO_RANDOMIZE) == 0
      && ::personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE) != -1)
    ::execv("/proc/self/exe", argv);
}

bool parse(int argc, char** argv, arguments& out) {
  for (int i = 1; i < argc; ++i) {
    std::string_view x = argv[i];
    auto text = [&] { return i + 1 < argc ? argv[++i] : "0"; };
    auto number = [&] { return std::strtoull(text(), nullptr, 10); };
    if (x == "--seed") {
      out.first = out.last = number();
      out.verbose = true;
    } else if (x == "--first") {
      out.first = number();
    } else if (x == "--last") {
      out.last = number();
    } else if (x == "--step") {
      out.step = number();
    } else if (x == "--hashes") {
      out.hashes = true;
    } else if (x == "--stop") {
      out.stop = true;
    } else if (x == "--quiet") {
      out.verbose = false;
    } else if (x == "--log") {
      out.log = true;
    } else if (x == "--bug") {
      out.bug = text();
    } else if (x == "--every-bug") {
      out.every_bug = true;
    } else {
      return false;
    }
  }
  return out.step > 0;
}

bool choose_bug([[maybe_unused]] const arguments& how) {
#ifdef FORESHIFT_BUGS
  return how.bug.empty() || plant(how.bug);
#else
  return how.bug.empty() && !how.every_bug;
#endif
}

} // namespace

int main(int argc, char** argv) {
  fix_addresses(argv);
  arguments how;
  if (!parse(argc, argv, how) || !choose_bug(how)) {
    std::fputs("usage: foreshift_sim [--seed N [--quiet]] [--first N] [--last N] [--step N]\n"
               "                     [--hashes] [--stop] [--log]\n"
               "       foreshift_sim_bugs ... [--bug NAME | --every-bug]\n",
               stderr);
    return 2;
  }
  ::mallopt(M_ARENA_MAX, 1);
  if (how.log)
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("sim", std::make_shared<trace_sink>()));
  slog::set_level(how.log ? slog::level::debug : slog::level::off);
#ifdef FORESHIFT_BUGS
  if (how.every_bug)
    return find_bugs(how);
#endif
  auto began = ::time(nullptr);
  counts::share();
  auto got = run_seeds(how);
  counts::print();
  ::dprintf(1, "%llu seeds, %llu failed, %lld s\n", static_cast<unsigned long long>(got.runs),
            static_cast<unsigned long long>(got.failures),
            static_cast<long long>(::time(nullptr) - began));
  return got.failures == 0 ? 0 : 1;
}
