// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace foreshift::cli {

enum class align { left, right };

/// Collects rows and prints them in aligned columns, header in upper case; control characters in
/// cells become '?', so that no name can move the cursor. The last column is never padded.
class table {
public:
  struct column {
    std::string title; ///< Empty titles everywhere: no header line.
    align side = align::left;
  };

  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}

  /// One cell per column; a short row is filled with empty cells.
  void row(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }

  std::string render() const;

  /// To standard output; `when_empty` if there are no rows.
  void print(const char* when_empty = "nothing to show") const;

private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

} // namespace foreshift::cli
