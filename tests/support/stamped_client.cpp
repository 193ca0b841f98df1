// SPDX-License-Identifier: Apache-2.0
// stamped_client OPTIONS...: reads and writes stamped blocks of an NBD export and records every
// request as a history (core/history/file.hpp). A client thread that sees an error connects anew,
// like a VM's disk driver that follows its volume.
//
//   --socket PATH     unix socket, resolved again at each connect (it may be a symbolic link)
//   --export NAME     volume
//   --history FILE    appended to
//   --client N        number of the first thread's client
//   --threads N       --blocks N (of 4 KiB, spread over the volume)   --seed N
//   --pause-us N      between a thread's requests
//   --verify          read every block once, retrying for a minute, and end
//
// Without --verify it runs until SIGTERM.
#include "core/base/clock.hpp"
#include "core/history/file.hpp"

#include <libnbd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace foreshift;
using history::block_bytes;
using history::op_kind;
using history::operation;

namespace {

using block_words = std::array<std::uint64_t, block_bytes / sizeof(std::uint64_t)>;

struct options {
  std::string socket, name, file;
  std::uint32_t client = 1, threads = 2, blocks = 192, pause_us = 1000;
  std::uint64_t seed = 1;
  bool verify = false;
};

std::atomic<bool> stopping{false};

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u;
  return x ^ (x >> 29);
}

/// Says in every word which block it is, so that a foreign or torn one is recognised.
block_words stamped(std::uint64_t block, std::uint64_t stamp) {
  block_words out;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = mix(mix(block + 1) + stamp * 512 + i);
  out[0] = stamp;
  return out;
}

std::uint64_t stamp_of(std::uint64_t block, const block_words& words) {
  if (std::all_of(words.begin(), words.end(), [](auto x) { return x == 0; }))
    return 0;
  return words == stamped(block, words[0]) ? words[0] : history::torn_stamp;
}

/// One file for all threads; a line is written whole.
class recorder {
public:
  explicit recorder(const std::string& path) : out_(path, std::ios::app) {}
  void put(const operation& op) {
    auto line = history::format_line(op);
    std::lock_guard lock{mutex_};
    out_ << line << std::flush;
  }

private:
  std::mutex mutex_;
  std::ofstream out_;
};

class client {
public:
  client(const options& o, std::uint32_t number, recorder& log)
      : o_(o), number_(number), log_(log), random_(o.seed * 1000 + number) {}

  void run() {
    while (!stopping) {
      if (connected())
        request();
      else
        rest(50'000);
      rest(o_.pause_us);
    }
  }

  /// Reads each block once. False when some could not be read within a minute.
  bool read_all() {
    for (std::uint32_t i = 0; i < o_.blocks; ++i) {
      int tries = 0;
      while (!connected() || !one(op_kind::read, i, 1)) {
        if (++tries == 300)
          return false;
        rest(200'000);
      }
    }
    return true;
  }

private:
  static void rest(std::uint32_t us) { ::usleep(us); }

  bool connected() {
    if (nbd_)
      return true;
    nbd_.reset(nbd_create());
    auto uri = "nbd+unix:///" + o_.name + "?socket=" + o_.socket;
    if (nbd_connect_uri(nbd_.get(), uri.c_str()) == 0) {
      auto size = nbd_get_size(nbd_.get());
      blocks_there_ = size > 0 ? static_cast<std::uint64_t>(size) / block_bytes : 0;
      if (blocks_there_ >= o_.blocks)
        return true;
    }
    nbd_.reset();
    return false;
  }

  void request() {
    const auto dice = random_() % 100;
    const auto length = static_cast<std::uint32_t>(random_() % 8 == 0 ? 1 + random_() % 4 : 1);
    const auto first = static_cast<std::uint32_t>(random_() % (o_.blocks - length + 1));
    if (dice < 45)
      one(op_kind::read, first, length);
    else if (dice < 95)
      one(op_kind::write, first, length);
    else if (dice < 98)
      one(op_kind::zero, first, length);
    else if (nbd_flush(nbd_.get(), 0) != 0)
      nbd_.reset();
  }

  /// The blocks come in pairs of neighbours, the pairs are spread over the volume.
  std::uint64_t place(std::uint32_t index) const {
    auto stride = blocks_there_ / ((o_.blocks + 1) / 2);
    return index / 2 * stride + (index & 1) + (stride > 2 ? stride - 2 : 0);
  }

  /// One request, recorded block by block. Neighbours in the index need not be neighbours in the
  /// volume: a request is as long as they are.
  bool one(op_kind kind, std::uint32_t index, std::uint32_t length) {
    const auto first = place(index);
    std::uint32_t count = 1;
    while (count < length && place(index + count) == first + count)
      ++count;
    std::vector<block_words> data(count);
    const auto stamp = kind == op_kind::write ? (std::uint64_t{number_} << 40) + ++stamps_ : 0;
    if (kind == op_kind::write)
      for (std::uint32_t i = 0; i < count; ++i)
        data[i] = stamped(first + i, stamp);
    operation op;
    op.client = number_;
    op.kind = kind;
    op.start = system_clock().monotonic_ns();
    const bool good = send(kind, first * block_bytes, data);
    op.end = system_clock().monotonic_ns();
    op.how = good ? history::outcome::ok : history::outcome::failed;
    for (std::uint32_t i = 0; i < count; ++i) {
      op.block = first + i;
      op.stamp = kind == op_kind::read && good ? stamp_of(op.block, data[i]) : stamp;
      log_.put(op);
    }
    if (!good)
      nbd_.reset();
    return good;
  }

  bool send(op_kind kind, std::uint64_t offset, std::vector<block_words>& data) {
    const auto bytes = data.size() * block_bytes;
    if (kind == op_kind::read)
      return nbd_pread(nbd_.get(), data.data(), bytes, offset, 0) == 0;
    if (kind == op_kind::zero)
      return nbd_zero(nbd_.get(), bytes, offset, 0) == 0;
    return nbd_pwrite(nbd_.get(), data.data(), bytes, offset, 0) == 0;
  }

  struct closer {
    void operator()(nbd_handle* h) const { nbd_close(h); }
  };

  const options& o_;
  const std::uint32_t number_;
  recorder& log_;
  std::mt19937_64 random_;
  std::unique_ptr<nbd_handle, closer> nbd_;
  std::uint64_t blocks_there_ = 0, stamps_ = 0;
};

bool parse(int argc, char** argv, options& o) {
  std::map<std::string, std::string> named;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--verify") == 0)
      o.verify = true;
    else if (i + 1 < argc && std::strncmp(argv[i], "--", 2) == 0)
      named[argv[i] + 2] = argv[i + 1], ++i;
    else
      return false;
  }
  auto number = [&](const char* key, auto& out) {
    if (named.contains(key))
      out =
          static_cast<std::decay_t<decltype(out)>>(std::strtoull(named[key].c_str(), nullptr, 10));
  };
  o.socket = named["socket"];
  o.name = named["export"];
  o.file = named["history"];
  number("client", o.client);
  number("threads", o.threads);
  number("blocks", o.blocks);
  number("pause-us", o.pause_us);
  number("seed", o.seed);
  return !o.socket.empty() && !o.name.empty() && !o.file.empty() && o.blocks > 8;
}

} // namespace

int main(int argc, char** argv) {
  options o;
  if (!parse(argc, argv, o)) {
    std::fprintf(stderr, "usage: stamped_client --socket PATH --export NAME --history FILE ...\n");
    return 2;
  }
  recorder log{o.file};
  if (o.verify)
    return client{o, o.client, log}.read_all() ? 0 : 1;
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::thread> all;
  for (std::uint32_t i = 0; i < o.threads; ++i)
    all.emplace_back([&, i] { client{o, o.client + i, log}.run(); });
  for (auto& thread : all)
    thread.join();
  return 0;
}
