// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace foreshift {

/// A file descriptor that closes itself.
class unique_fd {
public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~unique_fd();

  int get() const noexcept { return fd_; }

private:
  int fd_ = -1;
};

/// Translates an errno: `no_space` for a full disk or quota, else `storage`. "cannot DOING PATH:
/// why".
fault os_fault(int error, std::string_view doing, const std::string& path);

/// Opens with O_CLOEXEC, creating as 0600 when `flags` has O_CREAT. `not_found` when it is missing.
result<unique_fd> open_file(const std::string& path, int flags);

/// Creates a directory as 0700 with its parents and makes its entry durable; an existing one is
/// fine.
result<void> make_directory(const std::string& path);

/// fsync of a directory: names created in it survive power loss.
result<void> sync_directory(const std::string& path);

/// Removes a directory and everything in it; a missing one is fine.
result<void> remove_tree(const std::string& path);

result<std::uint64_t> file_bytes(int fd, const std::string& path);

/// Sets the length of a sparse file.
result<void> resize_file(int fd, std::uint64_t size_bytes, const std::string& path);

/// Allocates disk blocks behind a range, without changing what it reads as or the file's length.
result<void> allocate_range(int fd, std::uint64_t offset, std::uint64_t length,
                            const std::string& path);

struct file_system_space {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};

/// Space of the file system that holds `path`, as an ordinary user sees it.
result<file_system_space> measure_space(const std::string& path);

/// A shared, writable mapping of a whole file; what is stored there survives the process's death.
class mapped_file {
public:
  mapped_file() = default;
  mapped_file(mapped_file&& other) noexcept
      : fd_(std::move(other.fd_)), bytes_(std::exchange(other.bytes_, {})) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mapped_file();

  /// Maps the first `size_bytes` of an open file, which must be at least that long.
  static result<mapped_file> map(unique_fd fd, std::uint64_t size_bytes, const std::string& path);

  int fd() const noexcept { return fd_.get(); }
  std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
  unique_fd fd_;
  std::span<std::byte> bytes_;
};

} // namespace foreshift
