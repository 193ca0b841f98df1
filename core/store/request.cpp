// SPDX-License-Identifier: Apache-2.0
#include "core/store/request.hpp"

#include <set>

namespace foreshift {

namespace {

template <class Item>
result<void> check_keys(std::span<const Item> items) {
  std::set<std::string_view> seen;
  for (const auto& item : items) {
    if (item.key.empty())
      return fault{errc::invalid, "a record needs a key"};
    if (!seen.insert(item.key).second)
      return fault{errc::invalid, "key '" + item.key + "' is twice in one transaction"};
  }
  return {};
}

} // namespace

result<void> check_request(std::span<const compare> compares, std::span<const store_op> ops) {
  if (auto ok = check_keys(compares); !ok)
    return ok;
  return check_keys(ops);
}

fault compare_failed(const compare& wanted, std::uint64_t revision) {
  return {errc::refused, "key '" + wanted.key + "' is at revision " + std::to_string(revision)
                             + ", not " + std::to_string(wanted.revision)};
}

} // namespace foreshift
