// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/forecast_book.hpp"
#include "tests/actors/agent/doubles.hpp"

#include <doctest/doctest.h>

using namespace foreshift;

namespace {

packet<schema::PlaneStatus> primary_of(unsigned volumes) {
  return packet<schema::PlaneStatus>::make([&](auto root) {
    auto list = root.initVolumes(volumes);
    for (unsigned i = 0; i < volumes; ++i) {
      list[i].setId(i + 1);
      list[i].setState(schema::LeaseState::PRIMARY);
      list[i].setSizeBytes(1ull << 40);
      list[i].setExtentBytes(1u << 20);
    }
  });
}

/// Reads of so many extents, the later ones more often.
void read_extents(forecast_book& book, std::uint64_t volume, std::uint32_t extents) {
  std::int64_t now_ms = 1'700'000'000'000;
  for (std::uint32_t extent = 0; extent < extents; ++extent)
    book.observe(test::read_log(volume, now_ms += 10, extent, extent < extents / 2 ? 1 : 4));
}

std::uint64_t active(forecast_book& book, std::uint64_t volume) {
  for (const auto& report : book.predict(1'700'000'100'000))
    if (auto x = report.read().getForecast(); x.getVolume() == volume)
      return x.getExtentsActive();
  return 0;
}

} // namespace

TEST_CASE("forecast book: all volumes together know no more extents than fit (I8)") {
  forecast_book_options options;
  options.memory_bytes_max = 4096 * forecast_extent_bytes;
  forecast_book book{options};
  book.learn(primary_of(1).read(), 0);
  REQUIRE(book.open(1, nullptr));
  read_extents(book, 1, 3000);
  CHECK(active(book, 1) == 3000); // alone it may have all of it
  book.learn(primary_of(3).read(), 0);
  for (std::uint64_t volume : {2, 3})
    REQUIRE(book.open(volume, nullptr));
  read_extents(book, 2, 3000);
  auto first = active(book, 1);
  auto second = active(book, 2);
  CHECK(first <= 1024); // a quarter: shares are powers of two
  CHECK(second <= 1024);
  CHECK(first > 512);
  CHECK(second > 512);
}
