// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diagnosis/evidence.hpp"

#include <optional>
#include <string>
#include <vector>

namespace foreshift::diagnosis {

enum class verdict { ok, warn, fail };

/// Something that may be done about a finding without anybody being asked: it frees only what
/// nothing names, or takes away only what others hold.
struct remedy {
  enum class kind {
    sweep,     ///< Free orphans of `volume` at `host`.
    reopen,    ///< Leave `host` out of the map, empty its failed replica and let it return.
    leave_out, ///< Leave `host` out of the map, so that it returns by resynchronisation.
    adopt,     ///< Make the map known to the primary again.
    unwatch,   ///< Forget notes since map version `since`.
  };
  kind what = kind::sweep;
  std::uint64_t volume = 0;
  std::string host;
  std::uint64_t since = 0;

  friend bool operator==(const remedy&, const remedy&) = default;
};

struct finding {
  std::string check;   ///< "versions", "clocks", ...
  std::string subject; ///< "host a", "volume vm1"; empty: the whole cell.
  verdict how = verdict::ok;
  std::string reason;
  std::string advice; ///< What to do; empty: nothing.
  std::optional<remedy> cure;
};

/// Every check over the evidence, in a fixed order; one that finds nothing wrong gives one finding
/// that says what it looked at. A pure function.
std::vector<finding> examine(const evidence& x);

} // namespace foreshift::diagnosis
