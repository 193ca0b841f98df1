// SPDX-License-Identifier: Apache-2.0
#include "core/volume/miss_list.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

TEST_CASE("the latest misses come first, once each, and old ones are forgotten") {
  miss_list uut;
  uut.note(1, 0);
  uut.note(2, 1'000'000'000);
  uut.note(1, 2'000'000'000);
  CHECK(uut.recent(2'000'000'000) == std::vector<std::uint32_t>{1, 2});
  CHECK(uut.recent(11'500'000'000) == std::vector<std::uint32_t>{1});
  CHECK(uut.recent(13'000'000'000).empty());
}

TEST_CASE("the list of misses is bounded: the oldest goes") {
  miss_list uut;
  for (std::uint32_t e = 0; e < 200; ++e)
    uut.note(e, e);
  auto all = uut.recent(200);
  CHECK(all.size() == miss_list::kept_max);
  CHECK(all.front() == 199);
  CHECK(all.back() == 200 - miss_list::kept_max);
}
