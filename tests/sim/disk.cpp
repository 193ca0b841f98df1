// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/disk.hpp"

#include <rocksdb/env.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace foreshift::sim {

namespace {

constexpr std::uint64_t file_bytes_max = 32ull << 20;
constexpr std::uint64_t page = 4096;
constexpr std::uint64_t sector = 512;
constexpr std::int64_t write_ns = 5 * us;
constexpr std::int64_t sync_ns_max = 400 * us;

class sim_file final : public disk_file {
public:
  sim_file(sim_disk& disk, std::shared_ptr<inode> node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)) {}

  result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (disk_.fails(disk_.faults.read_fails, count::reads_failed, path_))
      return os_fault(EIO, "read", path_);
    if (offset >= node_->size)
      return std::size_t{0};
    auto n = std::min<std::uint64_t>(out.size(), node_->size - offset);
    std::memcpy(out.data(), node_->data() + offset, n);
    kernel::maybe_yield();
    return static_cast<std::size_t>(n);
  }

  result<std::size_t> read_medium(std::uint64_t offset, std::span<std::byte> out) const override {
    return read(offset, out);
  }

  result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> in) override {
    if (auto ok = room(offset, in.size()); !ok)
      return ok.error();
    if (disk_.fails(disk_.faults.write_fails, count::writes_failed, path_))
      return os_fault(EIO, "write", path_);
    // A write is not atomic: others see its pages appear one by one.
    auto n = std::min<std::uint64_t>(in.size(), page - offset % page);
    kernel::sleep(static_cast<std::int64_t>(kernel::random(write_ns)));
    node_->write(offset, in.first(n));
    return static_cast<std::size_t>(n);
  }

  result<void> sync() override {
    kernel::sleep(static_cast<std::int64_t>(kernel::random(sync_ns_max)));
    if (disk_.fails(disk_.faults.sync_fails, count::syncs_failed, path_)) {
      node_->forget_unsynced();
      return os_fault(EIO, "sync", path_);
    }
    node_->sync();
    return {};
  }

  result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
    if (auto ok = room(offset, length); !ok)
      return ok;
    for (auto p = offset / page; p * page < offset + length; ++p)
      node_->pages.insert(p);
    return {};
  }

  result<bool> punch(std::uint64_t offset, std::uint64_t length) override {
    auto end = std::min(offset + length, node_->size);
    if (offset < end) {
      std::vector<std::byte> zeroes(end - offset);
      node_->write(offset, zeroes);
    }
    for (auto p = (offset + page - 1) / page; (p + 1) * page <= offset + length; ++p)
      node_->pages.erase(p);
    kernel::maybe_yield();
    return true;
  }

  result<void> resize(std::uint64_t size_bytes) override {
    node_->resize(size_bytes);
    return {};
  }

  result<std::uint64_t> size() const override { return node_->size; }

  result<std::uint64_t> allocated_bytes() const override { return node_->pages.size() * page; }

  result<std::optional<std::uint64_t>> next_data(std::uint64_t offset) const override {
    auto at = node_->pages.lower_bound(offset / page);
    if (at == node_->pages.end() || *at * page >= node_->size)
      return std::optional<std::uint64_t>{};
    return std::optional{std::max(offset, *at * page)};
  }

  result<std::span<std::byte>> map(std::uint64_t size_bytes) override {
    if (node_->size < size_bytes)
      return os_fault(EINVAL, "map", path_);
    node_->mapped = true;
    return std::span{node_->data(), size_bytes};
  }

private:
  result<void> room(std::uint64_t offset, std::uint64_t length) const {
    std::uint64_t fresh = 0;
    for (auto p = offset / page; p * page < offset + length; ++p)
      fresh += node_->pages.contains(p) ? 0 : page;
    if (fresh > 0 && !disk_.room_for(fresh)) {
      disk_.note_fault(count::writes_refused, path_);
      return os_fault(ENOSPC, "write", path_);
    }
    return {};
  }

  sim_disk& disk_;
  const std::shared_ptr<inode> node_;
  const std::string path_;
};

} // namespace

inode::inode() {
  auto* at = ::mmap(nullptr, file_bytes_max, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    kernel::finish(3, "no memory for a file");
  data_ = static_cast<std::byte*>(at);
}

inode::~inode() {
  ::munmap(data_, file_bytes_max);
}

void inode::write(std::uint64_t offset, std::span<const std::byte> in) {
  if (offset + in.size() > file_bytes_max)
    kernel::finish(3, "a file of the simulation is too large");
  std::memcpy(data_ + offset, in.data(), in.size());
  size = std::max(size, offset + in.size());
  dirty_from = std::min(dirty_from, offset);
  dirty_to = std::max(dirty_to, offset + in.size());
  for (auto p = offset / page; p * page < offset + in.size(); ++p)
    pages.insert(p);
}

void inode::resize(std::uint64_t to) {
  if (to > file_bytes_max)
    kernel::finish(3, "a file of the simulation is too large");
  if (to < size)
    std::memset(data_ + to, 0, size - to);
  while (!pages.empty() && *pages.rbegin() * page >= to)
    pages.erase(std::prev(pages.end()));
  size = to;
  dirty_to = std::max(dirty_to, to);
}

void inode::sync() {
  durable_.resize(size);
  auto from = mapped ? 0 : std::min(dirty_from, size);
  auto to = mapped ? size : std::min(dirty_to, size);
  if (from < to)
    std::memcpy(durable_.data() + from, data_ + from, to - from);
  dirty_from = ~0ull;
  dirty_to = 0;
}

void inode::forget_unsynced() {
  dirty_from = ~0ull;
  dirty_to = 0;
}

void inode::lose_power() {
  auto keep = kernel::random(3); // nothing, everything, or each sector by chance
  auto length = keep == 0 ? durable_.size() : std::max<std::uint64_t>(durable_.size(), size);
  durable_.resize(length);
  for (std::uint64_t at = 0; at < length; at += sector) {
    auto n = std::min(sector, length - at);
    if (std::memcmp(data_ + at, durable_.data() + at, n) == 0)
      continue;
    if (keep == 1 || (keep == 2 && kernel::chance(0.5)))
      std::memcpy(durable_.data() + at, data_ + at, n);
  }
  if (size > length)
    std::memset(data_ + length, 0, size - length);
  std::memcpy(data_, durable_.data(), length);
  size = length;
  mapped = false;
}

void inode::rot(std::uint64_t offset) {
  auto at = offset / sector * sector;
  if (kernel::chance(0.7))
    data_[offset] ^= static_cast<std::byte>(1u << kernel::random(8));
  else
    for (auto i = at; i < at + sector; ++i)
      data_[i] = static_cast<std::byte>(kernel::random(256));
  if (at + sector <= durable_.size())
    std::memcpy(durable_.data() + at, data_ + at, sector);
}

sim_disk::sim_disk(std::uint64_t capacity_bytes)
    : capacity_(capacity_bytes), env_(make_database_env(*this)) {
  directories.insert("/");
}

sim_disk::~sim_disk() = default;

std::uint64_t sim_disk::used() const {
  std::uint64_t out = 0;
  for (const auto& [path, node] : files)
    out += node->pages.size() * page;
  return out;
}

bool sim_disk::room_for(std::uint64_t bytes) const {
  return !faults.full && used() + bytes <= capacity_;
}

result<std::unique_ptr<disk_file>> sim_disk::open(const std::string& path, open_mode how) {
  auto at = files.find(path);
  if (at == files.end()) {
    if (how == open_mode::existing)
      return fault{errc::not_found, path + " is missing"};
    if (faults.full) {
      note_fault(count::writes_refused, path);
      return os_fault(ENOSPC, "create", path);
    }
    at = files.emplace(path, std::make_shared<inode>()).first;
  }
  return std::unique_ptr<disk_file>{new sim_file{*this, at->second, path}};
}

result<std::unique_ptr<disk_file>> sim_disk::lock(const std::string& path) {
  auto& holder = locks_[path];
  if (holder != nullptr && holder->alive && holder != kernel::current())
    return fault{errc::busy, path + " is held by another process"};
  holder = kernel::current();
  return open(path, open_mode::create);
}

result<void> sim_disk::make_directory(const std::string& path) {
  for (auto at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    directories.insert(path.substr(0, at));
  directories.insert(path);
  return {};
}

result<void> sim_disk::sync_directory(const std::string&) {
  kernel::sleep(static_cast<std::int64_t>(kernel::random(sync_ns_max)));
  return {};
}

result<void> sim_disk::remove_tree(const std::string& path) {
  auto inside = [&](const std::string& x) { return x == path || x.starts_with(path + "/"); };
  std::erase_if(files, [&](const auto& x) { return inside(x.first); });
  std::erase_if(directories, inside);
  return {};
}

result<std::vector<std::string>> sim_disk::list(const std::string& path) const {
  if (!directories.contains(path))
    return fault{errc::storage, "cannot list " + path + ": it is missing"};
  std::set<std::string> out;
  auto note = [&](const std::string& x) {
    if (x.starts_with(path + "/"))
      out.insert(x.substr(path.size() + 1, x.find('/', path.size() + 1) - path.size() - 1));
  };
  for (const auto& [name, node] : files)
    note(name);
  for (const auto& name : directories)
    note(name);
  return std::vector<std::string>(out.begin(), out.end());
}

result<file_system_space> sim_disk::space(const std::string&) const {
  auto taken = std::min(used(), capacity_);
  return file_system_space{capacity_, faults.full ? 0 : capacity_ - taken};
}

result<std::string> sim_disk::boot_id() const {
  return "boot-" + std::to_string(boots_);
}

void sim_disk::lose_power() {
  ++boots_;
  for (auto& [path, node] : files)
    node->lose_power();
  locks_.clear();
}

bool sim_disk::fails(double probability, count what, const std::string& path) {
  if (!kernel::chance_or_no(probability))
    return false;
  note_fault(what, path);
  return true;
}

void sim_disk::note_fault(count what, const std::string& path) {
  counts::add(what);
  failed_ns_ = kernel::now_ns();
  kernel::trace(std::string{counts::name(what)} + ": " + path);
}

void sim_disk::sync_all() {
  for (auto& [path, node] : files)
    node->sync();
}

bool sim_disk::rot(const std::string& directory, std::uint32_t extent_bytes,
                   const std::function<bool(std::uint32_t)>& may) {
  auto data = files.find(directory + "/0000.extents");
  auto sums = files.find(directory + "/0000.crc");
  if (data == files.end() || sums == files.end())
    return false;
  std::vector<std::uint64_t> places;
  for (auto p : data->second->pages)
    if (may(static_cast<std::uint32_t>(p * page / extent_bytes)))
      places.push_back(p);
  if (places.empty())
    return false;
  auto block = places[kernel::random(places.size())];
  counts::add(count::bits_flipped);
  kernel::trace("rot in block " + std::to_string(block) + " of " + directory);
  // A checksum's sector holds those of many blocks: then only this one's bits change.
  if (kernel::chance(0.7))
    data->second->rot(block * page + kernel::random(page));
  else
    sums->second->data()[block * sizeof(std::uint32_t) + kernel::random(4)] ^= std::byte{4};
  return true;
}

} // namespace foreshift::sim
