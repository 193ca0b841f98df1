// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace foreshift {

/// Binds TOML keys to variables and reads a file into them.
///
///   config_reader in;
///   in.text("host.name", options.name, "name of this host, unique in the cell");
///   in.bytes("moves.rate", options.rate, "bytes per second for background moves");
///   auto ok = in.read_file("agent.toml");
///
/// Every error is `invalid` and reads "agent.toml:7: ..."; an unknown key names the nearest known
/// one
/// ("unknown key 'moves.rat'; did you mean 'moves.rate'?"). Keys not in the file keep their
/// defaults; after an error every variable does. The variables must outlive the reader. One thread.
class config_reader {
public:
  config_reader();
  ~config_reader();
  config_reader(const config_reader&) = delete;
  config_reader& operator=(const config_reader&) = delete;

  void text(std::string key, std::string& out, std::string help);
  void texts(std::string key, std::vector<std::string>& out, std::string help);
  void flag(std::string key, bool& out, std::string help);
  void number(std::string key, std::uint64_t& out, std::uint64_t min, std::uint64_t max,
              std::string help);
  void bytes(std::string key, std::uint64_t& out, std::string help); ///< "64MiB" or an integer.
  void duration(std::string key, std::chrono::milliseconds& out, std::string help); ///< "60s".
  void share(std::string key, double& out, std::string help); ///< "90%" or 0.9.

  /// Marks a key that has no default: missing is an error, and so is an empty text.
  void require(std::string key);

  /// At most 1 MiB.
  result<void> read_file(const std::string& path) const;
  /// `name` stands for the file in errors.
  result<void> read_text(std::string_view toml, const std::string& name) const;

  /// A commented TOML file with every key, its help and its current value. `read_text` takes it.
  std::string example() const;

private:
  struct entry;
  struct document;
  void add(entry added);

  std::vector<entry> entries_;
};

} // namespace foreshift
