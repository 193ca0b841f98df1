// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"
#include "core/extent/extent_records.hpp"

#include <memory>
#include <string>

namespace foreshift {

/// What the volumes of one store share; goes away with the last of them.
struct store_disk {
  disk_io& io;
  std::string path;
  std::uint64_t reserve_bytes = 0;
  std::unique_ptr<disk_file> lock; ///< Declared before the database, so released after it.
  std::unique_ptr<extent_records> records;

  std::string volume_path(std::uint64_t volume) const {
    return path + "/volumes/" + std::to_string(volume);
  }

  /// Free bytes less the reserve; total and reserve beside it.
  result<disk_space> space() const;
};

} // namespace foreshift
