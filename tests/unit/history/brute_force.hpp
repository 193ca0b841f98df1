// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/history/check.hpp"

#include <vector>

namespace foreshift::history {

/// Tries every order: the definition of linearizability, word by word. For a handful of operations.
class brute_force {
public:
  static bool linearizable(std::vector<operation> all) {
    std::erase_if(all,
                  [](const auto& op) { return op.kind == op_kind::read && op.how != outcome::ok; });
    brute_force one{std::move(all)};
    return one.from(0);
  }

private:
  explicit brute_force(std::vector<operation> all) : all_(std::move(all)), done_(all_.size()) {}

  std::int64_t end(std::size_t i) const { return all_[i].how == outcome::ok ? all_[i].end : never; }

  /// May `i` be next? Nothing that is left ended before it began.
  bool minimal(std::size_t i) const {
    for (std::size_t k = 0; k < all_.size(); ++k)
      if (!done_[k] && k != i && end(k) < all_[i].start)
        return false;
    return true;
  }

  bool from(std::uint64_t stamp) {
    bool all_ok_done = true;
    for (std::size_t i = 0; i < all_.size(); ++i)
      all_ok_done = all_ok_done && (done_[i] || all_[i].how != outcome::ok);
    if (all_ok_done)
      return true; // what is left is uncertain and never happened
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (done_[i] || !minimal(i))
        continue;
      const bool read = all_[i].kind == op_kind::read;
      if (read && all_[i].stamp != stamp)
        continue;
      done_[i] = true;
      if (from(read ? stamp : all_[i].stamp))
        return true;
      done_[i] = false;
    }
    return false;
  }

  std::vector<operation> all_;
  std::vector<bool> done_;
};

} // namespace foreshift::history
