// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/trace/trace_reader.hpp"

#include <cstring>
#include <string>
#include <vector>

namespace foreshift {

/// A trace in memory, read to its end or its fault.
struct read_trace {
  explicit read_trace(std::string bytes, trace_options options = {}, std::size_t batch = 7) {
    auto reader = trace_reader::from(source_of(std::move(bytes)), "t", options);
    if (!reader) {
      why = reader.error();
      return;
    }
    for (std::vector<trace_request> some(batch); !why;) {
      auto got = reader->read(some);
      if (!got)
        why = got.error();
      else
        requests.insert(requests.end(), some.begin(),
                        some.begin() + static_cast<std::ptrdiff_t>(*got));
      if (got && *got < batch)
        break;
    }
    counts = reader->counts();
  }

  std::string fault_text() const { return why ? why->detail : ""; }

  std::vector<trace_request> requests;
  trace_counts counts;
  std::optional<fault> why;
};

inline trace_options lenient() {
  trace_options out;
  out.lenient = true;
  return out;
}

/// A vscsiStats record; `version` 1 or 2.
inline std::string vscsi_record(unsigned version, std::uint16_t command, std::uint32_t bytes,
                                std::uint64_t block, std::uint64_t at_us) {
  std::string out;
  auto put = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  auto tag = static_cast<std::uint16_t>(version << 8 | 5);
  if (version == 2) {
    put(command);
    put(tag);
  }
  put(std::uint32_t{1});
  put(bytes);
  put(std::uint32_t{1});
  if (version == 1) {
    put(command);
    put(tag);
  }
  put(block);
  put(at_us);
  if (version == 2)
    put(std::uint64_t{900});
  return out;
}

} // namespace foreshift
