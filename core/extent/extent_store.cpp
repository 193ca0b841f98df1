// SPDX-License-Identifier: Apache-2.0
#include "core/extent/extent_store.hpp"

#include "core/base/log.hpp"
#include "core/extent/store_disk.hpp"
#include "core/extent/volume_extents_impl.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <system_error>

namespace foreshift {

result<disk_space> store_disk::space() const {
  auto measured = measure_space(path);
  if (!measured)
    return measured.error();
  auto free = measured->free_bytes > reserve_bytes ? measured->free_bytes - reserve_bytes : 0;
  return disk_space{measured->total_bytes, free, reserve_bytes};
}

namespace {

result<unique_fd> lock_directory(const std::string& directory) {
  auto path = directory + "/LOCK";
  auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!fd)
    return fd;
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0)
    return fd;
  if (errno == EWOULDBLOCK)
    return fault{errc::busy, directory + " is used by another process"};
  return os_fault(errno, "lock", path);
}

/// Frees the files of volumes that were forgotten by a process that died before it had removed
/// them.
result<void> remove_orphans(const store_disk& disk) {
  std::error_code why;
  std::filesystem::directory_iterator at(disk.path + "/volumes", why), end;
  for (; !why && at != end; at.increment(why)) {
    auto name = at->path().filename().string();
    if (name.empty() || name.size() > 19
        || name.find_first_not_of("0123456789") != std::string::npos)
      continue;
    auto layout = disk.records->layout(std::stoull(name));
    if (!layout)
      return layout.error();
    if (*layout)
      continue;
    slog::info("extent store removes files of a deleted volume path={}", at->path().string());
    if (auto ok = remove_tree(at->path().string()); !ok)
      return ok;
  }
  if (why)
    return os_fault(why.value(), "list", disk.path + "/volumes");
  return {};
}

class extent_store_impl final : public extent_store {
public:
  explicit extent_store_impl(std::shared_ptr<store_disk> disk) : disk_(std::move(disk)) {}

  result<std::shared_ptr<volume_extents>> volume(const volume_layout& layout) override {
    std::lock_guard changes(changes_mutex_);
    if (auto open = find(layout.id)) {
      auto& known = open->layout();
      if (known.size_bytes != layout.size_bytes || known.extent_bytes != layout.extent_bytes)
        return fault{errc::invalid, "volume " + std::to_string(layout.id)
                                        + " is open with another size or extent size"};
      return open;
    }
    auto opened = volume_extents_impl::open(disk_, layout);
    if (!opened)
      return opened.error();
    std::lock_guard lock(map_mutex_);
    volumes_[layout.id] = *opened;
    return std::shared_ptr<volume_extents>(*opened);
  }

  std::shared_ptr<volume_extents> find(std::uint64_t volume) const override {
    std::shared_lock lock(map_mutex_);
    auto at = volumes_.find(volume);
    return at == volumes_.end() ? nullptr : at->second;
  }

  result<void> forget(std::uint64_t volume) override {
    std::lock_guard changes(changes_mutex_);
    std::shared_ptr<volume_extents_impl> open;
    {
      std::lock_guard lock(map_mutex_);
      if (auto at = volumes_.find(volume); at != volumes_.end()) {
        open = std::move(at->second);
        volumes_.erase(at);
      }
    }
    if (open)
      open->forget();
    // Records first: files without records are orphans, which the next start removes.
    if (auto ok = disk_->records->erase_volume(volume); !ok)
      return ok;
    return remove_tree(disk_->volume_path(volume));
  }

  disk_space space() const override {
    auto space = disk_->space();
    return space ? *space : disk_space{0, 0, disk_->reserve_bytes};
  }

  result<void> put(std::string_view key, std::string_view value, bool sync) override {
    return disk_->records->put(key, value, sync);
  }

  result<void> erase(std::string_view key) override { return disk_->records->erase(key); }

  result<std::vector<std::pair<std::string, std::string>>>
  list(std::string_view prefix) const override {
    return disk_->records->list(prefix);
  }

private:
  std::shared_ptr<store_disk> disk_;
  std::mutex changes_mutex_; ///< One opening or forgetting at a time.
  mutable std::shared_mutex map_mutex_;
  std::map<std::uint64_t, std::shared_ptr<volume_extents_impl>> volumes_;
};

} // namespace

result<std::unique_ptr<extent_store>> extent_store::open(const extent_store_options& options) {
  auto disk = std::make_shared<store_disk>();
  disk->path = options.path;
  disk->reserve_bytes = options.reserve_bytes;
  if (auto ok = make_directory(disk->path); !ok)
    return ok.error();
  auto lock = lock_directory(disk->path);
  if (!lock)
    return lock.error();
  disk->lock = std::move(*lock);
  for (const auto* name : {"/state", "/volumes"})
    if (auto ok = make_directory(disk->path + name); !ok)
      return ok.error();
  auto records = extent_records::open(disk->path + "/state");
  if (!records)
    return records.error();
  disk->records = std::move(*records);
  if (auto ok = remove_orphans(*disk); !ok)
    return ok.error();
  return std::unique_ptr<extent_store>(std::make_unique<extent_store_impl>(std::move(disk)));
}

} // namespace foreshift
