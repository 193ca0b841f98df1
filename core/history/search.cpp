// SPDX-License-Identifier: Apache-2.0
#include "core/history/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace foreshift::history {

namespace {

constexpr std::size_t states_max = 1'000'000;

/// What the block may hold now, and which of the operations under way have taken effect.
struct state {
  std::uint64_t stamp = 0;
  std::vector<std::uint32_t> done; ///< Sorted indices.

  friend auto operator<=>(const state&, const state&) = default;
};

struct event {
  std::int64_t at = 0;
  bool ends = false; ///< At one time beginnings come first: equal times are not an order.
  std::uint32_t op = 0;

  friend auto operator<=>(const event&, const event&) = default;
};

class walk {
public:
  explicit walk(std::span<const operation> operations) : operations_(operations) {}

  result<std::optional<violation>> run() {
    states_.insert(state{});
    for (const auto& e : events()) {
      if (!e.ends) {
        open_.push_back(e.op);
        continue;
      }
      if (!finish(e.op))
        return fault{errc::too_large,
                     fmt::format("block {}: too many operations at the same time to decide",
                                 operations_[e.op].block)};
      if (states_.empty())
        return std::optional{conflict(e.op)};
      std::erase(open_, e.op);
    }
    return std::optional<violation>{};
  }

private:
  bool has_end(const operation& op) const { return op.how == outcome::ok; }

  /// Does a write of unknown outcome matter? Only if its stamp was seen; zeroes may have been.
  bool matters(const operation& op) const {
    return has_end(op) || op.kind == op_kind::zero
           || std::any_of(operations_.begin(), operations_.end(), [&](const auto& read) {
                return read.kind == op_kind::read && read.how == outcome::ok
                       && read.stamp == op.stamp;
              });
  }

  std::vector<event> events() const {
    std::vector<event> out;
    for (std::uint32_t i = 0; i < operations_.size(); ++i) {
      const auto& op = operations_[i];
      if ((op.kind == op_kind::read && !has_end(op)) || !matters(op))
        continue;
      out.push_back({op.start, false, i});
      if (has_end(op))
        out.push_back({op.end, true, i});
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  static bool contains(const state& s, std::uint32_t op) {
    return std::binary_search(s.done.begin(), s.done.end(), op);
  }

  state with(const state& s, std::uint32_t op) const {
    auto out = s;
    out.done.insert(std::lower_bound(out.done.begin(), out.done.end(), op), op);
    if (is_update(operations_[op]))
      out.stamp = operations_[op].stamp;
    return out;
  }

  /// May `op` take effect next in `s`? Endless zeroes are all alike: the first of them will do.
  bool possible(const state& s, std::uint32_t op, bool& endless_zero_tried) const {
    if (contains(s, op))
      return false;
    const auto& o = operations_[op];
    if (o.kind == op_kind::read)
      return o.stamp == s.stamp;
    if (o.kind == op_kind::zero && !has_end(o))
      return !std::exchange(endless_zero_tried, true);
    return true;
  }

  /// Keeps the states in which `op` has taken effect, then forgets `op`. False: too many states.
  bool finish(std::uint32_t op) {
    std::set<state> seen = states_, kept;
    std::vector<state> todo{states_.begin(), states_.end()};
    while (!todo.empty()) {
      auto s = std::move(todo.back());
      todo.pop_back();
      if (contains(s, op)) {
        std::erase(s.done, op);
        kept.insert(std::move(s));
        continue;
      }
      bool endless_zero_tried = false;
      for (auto next : open_)
        if (possible(s, next, endless_zero_tried))
          if (auto t = with(s, next); seen.insert(t).second)
            todo.push_back(std::move(t));
      if (seen.size() > states_max)
        return false;
    }
    before_ = std::exchange(states_, std::move(kept));
    return true;
  }

  violation conflict(std::uint32_t op) const {
    std::set<std::uint64_t> held;
    for (const auto& s : before_)
      held.insert(s.stamp);
    violation out{operations_[op].block, {}, {operations_[op]}};
    out.why = fmt::format("No order explains [{}]: before it the block can only have held stamp {}",
                          describe(operations_[op]), fmt::join(held, " or "));
    std::string others;
    for (auto other : open_) {
      if (other == op)
        continue;
      out.conflict.push_back(operations_[other]);
    }
    out.why += out.conflict.size() > 1 ? ", and what was under way does not lead there."
                                       : ", and nothing else was under way.";
    return out;
  }

  std::span<const operation> operations_;
  std::vector<std::uint32_t> open_; ///< Begun and not ended, in order of their beginning.
  std::set<state> states_, before_;
};

} // namespace

result<std::optional<violation>> search_block(std::span<const operation> operations) {
  return walk{operations}.run();
}

} // namespace foreshift::history
