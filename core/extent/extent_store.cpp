// SPDX-License-Identifier: Apache-2.0
#include "core/extent/extent_store.hpp"

#include "core/base/log.hpp"
#include "core/extent/store_disk.hpp"
#include "core/extent/volume_extents_impl.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>

namespace foreshift {

result<disk_space> store_disk::space() const {
  auto measured = io.space(path);
  if (!measured)
    return measured.error();
  auto free = measured->free_bytes > reserve_bytes ? measured->free_bytes - reserve_bytes : 0;
  return disk_space{measured->total_bytes, free, reserve_bytes};
}

namespace {

/// What opening the database may take: its log becomes a table.
constexpr std::uint64_t database_room_bytes = 8ull << 20;

/// Of a directory's name; nothing for another one.
std::optional<std::uint64_t> volume_of(const std::string& name) {
  if (name.empty() || name.size() > 19 || name.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoull(name);
}

/// Frees the files of volumes that were forgotten by a process that died before it had removed
/// them.
result<void> remove_orphans(const store_disk& disk) {
  auto names = disk.io.list(disk.path + "/volumes");
  if (!names)
    return names.error();
  for (const auto& name : *names) {
    auto volume = volume_of(name);
    if (!volume)
      continue;
    auto layout = disk.records->layout(*volume);
    if (!layout)
      return layout.error();
    if (*layout)
      continue;
    slog::info("extent store removes files of a deleted volume path={}", disk.volume_path(*volume));
    if (auto ok = disk.io.remove_tree(disk.path + "/volumes/" + name); !ok)
      return ok;
  }
  return {};
}

/// Left by a process whose database failed: what it had not synced may be gone.
std::string marker_of(const store_disk& disk) {
  return disk.path + "/database-failed";
}

/// As well as it can be done on such a disk.
void leave_marker(const store_disk& disk, const fault& why) {
  auto file = disk.io.open(marker_of(disk), disk_io::open_mode::create);
  auto left = file ? result<void>{} : result<void>{file.error()};
  if (left)
    left = (*file)->sync();
  if (left)
    left = disk.io.sync_directory(disk.path);
  if (!left)
    slog::error("that the database failed cannot be noted path={}: {}", disk.path,
                left.error().detail);
  slog::critical("the data plane's own database failed path={}: {}", disk.path, why.detail);
}

/// Makes every volume doubted that a process with a failed database had changed.
result<void> heed_marker(const store_disk& disk) {
  if (!disk.io.open(marker_of(disk), disk_io::open_mode::existing))
    return {};
  auto volumes = disk.io.list(disk.path + "/volumes");
  if (!volumes)
    return volumes.error();
  for (const auto& name : *volumes) {
    auto volume = volume_of(name);
    if (!volume)
      continue;
    auto boot = disk.records->boot(*volume);
    if (!boot)
      return boot.error();
    if (!boot->empty() && !boot_note::doubted(*boot))
      if (auto ok = disk.records->put_boot(*volume, *boot + ", when the database failed"); !ok)
        return ok;
  }
  return disk.io.remove_tree(marker_of(disk));
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
    return disk_->io.remove_tree(disk_->volume_path(volume));
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
  auto& io = options.disk ? *options.disk : real_disk();
  auto disk =
      std::make_shared<store_disk>(store_disk{io, options.path, options.reserve_bytes, {}, {}});
  if (auto ok = io.make_directory(disk->path); !ok)
    return ok.error();
  auto lock = io.lock(disk->path + "/LOCK");
  if (!lock && lock.error().code == errc::busy)
    return fault{errc::busy, disk->path + " is used by another process"};
  if (!lock)
    return lock.error();
  disk->lock = std::move(*lock);
  for (const auto* name : {"/state", "/volumes"})
    if (auto ok = io.make_directory(disk->path + name); !ok)
      return ok.error();
  auto records = extent_records::open(disk->path + "/state", io.database_env());
  if (!records)
    return records.error();
  disk->records = std::move(*records);
  disk->records->on_broken = [here = disk.get(), tell = options.on_broken](const fault& why) {
    if (why.code != errc::no_space)
      leave_marker(*here, why);
    else if (auto now = here->io.space(here->path); !now || now->free_bytes < database_room_bytes)
      return; // the next process could not open it either
    if (tell)
      tell(why);
  };
  if (auto ok = heed_marker(*disk); !ok)
    return ok.error();
  if (auto ok = remove_orphans(*disk); !ok)
    return ok.error();
  return std::unique_ptr<extent_store>(std::make_unique<extent_store_impl>(std::move(disk)));
}

} // namespace foreshift
