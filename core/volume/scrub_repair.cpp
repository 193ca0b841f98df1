// SPDX-License-Identifier: Apache-2.0
// What scrubbing or reads have found corrupt here is rewritten by the volume's primary; and the
// scrubber's record.
#include "core/volume/scrubber.hpp"

#include "core/base/log.hpp"
#include "core/volume/plane.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace foreshift {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t extents_per_request = 64;
constexpr auto repair_timeout = 60s;
constexpr std::chrono::nanoseconds repair_pause_min = 2s;
constexpr std::chrono::nanoseconds repair_pause_max = 5min;
constexpr std::array<std::string_view, 3> pass_names{"none", "light", "full"};

} // namespace

void scrubber::repair(plane_volume& volume, const std::vector<std::uint32_t>& extents) {
  auto holder = volume.extents->fence().holder;
  if (holder == plane_.options().host) {
    replica_io::mending notes;
    for (auto extent : extents)
      if (auto done = volume.gate->mend_extent(extent, notes);
          !done && done.error().code != errc::corrupt)
        slog::debug("scrub cannot repair volume {} yet: {}", volume.shape.name,
                    done.error().detail);
    return;
  }
  auto door = plane_.door_of(holder);
  if (!door)
    return;
  auto request = packet<schema::PlaneRepair>::make([&](auto out) {
    out.setVolume(volume.shape.id);
    out.setExtents(kj::arrayPtr(extents.data(), extents.size()));
  });
  if (auto got = (*door)->ask<schema::PlaneRepaired>(request, repair_timeout); !got)
    slog::debug("scrub cannot have volume {} repaired yet holder={}: {}", volume.shape.name, holder,
                got.error().detail);
}

/// Tries less and less often while it does not help: nobody may hold the lease, or there is no good
/// copy.
void scrubber::repair_found() {
  std::uint64_t before = 0;
  for (const auto& volume : plane_.volumes()) {
    auto found = volume->extents->corrupt_extents();
    if (found.isEmpty() || !volume->extents->failure().empty())
      continue;
    before += found.cardinality();
    std::vector<std::uint32_t> some(found.begin(), found.end());
    some.resize(std::min(some.size(), extents_per_request));
    if (!volume->extents->fence().holder.empty())
      repair(*volume, some);
    for (auto extent : some)
      if (auto checked = volume->extents->check(extent); !checked)
        slog::warn("scrub cannot check extent {} of volume {}: {}", extent, volume->shape.name,
                   checked.error().detail);
  }
  bool helped = corrupt_extents() < before;
  repair_pause_ =
      before == 0 || helped ? repair_pause_min : std::min(2 * repair_pause_, repair_pause_max);
  repaired_ns_ = plane_.clock().monotonic_ns();
}

std::string encode(const scrub_progress& x) {
  std::ostringstream out;
  out << pass_names[static_cast<std::size_t>(x.running)] << ' ' << x.volume << ' ' << x.extent
      << ' ' << x.done_bytes << ' ' << x.stray_bytes << ' ' << x.since_ms << ' ' << x.light_ms
      << ' ' << x.full_ms;
  return out.str();
}

std::optional<scrub_progress> decode_scrub_progress(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::string running;
  scrub_progress out;
  in >> running >> out.volume >> out.extent >> out.done_bytes >> out.stray_bytes >> out.since_ms
      >> out.light_ms >> out.full_ms;
  auto at = std::find(pass_names.begin(), pass_names.end(), running);
  if (!in || in.peek() != std::istringstream::traits_type::eof() || at == pass_names.end())
    return std::nullopt;
  out.running = static_cast<scrub_progress::pass>(at - pass_names.begin());
  return out;
}

} // namespace foreshift
