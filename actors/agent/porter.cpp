// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/porter.hpp"

#include "core/base/log.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace foreshift {

namespace {

constexpr std::array<std::string_view, 4> words{"arriving", "started", "stopped", "leaving"};
constexpr unsigned volumes_max = 256;

} // namespace

porter_actor::behavior_type porter_state::make_behavior() {
  return {[this](const packet<schema::GuestNote>& x) { return heard(x); }};
}

caf::result<packet<schema::Done>> porter_state::heard(const packet<schema::GuestNote>& x) {
  auto in = x.read();
  std::string what = in.getWhat().cStr();
  if (std::find(words.begin(), words.end(), what) == words.end())
    return to_caf({errc::invalid, fmt::format("a VM is {}", fmt::join(words, ", "))});
  if (in.getVolumes().size() > volumes_max)
    return to_caf({errc::invalid, "a VM with so many volumes is not believed"});
  slog::info("VM {} is {} here volumes={}", in.getDomain().cStr(), what, in.getVolumes().size());
  if (what != "arriving" || in.getVolumes().size() == 0)
    return packet<schema::Done>{};
  auto expected = packet<schema::GuestExpected>::make([&](auto root) {
    root.setHost(options_.host.c_str());
    root.setDomain(in.getDomain());
    root.setVolumes(in.getVolumes());
  });
  return self_->delegate(uplink_, expected);
}

} // namespace foreshift
