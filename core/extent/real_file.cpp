// SPDX-License-Identifier: Apache-2.0
#include "core/extent/real_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace foreshift {

namespace {

constexpr int not_opened = -1;
constexpr int not_possible = -2;

/// Repeats a call that a signal interrupted.
template <class F>
auto uninterrupted(F&& call) {
  auto got = call();
  while (got < 0 && errno == EINTR)
    got = call();
  return got;
}

} // namespace

real_file::~real_file() {
  if (!mapped_.empty())
    ::munmap(mapped_.data(), mapped_.size());
  if (auto fd = medium_fd_.load(); fd >= 0)
    ::close(fd);
  ::close(fd_);
}

result<std::size_t> real_file::read(std::uint64_t offset, std::span<std::byte> out) const {
  auto got = uninterrupted(
      [&] { return ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset)); });
  if (got < 0)
    return os_fault(errno, "read", path_);
  return static_cast<std::size_t>(got);
}

/// A second descriptor that bypasses the page cache; `not_possible` on file systems without.
int real_file::medium_fd() const {
  auto have = medium_fd_.load();
  if (have != not_opened)
    return have;
  int fd = ::open(path_.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  auto mine = fd >= 0 ? fd : not_possible;
  if (medium_fd_.compare_exchange_strong(have, mine))
    return mine;
  if (fd >= 0)
    ::close(fd);
  return have;
}

result<std::size_t> real_file::read_medium(std::uint64_t offset, std::span<std::byte> out) const {
  auto fd = medium_fd();
  if (fd < 0)
    return read(offset, out);
  auto got = uninterrupted(
      [&] { return ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset)); });
  if (got < 0 && errno == EINVAL) // opens but does not read, as on some stacked file systems
    return read(offset, out);
  if (got < 0)
    return os_fault(errno, "read", path_);
  return static_cast<std::size_t>(got);
}

result<std::size_t> real_file::write(std::uint64_t offset, std::span<const std::byte> in) {
  auto put = uninterrupted(
      [&] { return ::pwrite(fd_, in.data(), in.size(), static_cast<off_t>(offset)); });
  if (put < 0)
    return os_fault(errno, "write", path_);
  return static_cast<std::size_t>(put);
}

result<void> real_file::sync() {
  // Not repeated after an error: the kernel reports a lost page once and calls it clean then.
  if (::fdatasync(fd_) != 0)
    return os_fault(errno, "sync", path_);
  return {};
}

result<void> real_file::allocate(std::uint64_t offset, std::uint64_t length) {
  // Not posix_fallocate: its emulation on other file systems races with stores through a mapping.
  auto done = uninterrupted([&] {
    return ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
  });
  if (done != 0)
    return os_fault(errno, "allocate space in", path_);
  return {};
}

result<bool> real_file::punch(std::uint64_t offset, std::uint64_t length) {
  auto done = uninterrupted([&] {
    return ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
  });
  if (done == 0)
    return true;
  if (errno == EOPNOTSUPP)
    return false;
  return os_fault(errno, "free space in", path_);
}

result<void> real_file::resize(std::uint64_t size_bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0)
    return os_fault(errno, "resize", path_);
  return {};
}

result<std::uint64_t> real_file::size() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0)
    return os_fault(errno, "measure", path_);
  return static_cast<std::uint64_t>(info.st_size);
}

result<std::uint64_t> real_file::allocated_bytes() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0)
    return os_fault(errno, "measure", path_);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

result<std::optional<std::uint64_t>> real_file::next_data(std::uint64_t offset) const {
  auto at = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
  if (at >= 0)
    return std::optional<std::uint64_t>(static_cast<std::uint64_t>(at));
  if (errno == ENXIO)
    return std::optional<std::uint64_t>{};
  if (errno == EINVAL || errno == EOPNOTSUPP)
    return std::optional<std::uint64_t>(offset);
  return os_fault(errno, "look for data in", path_);
}

result<std::span<std::byte>> real_file::map(std::uint64_t size_bytes) {
  // A store past the end of the file would be SIGBUS.
  auto length = size();
  if (!length)
    return length.error();
  if (*length < size_bytes)
    return fault{errc::corrupt, path_ + " is truncated: " + std::to_string(*length) + " of "
                                    + std::to_string(size_bytes) + " bytes"};
  auto* at =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
  if (at == MAP_FAILED)
    return os_fault(errno, "map", path_);
  mapped_ = {static_cast<std::byte*>(at), size_bytes};
  return mapped_;
}

} // namespace foreshift
