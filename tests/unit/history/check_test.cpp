// SPDX-License-Identifier: Apache-2.0
#include "core/history/check.hpp"
#include "core/history/search.hpp"
#include "tests/unit/history/brute_force.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>

using namespace foreshift;
using namespace foreshift::history;

namespace {

operation write(std::uint64_t stamp, std::int64_t start, std::int64_t end) {
  return {5, stamp, start, end, 0, op_kind::write, outcome::ok, 0};
}
operation lost(std::uint64_t stamp, std::int64_t start) {
  return {5, stamp, start, never, 0, op_kind::write, outcome::unknown, 0};
}
operation zero(std::int64_t start, std::int64_t end) {
  return {5, 0, start, end, 0, op_kind::zero, outcome::ok, 0};
}
operation read(std::uint64_t stamp, std::int64_t start, std::int64_t end) {
  return {5, stamp, start, end, 1, op_kind::read, outcome::ok, 0};
}

bool linearizable(std::vector<operation> all) {
  auto found = check_block(all);
  REQUIRE(found);
  return !*found;
}

/// A history of one block that is linearizable by its making: the block changes at moments, and
/// each operation spans the moment at which it took effect. `zeroes`: with zero operations too.
std::vector<operation> lawful(std::size_t count, bool zeroes) {
  std::vector<operation> out;
  std::uint64_t held = 0;
  std::int64_t moment = 1000;
  for (std::uint64_t i = 1; i <= count; ++i) {
    moment += *rc::gen::inRange(1, 20);
    operation op;
    op.block = 5;
    op.client = static_cast<std::uint32_t>(i);
    op.start = moment - *rc::gen::inRange(0, 60);
    op.end = moment + *rc::gen::inRange(0, 60);
    const auto dice = *rc::gen::inRange(0, 10);
    if (dice < 5) {
      op.stamp = held;
    } else {
      op.kind = zeroes && dice == 9 ? op_kind::zero : op_kind::write;
      op.stamp = op.kind == op_kind::zero ? 0 : i;
      const bool uncertain = *rc::gen::inRange(0, 4) == 0;
      if (uncertain) {
        op.how = outcome::unknown;
        op.end = never;
      }
      if (!uncertain || *rc::gen::arbitrary<bool>())
        held = op.stamp;
    }
    out.push_back(op);
  }
  return out;
}

/// Anything at all, tiny: mostly not linearizable.
std::vector<operation> lawless(bool zeroes) {
  const auto count = *rc::gen::inRange<std::size_t>(1, 8);
  std::vector<operation> out;
  for (std::uint64_t i = 1; i <= count; ++i) {
    operation op;
    op.block = 5;
    op.start = *rc::gen::inRange(0, 12);
    op.end = op.start + *rc::gen::inRange(0, 8);
    const auto dice = *rc::gen::inRange(0, 10);
    if (dice < 5) {
      op.stamp = *rc::gen::inRange<std::uint64_t>(0, count + 1);
    } else {
      op.kind = zeroes && dice > 7 ? op_kind::zero : op_kind::write;
      op.stamp = op.kind == op_kind::zero ? 0 : i;
      op.how = static_cast<outcome>(*rc::gen::inRange(0, 3));
    }
    out.push_back(op);
  }
  return out;
}

} // namespace

TEST_CASE("what one client does in order is linearizable") {
  CHECK(linearizable({}));
  CHECK(
      linearizable({read(0, 1, 2), write(7, 3, 4), read(7, 5, 6), write(8, 7, 8), read(8, 9, 9)}));
}

TEST_CASE("a stale read is found and told with the operations in conflict") {
  auto found = check_block(
      std::vector{write(7, 10, 20), write(8, 30, 40), read(7, 50, 60), read(8, 70, 80)});
  REQUIRE(found);
  REQUIRE(*found);
  const auto& bad = **found;
  CHECK(bad.block == 5);
  CHECK(bad.conflict.size() >= 3);
  CHECK(bad.conflict.front() == write(7, 10, 20));
  CHECK(bad.why.find("Stamp 7 must come before stamp 8") != std::string::npos);
  CHECK(bad.why.find("Stamp 8 must come before stamp 7") != std::string::npos);
  CHECK(describe(bad).find("client 1 read stamp 7 from block 5") != std::string::npos);
}

TEST_CASE("an acknowledged write may not vanish") {
  CHECK_FALSE(linearizable({write(7, 10, 20), read(0, 21, 22)}));
  CHECK(linearizable({write(7, 10, 20), read(0, 15, 22)}));
}

TEST_CASE("once returned, a newer value is not followed by an older one") {
  // Both reads run beside the write of 8; the second began after the first had ended.
  CHECK_FALSE(linearizable({write(7, 1, 2), write(8, 10, 90), read(8, 20, 30), read(7, 40, 50)}));
  CHECK(linearizable({write(7, 1, 2), write(8, 10, 90), read(8, 20, 45), read(7, 40, 50)}));
}

TEST_CASE("a write of unknown outcome may take effect never, or late, but only once") {
  CHECK(linearizable({write(7, 1, 2), lost(8, 3), read(7, 10, 11), read(7, 20, 21)}));
  CHECK(linearizable({write(7, 1, 2), lost(8, 3), read(7, 10, 11), read(8, 20, 21)}));
  CHECK_FALSE(linearizable({write(7, 1, 2), lost(8, 3), read(8, 10, 11), read(7, 20, 21)}));
  CHECK_FALSE(linearizable({lost(8, 30), read(8, 10, 11)}));
}

TEST_CASE("a read of what nobody wrote is named") {
  auto found = check_block(std::vector{write(7, 1, 2), read(9, 3, 4)});
  REQUIRE((found && *found));
  CHECK((*found)->why.find("nobody wrote") != std::string::npos);
  CHECK_FALSE(linearizable({write(7, 1, 2), read(torn_stamp, 3, 4)}));
}

TEST_CASE("zeroes are a value that may be written again and again") {
  CHECK(linearizable({write(7, 1, 2), zero(3, 4), read(0, 5, 6), write(8, 7, 8), read(8, 9, 10),
                      zero(11, 12), read(0, 13, 14)}));
  CHECK_FALSE(linearizable({zero(1, 2), write(7, 3, 4), read(0, 5, 6)}));
}

TEST_CASE("rubbish is refused, not judged") {
  CHECK(check_block(std::vector{write(7, 1, 2), write(7, 3, 4)}).error().code == errc::malformed);
  CHECK(check_block(std::vector{write(7, 4, 2)}).error().code == errc::malformed);
  CHECK(check_block(std::vector{write(0, 1, 2)}).error().code == errc::malformed);
}

TEST_CASE("the checker counts, and reports the lowest offending block") {
  checker all;
  auto bad = read(99, 3, 4);
  for (std::uint64_t block : {9, 5, 7}) {
    bad.block = block;
    all.add(bad);
  }
  auto fine = write(1, 1, 2);
  fine.block = 2;
  all.add(fine);
  fine = lost(1, 1);
  fine.block = 3;
  all.add(fine);
  auto found = all.finish();
  REQUIRE((found && found->first));
  CHECK(found->first->block == 5);
  CHECK(found->operations == 5);
  CHECK(found->blocks == 5);
  CHECK(found->reads == 3);
  CHECK(found->updates == 1);
  CHECK(found->uncertain == 1);
}

TEST_CASE("lawful histories pass, with zones and with the search") {
  CHECK(rc::check("zones", [] { RC_ASSERT(!check_block(lawful(60, false))->has_value()); }));
  CHECK(rc::check("search", [] { RC_ASSERT(!search_block(lawful(60, false))->has_value()); }));
  CHECK(rc::check("zeroes", [] { RC_ASSERT(!check_block(lawful(60, true))->has_value()); }));
}

TEST_CASE("both algorithms agree with trying every order") {
  CHECK(rc::check("zones", [] {
    auto all = lawless(false);
    auto found = check_block(all);
    RC_ASSERT(bool{found});
    RC_ASSERT(!*found == brute_force::linearizable(all));
  }));
  CHECK(rc::check("search", [] {
    auto all = lawless(true);
    auto found = search_block(all);
    RC_ASSERT(bool{found});
    RC_ASSERT(!*found == brute_force::linearizable(all));
  }));
  CHECK(rc::check("both", [] {
    auto all = *rc::gen::arbitrary<bool>() ? lawless(false) : lawful(7, false);
    RC_ASSERT(check_block(all)->has_value() == search_block(all)->has_value());
  }));
}

TEST_CASE("a lawful history with one read made stale is caught") {
  CHECK(rc::check("stale", [] {
    auto all = lawful(30, *rc::gen::arbitrary<bool>());
    // Two acknowledged writes in sequence after everything, then a read of the first.
    auto late = write(1001, 100'000, 100'001);
    all.push_back(late);
    all.push_back(write(1002, 100'002, 100'003));
    auto stale = read(1001, 100'004, 100'005);
    const auto after = *rc::gen::inRange(0, 3);
    stale.start += after;
    stale.end += after;
    all.push_back(stale);
    auto found = check_block(all);
    RC_ASSERT(bool{found});
    RC_ASSERT(found->has_value());
    RC_ASSERT(!(*found)->conflict.empty());
  }));
}
