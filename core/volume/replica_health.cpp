// SPDX-License-Identifier: Apache-2.0
#include "core/volume/replica_health.hpp"

#include <algorithm>

namespace foreshift {

void replica_health::keep(const route_view& view) const {
  if (board_ == nullptr)
    return;
  auto asked = [&](const std::string& host) {
    for (const auto& route : view.routes)
      if (route.in_sync && route.host == host)
        return true;
    return std::any_of(view.mirrors.begin(), view.mirrors.end(),
                       [&](const mirror_route& x) { return x.destination == host; });
  };
  for (const auto& host : board_->of(volume_))
    if (!asked(host))
      board_->clear(volume_, host);
}

} // namespace foreshift
