// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/codec/packet.hpp"
#include "schemas/plane.capnp.h"
#include "schemas/telemetry.capnp.h"

#include <chrono>
#include <optional>

namespace foreshift {

/// Measures a host's storage service as the difference of two looks at its data plane. Latencies
/// are those of this host's own guests, which background work must not hurt; rates also count what
/// was served to peers. One thread.
class nbsr_meter {
public:
  /// The first look, and the first after the data plane restarted, has space and volumes but no
  /// rates.
  packet<schema::NbsrSample> measure(const packet<schema::PlaneStatus>& status,
                                     std::int64_t now_ns);

  /// The data plane did not answer: the next look starts anew.
  void lost() { before_.reset(); }

private:
  struct look {
    packet<schema::PlaneStatus> status;
    std::int64_t at_ns = 0;
  };

  std::optional<look> before_;
};

} // namespace foreshift
