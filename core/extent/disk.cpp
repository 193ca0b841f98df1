// SPDX-License-Identifier: Apache-2.0
#include "core/extent/disk.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace foreshift {

unique_fd::~unique_fd() {
  if (fd_ >= 0)
    ::close(fd_);
}

fault os_fault(int error, std::string_view doing, const std::string& path) {
  auto full = error == ENOSPC || error == EDQUOT;
  return {full ? errc::no_space : errc::storage, "cannot " + std::string(doing) + " " + path + ": "
                                                     + std::generic_category().message(error)};
}

result<unique_fd> open_file(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0 && errno == ENOENT)
    return fault{errc::not_found, path + " is missing"};
  if (fd < 0)
    return os_fault(errno, "open", path);
  return unique_fd{fd};
}

result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) {
    auto parent = std::filesystem::path(path).parent_path();
    return sync_directory(parent.empty() ? "." : parent.string());
  }
  if (errno == EEXIST) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
      return {};
    return os_fault(ENOTDIR, "use", path);
  }
  if (errno != ENOENT)
    return os_fault(errno, "create", path);
  auto parent = std::filesystem::path(path).parent_path().string();
  if (parent.empty() || parent == path)
    return os_fault(ENOENT, "create", path);
  if (auto ok = make_directory(parent); !ok)
    return ok;
  return make_directory(path);
}

result<void> sync_directory(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!fd)
    return fd.error();
  if (::fsync(fd->get()) != 0)
    return os_fault(errno, "sync", path);
  return {};
}

result<void> remove_tree(const std::string& path) {
  std::error_code why;
  std::filesystem::remove_all(path, why);
  if (why)
    return os_fault(why.value(), "remove", path);
  return {};
}

result<std::uint64_t> file_bytes(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    return os_fault(errno, "measure", path);
  return static_cast<std::uint64_t>(info.st_size);
}

result<void> resize_file(int fd, std::uint64_t size_bytes, const std::string& path) {
  if (::ftruncate(fd, static_cast<off_t>(size_bytes)) != 0)
    return os_fault(errno, "resize", path);
  return {};
}

result<void> allocate_range(int fd, std::uint64_t offset, std::uint64_t length,
                            const std::string& path) {
  // Not posix_fallocate: its emulation on other file systems races with stores through a mapping.
  while (
      ::fallocate(fd, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(length))
      != 0)
    if (errno != EINTR)
      return os_fault(errno, "allocate space in", path);
  return {};
}

result<file_system_space> measure_space(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0)
    return os_fault(errno, "measure the space of", path);
  return file_system_space{info.f_blocks * info.f_frsize, info.f_bavail * info.f_frsize};
}

mapped_file::~mapped_file() {
  if (!bytes_.empty())
    ::munmap(bytes_.data(), bytes_.size());
}

result<mapped_file> mapped_file::map(unique_fd fd, std::uint64_t size_bytes,
                                     const std::string& path) {
  // A store past the end of the file would be SIGBUS.
  auto length = file_bytes(fd.get(), path);
  if (!length)
    return length.error();
  if (*length < size_bytes)
    return fault{errc::corrupt, path + " is truncated: " + std::to_string(*length) + " of "
                                    + std::to_string(size_bytes) + " bytes"};
  auto* at =
      ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd.get(), 0);
  if (at == MAP_FAILED)
    return os_fault(errno, "map", path);
  mapped_file out;
  out.fd_ = std::move(fd);
  out.bytes_ = {static_cast<std::byte*>(at), size_bytes};
  return out;
}

} // namespace foreshift
