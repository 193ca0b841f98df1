// SPDX-License-Identifier: Apache-2.0
#include "core/trace/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace foreshift {

namespace {

class file_source final : public byte_source {
public:
  file_source(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~file_source() override { close(fd_); }
  file_source(const file_source&) = delete;
  file_source& operator=(const file_source&) = delete;

  result<std::size_t> read(std::span<char> out) override {
    for (;;) {
      auto got = ::read(fd_, out.data(), out.size());
      if (got >= 0) {
        taken_ += static_cast<std::uint64_t>(got);
        return static_cast<std::size_t>(got);
      }
      if (errno != EINTR)
        return fault{errc::storage, "cannot read " + path_ + ": " + std::strerror(errno)};
    }
  }

  std::uint64_t taken() const override { return taken_; }

private:
  int fd_;
  std::string path_;
  std::uint64_t taken_ = 0;
};

class memory_source final : public byte_source {
public:
  explicit memory_source(std::string bytes) : bytes_(std::move(bytes)) {}

  result<std::size_t> read(std::span<char> out) override {
    auto count = std::min(out.size(), bytes_.size() - at_);
    std::memcpy(out.data(), bytes_.data() + at_, count);
    at_ += count;
    return count;
  }

  std::uint64_t taken() const override { return at_; }

private:
  std::string bytes_;
  std::size_t at_ = 0;
};

} // namespace

result<std::unique_ptr<byte_source>> open_file(const std::string& path) {
  auto fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fault{errno == ENOENT ? errc::not_found : errc::failed,
                 "cannot open " + path + ": " + std::strerror(errno)};
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    close(fd);
    return fault{errc::failed, path + " is a directory"};
  }
  return std::unique_ptr<byte_source>{std::make_unique<file_source>(fd, path)};
}

std::unique_ptr<byte_source> source_of(std::string bytes) {
  return std::make_unique<memory_source>(std::move(bytes));
}

} // namespace foreshift
