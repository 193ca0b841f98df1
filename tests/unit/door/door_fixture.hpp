// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "schemas/door.capnp.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace foreshift::door::test {

using namespace std::chrono_literals;

/// Long enough for a loaded machine; nothing is measured by it.
inline constexpr auto patience = 20s;

/// A directory that goes away with the test.
class temp_dir {
public:
  temp_dir() {
    auto pattern = (std::filesystem::temp_directory_path() / "foreshift-door-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~temp_dir() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

private:
  std::filesystem::path path_;
};

inline envelope text(std::string_view words, std::uint64_t type = 1) {
  auto raw = as_bytes(words);
  return {type, {raw.begin(), raw.end()}};
}

inline std::string words(const envelope& x) {
  return std::string{as_text(x.payload)};
}

/// Answers every request with itself.
inline service echo() {
  return [](envelope request, const peer&, answer reply) { reply(std::move(request)); };
}

/// Keeps its requests unanswered until told.
class holding_service {
public:
  service get() {
    return [this](envelope, const peer&, answer reply) {
      std::lock_guard lock{guard_};
      held_.push_back(std::move(reply));
    };
  }
  std::size_t count() {
    std::lock_guard lock{guard_};
    return held_.size();
  }
  std::vector<answer> take() {
    std::lock_guard lock{guard_};
    return std::exchange(held_, {});
  }

private:
  std::mutex guard_;
  std::vector<answer> held_;
};

struct fixture {
  temp_dir dir;
  io_thread io;

  std::unique_ptr<server> serve(server_options options, service handler = echo()) {
    auto out = server::open(io, std::move(options), std::move(handler));
    REQUIRE_MESSAGE(out, (out ? "" : to_string(out.error())));
    return *std::move(out);
  }

  std::unique_ptr<client> dial(const std::string& address) {
    return client::open(io, {.address = address});
  }

  std::unique_ptr<client> dial(const server& at) {
    return dial("127.0.0.1:" + std::to_string(at.port()));
  }
};

} // namespace foreshift::door::test
