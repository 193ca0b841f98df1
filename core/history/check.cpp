// SPDX-License-Identifier: Apache-2.0
#include "core/history/check.hpp"

#include "core/history/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace foreshift::history {

namespace {

constexpr std::int64_t before_all = std::numeric_limits<std::int64_t>::min();

/// A write and the reads that saw it: in any valid order they stand together. From the first end to
/// the last start of its members the block must hold its stamp (a forward zone, when that is a
/// span); otherwise one moment between the last start and the first end is enough.
struct cluster {
  std::uint64_t stamp = 0;
  const operation* write = nullptr;        ///< Null: the beginning of time.
  const operation* first_to_end = nullptr; ///< Null only for the beginning of time.
  const operation* last_to_start = nullptr;
  std::int64_t first_end = never;
  std::int64_t last_start = before_all;
  bool seen = false;

  bool forward() const { return first_end < last_start; }

  void take(const operation& op, std::int64_t end) {
    if (end < first_end || first_to_end == nullptr) {
      first_end = std::min(first_end, end);
      first_to_end = first_end == before_all ? nullptr : &op;
    }
    if (op.start > last_start || last_to_start == nullptr) {
      last_start = op.start;
      last_to_start = &op;
    }
  }
};

using clusters = std::unordered_map<std::uint64_t, cluster>;

fault malformed(const operation& op, const char* why) {
  return {errc::malformed, fmt::format("{}: {}", describe(op), why)};
}

result<void> sane(const operation& op) {
  if (op.end < op.start)
    return malformed(op, "it ends before it begins");
  if (op.kind == op_kind::write && (op.stamp == 0 || op.stamp == torn_stamp))
    return malformed(op, "this stamp is reserved");
  if (op.kind == op_kind::zero && op.stamp != 0)
    return malformed(op, "zeroes are stamp 0");
  return {};
}

result<clusters> take_writes(std::span<const operation> operations) {
  clusters out;
  auto& zero = out[0];
  zero.first_end = before_all;
  for (const auto& op : operations) {
    if (auto ok = sane(op); !ok)
      return ok.error();
    if (op.kind != op_kind::write)
      continue;
    auto& c = out[op.stamp];
    if (c.write != nullptr)
      return malformed(op, "its stamp was written before");
    c.stamp = op.stamp;
    c.write = &op;
    // One that did not end well has no end: it may take effect at any later time.
    c.take(op, op.how == outcome::ok ? op.end : never);
  }
  return out;
}

violation unwritten(const operation& read) {
  return {read.block,
          read.stamp == torn_stamp
              ? "A read returned a block that is not the whole of any write."
              : fmt::format("A read returned stamp {}, which nobody wrote.", read.stamp),
          {read}};
}

std::optional<violation> take_reads(std::span<const operation> operations, clusters& all) {
  for (const auto& op : operations) {
    if (op.kind != op_kind::read || op.how != outcome::ok)
      continue;
    auto at = all.find(op.stamp);
    if (at == all.end())
      return unwritten(op);
    auto& c = at->second;
    if (c.write != nullptr && op.end < c.write->start)
      return violation{op.block,
                       fmt::format("A read returned stamp {} before its write began.", op.stamp),
                       {op, *c.write}};
    c.take(op, op.end);
    c.seen = true;
  }
  return std::nullopt;
}

/// "line 4" where that is enough to find it.
std::string name(const operation& op) {
  return op.line == 0 ? fmt::format("[{}]", describe(op)) : fmt::format("line {}", op.line);
}

/// "Stamp 3 must come before stamp 5: line 8 had ended when line 9 began."
std::string order(const cluster& one, const cluster& other) {
  auto from = one.first_to_end == nullptr
                  ? std::string{"it is what the block began with"}
                  : fmt::format("{} had ended when {} began", name(*one.first_to_end),
                                name(*other.last_to_start));
  return fmt::format("Stamp {} must come before stamp {}: {}.", one.stamp, other.stamp, from);
}

violation clash(std::uint64_t block, const cluster& one, const cluster& other) {
  // The write that began first comes first in the text.
  const auto early = [](const cluster& c) { return c.write ? c.write->start : before_all; };
  const auto& a = early(one) <= early(other) ? one : other;
  const auto& b = &a == &one ? other : one;
  violation out{block, order(a, b) + " " + order(b, a), {}};
  for (const auto* c : {&a, &b})
    for (const auto* op : {c->write, c->first_to_end, c->last_to_start})
      if (op && std::find(out.conflict.begin(), out.conflict.end(), *op) == out.conflict.end())
        out.conflict.push_back(*op);
  std::sort(out.conflict.begin(), out.conflict.end(),
            [](const auto& x, const auto& y) { return x.start < y.start; });
  return out;
}

/// Linearizable if and only if no two forward zones overlap and no other zone lies within one.
std::optional<violation> check_zones(std::uint64_t block, const clusters& all) {
  std::vector<const cluster*> forward, other;
  for (const auto& [stamp, c] : all) {
    if (!c.seen && (c.write == nullptr || c.write->how != outcome::ok))
      continue; // nobody saw it: it may never have happened
    (c.forward() ? forward : other).push_back(&c);
  }
  const auto by_end = [](const cluster* x, const cluster* y) {
    return std::pair{x->first_end, x->stamp} < std::pair{y->first_end, y->stamp};
  };
  std::sort(forward.begin(), forward.end(), by_end);
  std::sort(other.begin(), other.end(), by_end);
  for (std::size_t i = 1; i < forward.size(); ++i)
    if (forward[i]->first_end < forward[i - 1]->last_start)
      return clash(block, *forward[i - 1], *forward[i]);
  for (const auto* inner : other) {
    auto after = std::partition_point(forward.begin(), forward.end(), [&](const cluster* outer) {
      return outer->first_end < inner->last_start;
    });
    if (after != forward.begin() && inner->first_end < (*std::prev(after))->last_start)
      return clash(block, **std::prev(after), *inner);
  }
  return std::nullopt;
}

} // namespace

std::string describe(const violation& what) {
  auto out = fmt::format("block {} is not linearizable\n{}\n", what.block, what.why);
  for (const auto& op : what.conflict)
    out += "  " + describe(op) + "\n";
  return out;
}

result<std::optional<violation>> check_block(std::span<const operation> operations) {
  auto all = take_writes(operations);
  if (!all)
    return all.error();
  if (auto bad = take_reads(operations, *all))
    return bad;
  const bool zeroed = std::any_of(operations.begin(), operations.end(),
                                  [](const auto& op) { return op.kind == op_kind::zero; });
  if (zeroed)
    return search_block(operations);
  return operations.empty() ? std::nullopt : check_zones(operations.front().block, *all);
}

result<verdict> checker::finish() const {
  verdict out;
  for (const auto& [block, operations] : blocks_) {
    ++out.blocks;
    out.operations += operations.size();
    for (const auto& op : operations)
      ++(op.how != outcome::ok ? out.uncertain : is_update(op) ? out.updates : out.reads);
    if (out.first)
      continue;
    auto found = check_block(operations);
    if (!found)
      return found.error();
    out.first = std::move(*found);
  }
  return out;
}

} // namespace foreshift::history
