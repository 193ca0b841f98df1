// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/trace/trace_request.hpp"

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Kinds of generated traces.
enum class workload_kind : std::uint8_t {
  streams, ///< A dozen slow sequential streams over data not touched before, little else.
  zipf,    ///< Hot clusters of Zipf popularity that drifts.
  daily,   ///< The same jobs at the same hours every day over a quiet base.
  scan,    ///< A hot set, and a scan of the whole volume now and then.
  boot,    ///< Several machines boot from one image at once, again and again.
};

/// All names, comma-separated.
std::string workload_names();
/// `invalid`, with the names there are, for anything else.
result<workload_kind> parse_workload(std::string_view name);

struct workload_options {
  workload_kind kind = workload_kind::streams;
  std::int64_t span_us = 4 * 3600'000'000ll;
  std::uint64_t size_bytes = 64ull << 30; ///< Of the volume; at least 1 GiB.
  std::uint64_t seed = 1;
};

/// The generators' randomness: the same on every machine, unlike the standard's distributions.
class workload_random {
public:
  explicit workload_random(std::uint64_t seed) : bits_(seed) {}

  std::uint64_t below(std::uint64_t end) { return bits_() % end; }
  double uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  /// Between the two, evenly in the logarithm.
  double scaled(double least, double most);
  /// Exponential, with this mean.
  double wait(double mean);

private:
  std::mt19937_64 bits_;
};

/// One of the activities of which a workload consists.
class workload_part {
public:
  virtual ~workload_part() = default;
  /// The part's next request, and moves on behind it. Times never go back.
  virtual trace_request take(workload_random& random) = 0;

  std::int64_t next_us = 0; ///< When its next request comes.
};

/// Generates requests in the order of their times, the same for the same options. One thread.
class workload {
public:
  /// `invalid` when the span is empty or the volume below 1 GiB.
  static result<workload> make(const workload_options& options);

  /// False when the span is over.
  bool next(trace_request& out);

private:
  explicit workload(const workload_options& options) : options_(options), random_(options.seed) {}

  workload_options options_;
  workload_random random_;
  std::vector<std::unique_ptr<workload_part>> parts_;
};

/// The parts of each kind, in a fixed order.
std::vector<std::unique_ptr<workload_part>> make_parts(const workload_options& options,
                                                       workload_random& random);

} // namespace foreshift
