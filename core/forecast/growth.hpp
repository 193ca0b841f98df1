// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace foreshift {

/// Like `resize`, with a sixteenth to spare instead of as much again: there are dozens of arrays
/// with an element per extent.
template <class T>
void grow(std::vector<T>& values, std::size_t count, T fresh = {}) {
  if (count > values.capacity())
    values.reserve(count + count / 16 + 64);
  values.resize(count, fresh);
}

} // namespace foreshift
