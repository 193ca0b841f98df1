// SPDX-License-Identifier: Apache-2.0
#include "core/codec/packet.hpp"

#include "schemas/door.capnp.h"
#include "schemas/plane.capnp.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace foreshift;

namespace {

using fault_packet = packet<schema::Fault>;
using status_packet = packet<schema::PlaneStatus>;

fault_packet sample() {
  return fault_packet::make([](auto root) {
    root.setCode(3);
    root.setDetail("no volume named 'x'");
  });
}

/// Lists, texts, nested structs.
status_packet rich_sample() {
  return status_packet::make([](auto root) {
    root.setHost("host-a");
    auto volumes = root.initVolumes(3);
    for (unsigned i = 0; i < 3; ++i) {
      volumes[i].setId(i + 1);
      volumes[i].setName("volume");
      volumes[i].initMoves(i).size();
    }
    root.initClients(2)[1].setPid(77);
  });
}

std::vector<std::byte> copy(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

/// Little-endian words of a message without its segment table.
std::vector<std::byte> words(const std::vector<std::uint64_t>& raw) {
  return copy(std::as_bytes(std::span{raw}));
}

/// A struct pointer to the next word, to a struct of no data and `pointers` pointers.
constexpr std::uint64_t next_struct(std::uint64_t pointers) {
  return pointers << 48;
}

/// Flips every bit in turn; whatever is admitted must be readable to its last field.
template <class Schema>
std::size_t survivors(const packet<Schema>& x) {
  auto bytes = copy(x.bytes());
  std::size_t admitted = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto broken = bytes;
      broken[i] ^= std::byte(1u << bit);
      auto y = packet<Schema>::admit(broken);
      if (!y) {
        CHECK((y.error().code == errc::malformed || y.error().code == errc::too_large));
        continue;
      }
      ++admitted;
      CHECK(to_string(*y).size() > 0);
      auto again = packet<Schema>::admit(y->bytes());
      REQUIRE(again);
      CHECK(*again == *y);
    }
  return admitted;
}

} // namespace

TEST_CASE("packet: copies share the words") {
  auto x = sample();
  auto y = x;
  CHECK(x.use_count() == 2);
  CHECK(x.bytes().data() == y.bytes().data());
  CHECK(x.read().getDetail().begin() == y.read().getDetail().begin());
}

TEST_CASE("packet: equal content means equal bytes") {
  CHECK(sample() == sample());
  CHECK(sample() != fault_packet{});
  CHECK(rich_sample() == rich_sample());
}

TEST_CASE(
    "packet: an empty packet reads as defaults, travels, and equals one made with nothing set") {
  fault_packet x;
  CHECK(x.read().getCode() == 0);
  CHECK(x.read().getDetail().size() == 0);
  CHECK(x == fault_packet::make([](auto) {}));
  auto y = fault_packet::admit(x.bytes());
  REQUIRE(y);
  CHECK(*y == x);
  CHECK(packet<schema::Done>{} == packet<schema::Done>::make([](auto) {}));
}

TEST_CASE("packet: the order of setting fields does not show in the bytes") {
  auto x = status_packet::make([](auto root) {
    root.setHost("a");
    root.initVolumes(1)[0].setName("v");
  });
  auto y = status_packet::make([](auto root) {
    root.initVolumes(1)[0].setName("v");
    root.setHost("a");
  });
  CHECK(x == y);
}

TEST_CASE("packet: admit takes bytes at any address") {
  auto x = rich_sample();
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> buffer(x.bytes().size() + shift);
    std::copy(x.bytes().begin(), x.bytes().end(), buffer.begin() + static_cast<long>(shift));
    auto y = status_packet::admit(std::span{buffer}.subspan(shift));
    REQUIRE(y);
    CHECK(*y == x);
  }
}

TEST_CASE("packet: every single-bit corruption is refused or harmless") {
  CHECK(survivors(sample()) > 0); // a flipped bit of `code` is another valid message
  CHECK(survivors(rich_sample()) > 0);
}

TEST_CASE("packet: random bytes are refused or harmless") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    std::vector<std::byte> junk((1 + random() % 32) * 8);
    for (auto& x : junk)
      x = std::byte(random() % (seed % 2 == 0 ? 256 : 4));
    if (auto y = status_packet::admit(junk))
      CHECK(to_string(*y).size() > 0);
  }
}

TEST_CASE("packet: partial words, truncation and nothing at all are malformed") {
  auto bytes = copy(rich_sample().bytes());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    auto y = status_packet::admit(std::span{bytes}.first(size));
    REQUIRE_FALSE(y);
    CHECK(y.error().code == errc::malformed);
  }
}

TEST_CASE("packet: a message over the limit is too_large, before it is looked at") {
  std::vector<std::byte> big(packet_bytes_max + 8);
  auto y = fault_packet::admit(big);
  REQUIRE_FALSE(y);
  CHECK(y.error().code == errc::too_large);
}

TEST_CASE("packet: a message of almost the limit is admitted") {
  auto x = packet<schema::PlaneStage>::make(
      [](auto root) { root.initExtents(packet_bytes_max / 4 - 64).set(5, 7); });
  REQUIRE(x.bytes().size() <= packet_bytes_max);
  auto y = packet<schema::PlaneStage>::admit(x.bytes());
  REQUIRE(y);
  CHECK(y->read().getExtents()[5] == 7);
  auto many = status_packet::make([](auto root) {
    for (auto volume : root.initVolumes(20'000))
      volume.setName("a volume with a name");
  });
  CHECK(status_packet::admit(many.bytes()));
}

TEST_CASE("packet: a long list of structs that are all zero is admitted") {
  // It takes two words, but counts element by element when it is read.
  auto x = status_packet::make([](auto root) { root.initVolumes(10'000); });
  auto y = status_packet::admit(x.bytes());
  REQUIRE(y);
  CHECK(y->read().getVolumes().size() == 10'000);
}

TEST_CASE("packet: nesting is limited, also in fields that this build does not know") {
  auto nested = [](std::size_t depth) {
    std::vector<std::uint64_t> raw(depth, next_struct(1));
    raw.push_back(0);
    return words(raw);
  };
  auto shallow = packet<schema::Done>::admit(nested(20));
  REQUIRE(shallow);
  CHECK(shallow->bytes().size() == 20 * 8); // unknown fields are kept
  auto deep = packet<schema::Done>::admit(nested(packet_depth_max + 10));
  REQUIRE_FALSE(deep);
  CHECK(deep.error().code == errc::malformed);
}

TEST_CASE("packet: pointers that all lead to one place cannot blow a message up") {
  // A root of 512 pointers, each to the same 512-pointer struct, whose pointers lead to one
  // text-like block of 4 KiB: a few KiB that would unfold to a gigabyte.
  constexpr std::uint64_t fan = 512;
  std::vector<std::uint64_t> raw{next_struct(fan)};
  auto pointer_to = [&raw](std::size_t target, std::uint64_t pointers) {
    auto offset = static_cast<std::uint64_t>(target - raw.size() - 1);
    raw.push_back(offset << 2 | pointers << 48);
  };
  for (std::uint64_t i = 0; i < fan; ++i)
    pointer_to(1 + fan, fan);
  for (std::uint64_t i = 0; i < fan; ++i)
    pointer_to(1 + 2 * fan, fan);
  raw.resize(raw.size() + fan, 0);
  auto y = packet<schema::Done>::admit(words(raw));
  REQUIRE_FALSE(y);
  CHECK(y.error().code == errc::malformed);
}

TEST_CASE("packet: text without its NUL and a list of another type are malformed") {
  auto bytes = copy(sample().bytes());
  auto last = as_bytes("'x'");
  auto at = std::search(bytes.begin(), bytes.end(), last.begin(), last.end());
  REQUIRE(at != bytes.end());
  at[3] = std::byte{'!'}; // the NUL
  auto y = fault_packet::admit(bytes);
  REQUIRE_FALSE(y);
  CHECK(y.error().code == errc::malformed);
  CHECK(fault_packet::admit(
            packet<schema::PlaneStage>::make([](auto root) { root.initExtents(3); }).bytes())
            .error()
            .code
        == errc::malformed);
}

TEST_CASE("packet: what is readable only before it is made canonical is malformed") {
  // A list of one struct of one zero word may be read as a list of numbers; its canonical form, a
  // list of an empty struct, may not. Admitting it would make the reader throw far from the border.
  auto raw =
      words({2ull << 32 | 1ull << 48, 1, 2, 1 | 7ull << 32 | 1ull << 35, 1 << 2 | 1ull << 32, 0});
  auto y = packet<schema::PlaneStage>::admit(raw);
  REQUIRE_FALSE(y);
  CHECK(y.error().code == errc::malformed);
  raw[40] = std::byte{9}; // the same with a number in it
  auto z = packet<schema::PlaneStage>::admit(raw);
  REQUIRE(z);
  CHECK(z->read().getExtents()[0] == 9);
}
