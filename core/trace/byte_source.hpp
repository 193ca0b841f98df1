// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace foreshift {

/// Bytes to be pulled, once, from front to back. One thread.
class byte_source {
public:
  virtual ~byte_source() = default;

  /// Fills some of `out`, which is not empty; 0 at the end.
  virtual result<std::size_t> read(std::span<char> out) = 0;

  /// How much of the underlying file has been taken, in bytes as they lie there.
  virtual std::uint64_t taken() const = 0;
};

/// `not_found` when there is no such file, `failed` when it cannot be opened or is a directory.
result<std::unique_ptr<byte_source>> open_file(const std::string& path);

/// The bytes themselves, for tests and for what lies in memory already.
std::unique_ptr<byte_source> source_of(std::string bytes);

/// Unpacks gzip, zstd and xz, known by their first bytes; everything else passes as it is. Reading
/// fails with `malformed` on damaged or cut off data. Takes at most 256 MiB for the window of the
/// packer.
result<std::unique_ptr<byte_source>> unpacked(std::unique_ptr<byte_source> packed);

} // namespace foreshift
