// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/store.hpp"

#include <map>
#include <string>

namespace foreshift::test {

/// The store's contract in a map.
class fake_store final : public store {
public:
  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    for (auto& x : compares) {
      auto at = records_.find(x.key);
      if ((at == records_.end() ? 0 : at->second.revision) != x.revision)
        return fault{errc::refused, "compare failed: " + x.key};
    }
    ++revision_;
    for (auto& x : ops) {
      if (x.value)
        records_[x.key] = {x.key, *x.value, revision_};
      else
        records_.erase(x.key);
    }
    return revision_;
  }

  result<std::vector<stored>> range(std::string_view prefix) const override {
    std::vector<stored> all;
    for (auto& [key, record] : records_)
      if (key.starts_with(prefix))
        all.push_back(record);
    return all;
  }

  std::uint64_t token() const override { return 1; }

  const stored* find(const std::string& key) const {
    auto at = records_.find(key);
    return at == records_.end() ? nullptr : &at->second;
  }

private:
  std::map<std::string, stored> records_;
  std::uint64_t revision_ = 0;
};

} // namespace foreshift::test
