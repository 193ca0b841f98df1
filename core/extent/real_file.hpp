// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/extent/disk.hpp"

#include <atomic>
#include <string>
#include <utility>

namespace foreshift {

/// A file of the machine's file systems.
class real_file final : public disk_file {
public:
  /// Takes over `fd`.
  real_file(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}
  real_file(const real_file&) = delete;
  real_file& operator=(const real_file&) = delete;
  ~real_file() override;

  result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override;
  result<std::size_t> read_medium(std::uint64_t offset, std::span<std::byte> out) const override;
  result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> in) override;
  result<void> sync() override;
  result<void> allocate(std::uint64_t offset, std::uint64_t length) override;
  result<bool> punch(std::uint64_t offset, std::uint64_t length) override;
  result<void> resize(std::uint64_t size_bytes) override;
  result<std::uint64_t> size() const override;
  result<std::uint64_t> allocated_bytes() const override;
  result<std::optional<std::uint64_t>> next_data(std::uint64_t offset) const override;
  result<std::span<std::byte>> map(std::uint64_t size_bytes) override;

private:
  int medium_fd() const;

  const int fd_;
  const std::string path_;
  std::span<std::byte> mapped_;
  mutable std::atomic<int> medium_fd_{-1}; ///< Opened at the first use; -2: not possible here.
};

} // namespace foreshift
