// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <unistd.h>

namespace foreshift::test {

/// A directory of its own for one test, removed with it.
class scratch {
public:
  scratch() {
    auto name = (std::filesystem::temp_directory_path() / "foreshift-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

} // namespace foreshift::test
