// SPDX-License-Identifier: Apache-2.0
#include "core/plan/follow.hpp"

#include <algorithm>
#include <map>

namespace foreshift {

namespace {

class following {
public:
  following(const volume_view& volume, const std::vector<host_view>& hosts,
            const follow_request& request)
      : volume_(volume), hosts_(hosts), request_(request), left_(request.plan.budget_bytes) {}

  follow_round run() {
    follow_round out;
    if (request_.rule == follow_rule::NONE)
      return out;
    out.moves = wanted(misses(), "a client read it from elsewhere");
    auto expected = expected_beside(out.moves);
    out.moves.insert(out.moves.end(), expected.begin(), expected.end());
    if (out.moves.empty() && request_.rule == follow_rule::ALL && request_.trickle) {
      out.moves = wanted(rest(), "the whole volume follows");
      out.cold = true;
    }
    return out;
  }

private:
  std::vector<std::uint32_t> misses() const {
    std::map<std::uint32_t, double> accesses;
    if (volume_.expected)
      for (const auto& heat : volume_.expected->extents)
        accesses[heat.extent] = accesses_of(heat);
    std::vector<std::uint32_t> out;
    for (auto extent : request_.missed) {
      auto at = accesses.find(extent);
      bool again = at != accesses.end() && at->second >= request_.plan.gain_min;
      if (request_.fresh || again)
        out.push_back(extent);
    }
    return out;
  }

  std::vector<std::uint32_t> rest() const {
    auto here = volume_.placement->in_sync(request_.plan.to);
    const auto& shape = volume_.placement->shape();
    auto most = left_ / shape.extent_bytes;
    std::vector<std::uint32_t> out;
    for (std::uint32_t e = 0; e < shape.extents() && out.size() < most; ++e)
      if (!here.contains(e))
        out.push_back(e);
    return out;
  }

  /// Plans for exactly these, the first as the most urgent.
  std::vector<planned_move> wanted(const std::vector<std::uint32_t>& extents, const char* reason) {
    forecast as_if;
    for (std::size_t i = 0; i < extents.size(); ++i) {
      extent_heat heat;
      heat.extent = extents[i];
      heat.reads = static_cast<float>(extents.size() - i);
      as_if.extents.push_back(heat);
      as_if.total_reads += heat.reads;
    }
    auto one = request_.plan;
    one.gain_min = 0;
    one.budget_bytes = left_;
    auto view = volume_;
    view.expected = &as_if;
    auto made = make_plan(view, hosts_, one);
    left_ -= std::min(left_, made.bytes);
    for (auto& move : made.moves) {
      move.reason = reason;
      move.accesses = 0;
      move.accesses_each.assign(move.extents.size(), 0);
    }
    return std::move(made.moves);
  }

  std::vector<planned_move> expected_beside(const std::vector<planned_move>& taken) const {
    auto one = request_.plan;
    one.budget_bytes = left_;
    if (!volume_.expected || left_ < volume_.placement->shape().extent_bytes)
      return {};
    roaring::Roaring gone;
    for (const auto& move : taken)
      gone.addMany(move.extents.size(), move.extents.data());
    auto others = *volume_.expected;
    std::erase_if(others.extents, [&](const auto& x) { return gone.contains(x.extent); });
    auto view = volume_;
    view.expected = &others;
    auto room = hosts_;
    for (auto& host : room)
      if (host.name == one.to)
        host.free_bytes -=
            std::min(host.free_bytes, gone.cardinality() * volume_.placement->shape().extent_bytes);
    return make_plan(view, room, one).moves;
  }

  const volume_view& volume_;
  const std::vector<host_view>& hosts_;
  const follow_request& request_;
  std::uint64_t left_;
};

} // namespace

follow_round follow(const volume_view& volume, const std::vector<host_view>& hosts,
                    const follow_request& request) {
  return following{volume, hosts, request}.run();
}

} // namespace foreshift
