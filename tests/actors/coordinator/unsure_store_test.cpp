// SPDX-License-Identifier: Apache-2.0
// A store that does not say what became of a transaction.
#include "tests/actors/coordinator/test_cell.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace foreshift;
using namespace foreshift::test;

namespace {

/// A store that does not always tell what became of a transaction.
class unsure_store final : public store {
public:
  result<std::uint64_t> txn(std::span<const compare> compares,
                            std::span<const store_op> ops) override {
    if (!unsure || !unsure(compares, ops))
      return inner_->txn(compares, ops);
    if (applies)
      (void)inner_->txn(compares, ops);
    return fault{errc::storage, "injected: the outcome is unknown"};
  }
  result<std::vector<stored>> range(std::string_view prefix) const override {
    return inner_->range(prefix);
  }
  std::uint64_t token() const override { return inner_->token(); }

  /// Sees every transaction; whether its outcome stays unknown.
  std::function<bool(std::span<const compare>, std::span<const store_op>)> unsure;
  bool applies = false; ///< Those of unknown outcome.

private:
  std::unique_ptr<store> inner_ = make_memory_store();
};

void order_move(test_cell& cell) {
  auto map = cell.facts().placement;
  control::move_order order;
  order.volume = 1;
  order.destination = "b";
  for (std::uint32_t e = 0; e < cell.shape().extents() && order.extents.empty(); ++e)
    if (!map.holds("b", e)) {
      order.source = map.replicas(e).front();
      order.extents.push_back(e);
    }
  REQUIRE_FALSE(order.extents.empty());
  cell.world.self->send(cell.x.conductor, order);
  cell.world.settle();
}

/// A flip and a move, one transaction's outcome being unknown; false: there were fewer.
bool unsure_at(int number, bool applies) {
  int seen = 0;
  auto keeper = std::make_shared<unsure_store>();
  test_cell cell{1, keeper};
  cell.create();
  REQUIRE(cell.attach("a"));
  keeper->applies = applies;
  keeper->unsure = [&](auto, auto) { return ++seen == number; };
  cell.world.self->send(cell.x.conductor, packet<schema::FlipStart>::make([](auto out) {
                          out.setVolume("vol1");
                          out.setTo("c");
                        }));
  cell.world.settle();
  cell.live(8);
  order_move(cell);
  cell.live(8);
  cell.check_clean();
  auto before = cell.facts();
  cell.restart();
  auto after = cell.facts(); // as the store has them
  CHECK(before.lease == after.lease);
  CHECK(before.placement == after.placement);
  CHECK(before.moves.size() == after.moves.size());
  cell.live(8);
  cell.check_clean();
  return seen >= number;
}

} // namespace

TEST_CASE("whatever transaction's outcome is unknown, memory and store agree and nothing waits") {
  for (bool applies : {true, false})
    for (int number = 1; number < 60; ++number) {
      CAPTURE(applies);
      CAPTURE(number);
      if (!unsure_at(number, applies))
        break;
    }
}

TEST_CASE("no move id is given out twice, also when its reservation is not known to be durable") {
  bool doubt = true;
  std::vector<std::string> begun;
  auto keeper = std::make_shared<unsure_store>();
  test_cell cell{1, keeper};
  keeper->unsure = [&](std::span<const compare> compares, std::span<const store_op> ops) {
    auto& first = ops.front().key;
    for (auto& x : compares)
      if (x.key == first && x.revision == 0 && first.starts_with("moves/"))
        begun.push_back(first);
    return doubt && first == "ids/move";
  };
  cell.restart();
  cell.create();
  REQUIRE(cell.attach("a"));
  order_move(cell);
  cell.live(8);
  doubt = false;
  cell.restart();
  cell.live(2);
  for (int round = 0; round < 2; ++round) {
    order_move(cell);
    cell.live(8);
  }
  CHECK(begun.size() >= 2);
  CHECK(std::set<std::string>(begun.begin(), begun.end()).size() == begun.size());
  cell.check_clean();
}
