// SPDX-License-Identifier: Apache-2.0
#include "core/store/request.hpp"

#include <map>
#include <mutex>

namespace foreshift {

namespace {

class memory_store final : public store {
public:
  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    if (auto ok = check_request(compares, ops); !ok)
      return ok.error();
    std::lock_guard guard{mutex_};
    for (const auto& wanted : compares)
      if (auto revision = revision_of(wanted.key); revision != wanted.revision)
        return compare_failed(wanted, revision);
    if (ops.empty())
      return revision_;
    ++revision_;
    for (const auto& op : ops)
      if (op.value)
        records_.insert_or_assign(op.key, stored{op.key, *op.value, revision_});
      else
        records_.erase(op.key);
    return revision_;
  }

  result<std::vector<stored>> range(std::string_view prefix) const override {
    std::lock_guard guard{mutex_};
    std::vector<stored> out;
    for (auto at = records_.lower_bound(prefix);
         at != records_.end() && at->first.starts_with(prefix); ++at)
      out.push_back(at->second);
    return out;
  }

  std::uint64_t token() const override { return 1; }

private:
  std::uint64_t revision_of(const std::string& key) const {
    auto at = records_.find(key);
    return at == records_.end() ? 0 : at->second.revision;
  }

  mutable std::mutex mutex_;
  std::map<std::string, stored, std::less<>> records_;
  std::uint64_t revision_ = 0;
};

} // namespace

std::unique_ptr<store> make_memory_store() {
  return std::make_unique<memory_store>();
}

} // namespace foreshift
