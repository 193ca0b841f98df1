// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/units.hpp"
#include "core/extent/extent_store.hpp"
#include "tests/support/faulty_disk.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace foreshift::test {

/// A directory of its own, removed at the end.
class temp_directory {
public:
  temp_directory() {
    auto form = (std::filesystem::temp_directory_path() / "foreshift-extent-XXXXXX").string();
    path_ = ::mkdtemp(form.data());
  }
  temp_directory(const temp_directory&) = delete;
  temp_directory& operator=(const temp_directory&) = delete;
  ~temp_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

private:
  std::string path_;
};

/// Behind the store's back, as a disk that rots or lost its power.
inline void overwrite(const std::string& path, std::uint64_t offset,
                      const std::vector<std::byte>& in) {
  int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(fd >= 0);
  REQUIRE(::pwrite(fd, in.data(), in.size(), static_cast<off_t>(offset))
          == static_cast<ssize_t>(in.size()));
  ::close(fd);
}

inline constexpr std::uint32_t extent_size = 64 * kib;

/// Volume 7: 64 extents of 64 KiB unless said otherwise; this host is home of the even ones.
inline volume_layout even_home(std::uint64_t size_bytes = 64 * extent_size) {
  return {7, size_bytes, extent_size, [](std::uint32_t extent) { return extent % 2 == 0; }};
}

inline volume_layout all_home(std::uint64_t size_bytes = 64 * extent_size) {
  return {7, size_bytes, extent_size, [](std::uint32_t) { return true; }};
}

inline volume_layout no_home(std::uint64_t size_bytes = 64 * extent_size) {
  return {7, size_bytes, extent_size, [](std::uint32_t) { return false; }};
}

/// A store with one volume, at epoch 1 of host-a.
class disk_fixture {
public:
  explicit disk_fixture(volume_layout layout, std::uint64_t reserve_bytes = 0)
      : layout_(std::move(layout)), reserve_bytes_(reserve_bytes) {
    open();
    REQUIRE(volume->promote(1, "host-a"));
  }

  void open() {
    auto opened = extent_store::open({directory / "data", reserve_bytes_, &disk});
    REQUIRE(opened);
    store = std::move(*opened);
    auto found = store->volume(layout_);
    REQUIRE(found);
    volume = std::move(*found);
  }

  void close() {
    volume.reset();
    store.reset();
  }

  void reopen() {
    close();
    open();
  }

  std::string data_file() const { return directory / "data/volumes/7/0000.extents"; }

  temp_directory directory;
  faulty_disk disk;
  std::unique_ptr<extent_store> store;
  std::shared_ptr<volume_extents> volume;

private:
  volume_layout layout_;
  std::uint64_t reserve_bytes_;
};

inline constexpr io_permit first_epoch{1, 0};

using bytes = std::vector<std::byte>;

inline bytes filled(std::size_t size, unsigned value) {
  return bytes(size, static_cast<std::byte>(value));
}

inline bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  bytes out(size);
  for (auto& byte : out)
    byte = static_cast<std::byte>(random());
  return out;
}

/// What a read returns; fails the test when it does not succeed.
inline bytes read_all(volume_extents& volume, std::uint64_t offset, std::size_t size,
                      io_permit permit = first_epoch) {
  bytes out(size, std::byte{0xee});
  auto ok = volume.read(permit, offset, out);
  REQUIRE_MESSAGE(ok, (ok ? std::string() : to_string(ok.error())));
  return out;
}

template <class T>
errc code_of(const result<T>& got) {
  return got ? errc::ok : got.error().code;
}

template <class T>
std::string detail_of(const result<T>& got) {
  return got ? std::string() : got.error().detail;
}

inline std::uint64_t at(std::uint32_t extent, std::uint64_t offset = 0) {
  return static_cast<std::uint64_t>(extent) * extent_size + offset;
}

} // namespace foreshift::test
