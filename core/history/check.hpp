// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"
#include "core/history/history.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace foreshift::history {

/// Why a block's operations have no order that explains them.
struct violation {
  std::uint64_t block = 0;
  std::string why;                 ///< Sentences for people.
  std::vector<operation> conflict; ///< The operations the sentences speak of.
};

/// A violation in several lines, its operations below each other.
std::string describe(const violation& what);

/// Decides whether the operations of one block are linearizable as an atomic register that begins
/// as stamp 0. Without `zero` operations it takes O(n log n), by the zones of Gibbons and Korach,
/// "Testing shared memories", SIAM J. Comput. 26 (1997); with them by a search whose cost grows
/// with the number of operations under way at the same time.
/// Errors: malformed (a stamp written twice, an operation that ends before it begins, a written
/// stamp that is 0 or torn_stamp), too_large (the search needs more than a million states).
result<std::optional<violation>> check_block(std::span<const operation> operations);

/// The operations were checked, and this is what they were.
struct verdict {
  std::uint64_t operations = 0;
  std::uint64_t blocks = 0;
  std::uint64_t reads = 0;        ///< That ended well.
  std::uint64_t updates = 0;      ///< That ended well.
  std::uint64_t uncertain = 0;    ///< That failed or whose end is not known.
  std::optional<violation> first; ///< Of the lowest block that has one.
};

/// Collects a history in memory, then checks it. One thread.
class checker {
public:
  void add(const operation& op) { blocks_[op.block].push_back(op); }
  /// Errors: as check_block().
  result<verdict> finish() const;

private:
  std::map<std::uint64_t, std::vector<operation>> blocks_;
};

} // namespace foreshift::history
