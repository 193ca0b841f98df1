// SPDX-License-Identifier: Apache-2.0
#include "core/extent/real_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace foreshift {

fault os_fault(int error, std::string_view doing, const std::string& path) {
  auto full = error == ENOSPC || error == EDQUOT;
  return {full ? errc::no_space : errc::storage, "cannot " + std::string(doing) + " " + path + ": "
                                                     + std::generic_category().message(error)};
}

namespace {

result<int> open_fd(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0 && errno == ENOENT)
    return fault{errc::not_found, path + " is missing"};
  if (fd < 0)
    return os_fault(errno, "open", path);
  return fd;
}

class real_disk_io final : public disk_io {
public:
  result<std::unique_ptr<disk_file>> open(const std::string& path, open_mode how) override {
    auto fd = open_fd(path, O_RDWR | (how == open_mode::create ? O_CREAT : 0));
    if (!fd)
      return fd.error();
    return std::unique_ptr<disk_file>(std::make_unique<real_file>(*fd, path));
  }

  result<std::unique_ptr<disk_file>> lock(const std::string& path) override {
    auto fd = open_fd(path, O_RDWR | O_CREAT);
    if (!fd)
      return fd.error();
    std::unique_ptr<disk_file> file = std::make_unique<real_file>(*fd, path);
    if (::flock(*fd, LOCK_EX | LOCK_NB) == 0)
      return file;
    if (errno == EWOULDBLOCK)
      return fault{errc::busy, path + " is held by another process"};
    return os_fault(errno, "lock", path);
  }

  result<void> make_directory(const std::string& path) override {
    auto parent = std::filesystem::path(path).parent_path().string();
    if (::mkdir(path.c_str(), 0700) == 0)
      return sync_directory(parent.empty() ? "." : parent);
    if (errno == EEXIST) {
      struct stat info {};
      if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))
        return {};
      return os_fault(ENOTDIR, "use", path);
    }
    if (errno != ENOENT)
      return os_fault(errno, "create", path);
    if (parent.empty() || parent == path)
      return os_fault(ENOENT, "create", path);
    if (auto ok = make_directory(parent); !ok)
      return ok;
    return make_directory(path);
  }

  result<void> sync_directory(const std::string& path) override {
    auto fd = open_fd(path, O_RDONLY | O_DIRECTORY);
    if (!fd)
      return fd.error();
    auto failed = ::fsync(*fd) != 0 ? errno : 0;
    ::close(*fd);
    if (failed != 0)
      return os_fault(failed, "sync", path);
    return {};
  }

  result<void> remove_tree(const std::string& path) override {
    std::error_code why;
    std::filesystem::remove_all(path, why);
    if (why)
      return os_fault(why.value(), "remove", path);
    return {};
  }

  result<std::vector<std::string>> list(const std::string& path) const override {
    std::vector<std::string> out;
    std::error_code why;
    std::filesystem::directory_iterator at(path, why), end;
    for (; !why && at != end; at.increment(why))
      out.push_back(at->path().filename().string());
    if (why)
      return os_fault(why.value(), "list", path);
    std::sort(out.begin(), out.end());
    return out;
  }

  result<file_system_space> space(const std::string& path) const override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0)
      return os_fault(errno, "measure the space of", path);
    return file_system_space{info.f_blocks * info.f_frsize, info.f_bavail * info.f_frsize};
  }

  result<std::string> boot_id() const override {
    const std::string path = "/proc/sys/kernel/random/boot_id";
    std::string out;
    if (std::ifstream in(path); !in || !(in >> out))
      return os_fault(ENOENT, "read", path);
    return out;
  }

  rocksdb::Env* database_env() override { return nullptr; }
};

} // namespace

disk_io& real_disk() {
  static real_disk_io disk;
  return disk;
}

} // namespace foreshift
