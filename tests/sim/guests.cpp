// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/guests.hpp"

#include "core/volume/nbd_handle.hpp"

#include <algorithm>
#include <cstring>

namespace foreshift::sim {

/// A guest's connection to its host's data plane.
struct guest_line {
  std::uint32_t client = 0;
  nbd_connection handle;
  bool lost = false;
};

namespace {

constexpr std::size_t block = history::block_bytes;
constexpr std::chrono::seconds patience{15}; ///< Longer than the data plane holds a request.
constexpr std::size_t blocks_at_once = 3;

void stamp_block(std::byte* out, std::uint64_t stamp) {
  for (std::size_t i = 0; i < block; i += sizeof stamp)
    std::memcpy(out + i, &stamp, sizeof stamp);
}

std::uint64_t stamp_of(const std::byte* in) {
  std::uint64_t stamp = 0;
  std::memcpy(&stamp, in, sizeof stamp);
  bool whole = std::memcmp(in, in + sizeof stamp, block - sizeof stamp) == 0;
  return whole ? stamp : history::torn_stamp;
}

result<nbd_connection> open_line(const std::string& host, const std::string& volume) {
  nbd_link_options how;
  how.connect_timeout = patience;
  return nbd_open("guest." + host + ":0", volume, how);
}

} // namespace

guests::guests(guest_options options) : options_(std::move(options)) {
  operations_.reserve(1u << 14);
}

void guests::start() {
  for (const auto& host : options_.hosts) {
    auto* owner = kernel::make_process("guest-" + host, host);
    for (unsigned i = 0; i < options_.threads; ++i) {
      ++alive_;
      kernel::spawn(owner, [this, host] { live(host); });
    }
  }
}

void guests::stop() {
  stopping_ = true;
  auto until = kernel::now_ns() + 40 * second;
  while (alive_ > 0 && kernel::now_ns() < until)
    kernel::sleep(50 * ms);
}

void guests::live(const std::string& host) {
  while (!stopping_) {
    guest_line on;
    on.client = ++clients_;
    auto opened = open_line(host, options_.volume);
    if (!opened) {
      kernel::sleep(static_cast<std::int64_t>(kernel::random(300 * ms)));
      continue;
    }
    on.handle = *std::move(opened);
    while (!stopping_ && !on.lost) {
      act(on);
      kernel::sleep(static_cast<std::int64_t>(
          kernel::random(static_cast<std::uint64_t>(options_.pause_ns_max))));
    }
  }
  --alive_;
}

/// How many blocks from `first` lie next to each other, at most `count`.
std::size_t guests::run_from(std::size_t first, std::size_t count) const {
  std::size_t n = 1;
  while (n < count && first + n < options_.blocks.size()
         && options_.blocks[first + n] == options_.blocks[first] + n)
    ++n;
  return n;
}

void guests::note(guest_line& on, const result<void>& done, std::uint64_t& good) {
  on.lost = !done;
  ++(done ? good : counts_.failures);
  if (!done && done.error().code != errc::refused)
    ++counts_.faults;
}

void guests::act(guest_line& on) {
  if (kernel::chance(options_.flushes)) {
    auto cookie = nbd_aio_flush(on.handle.get(), nbd_completion_callback{}, 0);
    auto done = cookie < 0 ? result<void>{nbd_fault(on.handle.get(), "guest")}
                           : nbd_await(on.handle.get(), cookie, patience, "guest");
    note(on, done, counts_.flushes);
    return;
  }
  auto first = kernel::random(options_.blocks.size());
  auto count = run_from(first, 1 + kernel::random(blocks_at_once));
  if (kernel::chance(options_.writes))
    write(on, first, count, kernel::chance(options_.zeroes));
  else
    read(on, first, count);
}

void guests::write(guest_line& on, std::size_t first, std::size_t count, bool zero) {
  std::vector<std::byte> data(count * block);
  auto from = operations_.size();
  for (std::size_t i = 0; i < count; ++i) {
    history::operation op;
    op.block = options_.blocks[first + i];
    op.kind = zero ? history::op_kind::zero : history::op_kind::write;
    op.stamp = zero ? 0 : ++stamps_;
    op.start = kernel::now_ns();
    op.client = on.client;
    op.how = history::outcome::unknown;
    operations_.push_back(op);
    stamp_block(data.data() + i * block, op.stamp);
  }
  auto offset = options_.blocks[first] * block;
  auto* h = on.handle.get();
  auto cookie =
      zero ? nbd_aio_zero(h, data.size(), offset, nbd_completion_callback{}, 0)
           : nbd_aio_pwrite(h, data.data(), data.size(), offset, nbd_completion_callback{}, 0);
  auto done =
      cookie < 0 ? result<void>{nbd_fault(h, "guest")} : nbd_await(h, cookie, patience, "guest");
  note(on, done, counts_.writes);
  kernel::trace("client " + std::to_string(on.client) + (zero ? " zeroes" : " writes") + " block "
                + std::to_string(options_.blocks[first]) + " x" + std::to_string(count) + " stamp "
                + std::to_string(operations_[from].stamp)
                + (done ? "" : ": " + done.error().detail));
  if (!done)
    return; // It may take effect at any time.
  for (std::size_t i = 0; i < count; ++i) {
    operations_[from + i].how = history::outcome::ok;
    operations_[from + i].end = kernel::now_ns();
  }
}

void guests::read(guest_line& on, std::size_t first, std::size_t count) {
  std::vector<std::byte> data(count * block);
  auto start = kernel::now_ns();
  auto* h = on.handle.get();
  auto cookie = nbd_aio_pread(h, data.data(), data.size(), options_.blocks[first] * block,
                              nbd_completion_callback{}, 0);
  auto done =
      cookie < 0 ? result<void>{nbd_fault(h, "guest")} : nbd_await(h, cookie, patience, "guest");
  note(on, done, counts_.reads);
  for (std::size_t i = 0; done && i < count; ++i) {
    history::operation op;
    op.block = options_.blocks[first + i];
    op.kind = history::op_kind::read;
    op.stamp = stamp_of(data.data() + i * block);
    op.start = start;
    op.end = kernel::now_ns();
    op.client = on.client;
    operations_.push_back(op);
  }
  kernel::trace("client " + std::to_string(on.client) + " reads block "
                + std::to_string(options_.blocks[first]) + " x" + std::to_string(count) + " stamp "
                + (done ? std::to_string(stamp_of(data.data())) : done.error().detail));
}

result<void> guests::read_back(const std::string& host) {
  auto opened = open_line(host, options_.volume);
  if (!opened)
    return opened.error();
  guest_line on;
  on.client = ++clients_;
  on.handle = *std::move(opened);
  for (std::size_t i = 0; i < options_.blocks.size() && !on.lost; ++i)
    read(on, i, 1);
  if (on.lost)
    return fault{errc::storage, "a block cannot be read"};
  return {};
}

result<void> guests::flush(const std::string& host) {
  auto opened = open_line(host, options_.volume);
  if (!opened)
    return opened.error();
  auto cookie = nbd_aio_flush(opened->get(), nbd_completion_callback{}, 0);
  return nbd_await(opened->get(), cookie, patience, "guest");
}

result<history::verdict> guests::check() const {
  history::checker all;
  for (const auto& op : operations_)
    all.add(op);
  return all.finish();
}

} // namespace foreshift::sim
