// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"
#include "core/forecast/forecaster.hpp"
#include "schemas/access.capnp.h"
#include "schemas/agent.capnp.h"
#include "schemas/forecast.capnp.h"
#include "schemas/plane.capnp.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace foreshift {

struct forecast_book_options {
  std::string host;
  std::chrono::milliseconds window{1000};
  std::chrono::milliseconds horizon{60'000};
  std::size_t extents_reported_max = 4096;
  std::uint64_t memory_bytes_max = 512u << 20;     ///< Of all forecasters, roughly.
  std::chrono::milliseconds forget_after{300'000}; ///< Not primary here for so long: leave memory.
};

/// Of a forecaster, per extent it knows: measured with every expert and the LSTM, rounded up.
inline constexpr std::uint64_t forecast_extent_bytes = 320;

/// The forecasters of a host, one per volume that is or was primary here; all together know no more
/// extents than fit into their memory, the same number for each, and forget the coldest. Pure: time
/// comes from the caller (wall clock, milliseconds). One thread.
class forecast_book {
public:
  explicit forecast_book(forecast_book_options options) : options_(std::move(options)) {}

  /// Learns which volumes are primary here and how large they are.
  void learn(schema::PlaneStatus::Reader status, std::int64_t now_ms);

  /// What the VCIs of open volumes do. Several of one volume count together.
  void notice(schema::HostReport::Reader report);

  /// Volumes that are primary here, or in `log`, whose forecaster is not open yet.
  std::vector<std::uint64_t> unopened(const packet<schema::PlaneLog>& log) const;
  std::vector<std::uint64_t> unopened() const;

  bool is_open(std::uint64_t volume) const { return open_.contains(volume); }

  /// Opens a volume's forecaster, from what it knew if there is a state. A state that does not load
  /// is reported and the forecaster starts empty.
  result<void> open(std::uint64_t volume, const packet<schema::ForecastState>* state);

  /// Feeds accesses of open volumes; others are ignored.
  void observe(const packet<schema::PlaneLog>& log);

  /// Predictions for every volume that is primary here.
  std::vector<packet<schema::ForecastReport>> predict(std::int64_t now_ms);

  /// `not_found` when the volume is not open.
  result<packet<schema::ForecastState>> save(std::uint64_t volume) const;

  /// Replaces what an open forecaster knows. `not_found`, `malformed`.
  result<void> load(const packet<schema::ForecastState>& state);

  /// Volumes that changed since they were last marked as kept.
  std::vector<std::uint64_t> changed() const;
  void kept(std::uint64_t volume, std::uint64_t change);
  std::uint64_t change(std::uint64_t volume) const;

  /// Another horizon; what was learned stays.
  void set_horizon(std::chrono::milliseconds horizon);

private:
  struct geometry {
    std::uint64_t size_bytes = 0;
    std::uint32_t extent_bytes = 0;
    bool primary = false;
    std::int64_t primary_ms = 0; ///< When it was last seen primary.
  };
  struct entry {
    std::unique_ptr<forecaster> engine;
    std::int64_t last_ms = 0; ///< Accesses never go back in time.
    std::uint64_t changes = 0;
    std::uint64_t kept = 0;
  };

  std::unique_ptr<forecaster> make(const geometry& of) const;
  std::size_t extents_max() const;
  void make_room();
  void remake(const char* what);
  void observe(entry& into, schema::AccessBatch::Reader batch);

  forecast_book_options options_;
  std::size_t shares_ = 1; ///< Into which the memory is cut: a power of two.
  std::map<std::uint64_t, geometry> known_;
  std::map<std::uint64_t, entry> open_;
};

} // namespace foreshift
