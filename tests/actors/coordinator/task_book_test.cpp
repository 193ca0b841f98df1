// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/task_book.hpp"

#include <doctest/doctest.h>

using namespace foreshift;
using namespace foreshift::control;

TEST_CASE("a task keeps its phases, their spans and its end through its record") {
  task_book book;
  task made;
  made.volume = 7;
  made.name = "vol7";
  auto& x = book.add(made);
  CHECK(x.id == 1);
  book.enter(x, "prepare", 100, 1'000'000);
  book.enter(x, "takeover", 103, 4'000'000);
  book.end(x, fault{errc::timeout, "too slow"}, 105, 6'000'000);
  auto back = decode_task(encode(x).read());
  REQUIRE(back.phases.size() == 2);
  CHECK(back.phases[0].duration_us == 3000);
  CHECK(back.phases[1].duration_us == 2000);
  CHECK(back.state == schema::TaskState::FAILED);
  CHECK(back.error_code == static_cast<int>(errc::timeout));
  CHECK(back.ended_ms == 105);
}

TEST_CASE("ids go on above every id ever seen") {
  task_book book;
  task old;
  old.id = 41;
  book.restore(old);
  book.seen(50);
  CHECK(book.add({}).id == 51);
}

TEST_CASE("finished tasks are bounded, running ones are never forgotten") {
  task_book book;
  auto& first = book.add({});
  for (std::size_t i = 0; i < tasks_kept_max; ++i)
    book.end(book.add({}), std::nullopt, 1, 1);
  auto gone = book.prune();
  REQUIRE(gone.size() == 1);
  CHECK(gone.front() == 2);
  CHECK(book.find(first.id) != nullptr);
  CHECK(book.list(false).read().getTasks().size() == 1);
}
