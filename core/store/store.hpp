// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// A record and the revision of the transaction that last wrote it.
struct stored {
  std::string key;
  std::string value;
  std::uint64_t revision = 0;
};

/// Holds when `key` was last written at `revision`; 0: when it does not exist.
struct compare {
  std::string key;
  std::uint64_t revision = 0;
};

/// Writes `value`, or erases the key when there is none.
struct store_op {
  std::string key;
  std::optional<std::string> value;
};

/// The coordinator's authority: small records under transactions. Engines: embedded (RocksDB) here;
/// the interface is what etcd v3 offers, so that the cluster engine fits behind it.
class store {
public:
  virtual ~store() = default;

  /// Applies all of `ops` if every compare holds, atomically and durably (fsync before it returns).
  /// Returns the new revision; `refused` when a compare fails (nothing written); `storage` on a
  /// fault (outcome unknown: read again). Blocks; any thread.
  virtual result<std::uint64_t> txn(std::span<const compare> compares,
                                    std::span<const store_op> ops) = 0;

  /// Every record whose key starts with `prefix`, sorted by key.
  virtual result<std::vector<stored>> range(std::string_view prefix) const = 0;

  /// Leadership token: grows with every opening of the store; guards against an older process.
  virtual std::uint64_t token() const = 0;
};

/// Opens or creates the embedded store in directory `path` (0700, flock: `busy` when it is taken).
result<std::unique_ptr<store>> open_embedded_store(const std::string& path);

/// Keeps everything in memory; for tests.
std::unique_ptr<store> make_memory_store();

} // namespace foreshift
