// SPDX-License-Identifier: Apache-2.0
// Clients at an announced destination before the lease is there, and the primary that lets it go.
#include "tests/unit/volume/gateway_fixture.hpp"

#include <future>

using namespace foreshift;
using namespace foreshift::test;
using namespace std::chrono_literals;

namespace {

/// What "look:VOLUME" is to a real data plane.
class look_link final : public peer_link {
public:
  explicit look_link(gateway& primary) : primary_(primary) {}

  result<void> connect() override { return {}; }
  result<void> read(std::uint64_t offset, std::span<std::byte> out) override {
    return primary_.look(offset, out);
  }
  std::unique_ptr<pending_io> start_write(std::uint64_t, std::span<const std::byte>) override {
    return nullptr;
  }
  std::unique_ptr<pending_io> start_zero(std::uint64_t, std::uint64_t) override { return nullptr; }
  std::unique_ptr<pending_io> start_flush() override {
    struct pending final : pending_io {
      explicit pending(gateway& x) : to(x) {}
      result<void> finish() override { return to.flush_for_others(); }
      gateway& to;
    };
    return std::make_unique<pending>(primary_);
  }

private:
  gateway& primary_;
};

/// a is primary; b is announced, and a's gateway reads for its clients.
struct early_fixture : gateway_fixture {
  suspect_board board_b{clock};
  std::unique_ptr<write_intents> intents_b = *write_intents::open(directory / "intents-b");
  std::unique_ptr<gateway> b;

  early_fixture() : gateway_fixture{{"a", "c"}, 1} {
    gateway_options options;
    options.host = "b";
    options.retry_pause = 1ms;
    options.suspects = &board_b;
    auto links = [this](const link_target& target) -> std::shared_ptr<peer_link> {
      if (target.look)
        return std::make_shared<look_link>(*gate);
      return std::make_shared<memory_link>(hosts.at(target.host),
                                           io_permit{target.epoch, target.move});
    };
    b = std::make_unique<gateway>(options, shape, hosts.at("b"), links, *intents_b, log, clock);
    attach();
    clock.advance(1s);
  }
  ~early_fixture() { b.reset(); }

  void announce(std::chrono::milliseconds span = 60s) {
    b->expect_clients(clock.monotonic_ns() + std::chrono::nanoseconds{span}.count(), "a",
                      {{"a", "somewhere"}});
  }
  bool wished() const { return board_b.now().wishes == std::vector<std::uint64_t>{7}; }
  std::vector<std::byte> read(gateway& at, std::uint64_t offset) {
    std::vector<std::byte> out(512);
    REQUIRE(at.read(1, offset, out));
    return out;
  }
};

} // namespace

TEST_CASE("clients that are not expected are refused, and wish for nothing") {
  early_fixture x;
  std::vector<std::byte> out(512);
  CHECK(x.b->read(1, 0, out).error().code == errc::refused);
  CHECK(x.b->write(1, 0, out).error().code == errc::refused);
  x.announce();
  x.b->expect_no_clients();
  CHECK(x.b->write(1, 0, out).error().code == errc::refused);
  x.announce(5s);
  x.clock.advance(6s); // and nobody has said so again
  CHECK(x.b->write(1, 0, out).error().code == errc::refused);
  CHECK(x.board_b.now().wishes.empty());
}

TEST_CASE("until the lease is there, reads at the destination are the primary's") {
  early_fixture x;
  x.announce();
  REQUIRE(x.gate->write(1, 512, filled(512, 1)));
  CHECK(x.read(*x.b, 512) == filled(512, 1));
  REQUIRE(x.gate->write(1, 512, filled(512, 2)));
  CHECK(x.read(*x.b, 512) == filled(512, 2));
  CHECK(x.b->state() == LeaseState::NONE);
  CHECK(x.board_b.now().wishes.empty());
  auto flushed = x.hosts["a"]->flushes() + x.hosts["c"]->flushes();
  REQUIRE(x.b->flush());
  CHECK(x.hosts["a"]->flushes() + x.hosts["c"]->flushes() > flushed);
}

TEST_CASE("the first write wishes for the lease, waits for it, and tells how long") {
  early_fixture x;
  x.announce();
  auto written = std::async(std::launch::async, [&] { return x.b->write(1, 0, filled(512, 9)); });
  eventually([&] { return x.wished(); });
  CHECK(x.hosts["a"]->writes() + x.hosts["c"]->writes() == 0);
  x.clock.advance(40ms);
  REQUIRE(x.b->standby(2, x.map, {}));
  REQUIRE(x.gate->yield(1, 20ms));
  x.promote(2, "b");
  x.b->serve(2);
  REQUIRE(written.get());
  CHECK(x.b->waited_us() == 40'000);
  CHECK(x.board_b.now().wishes.empty());
  CHECK(x.read(*x.b, 0) == filled(512, 9));
  // Once it has arrived nobody is expected any more: a later loss of the lease is a loss.
  x.b->release(2);
  std::vector<std::byte> out(512);
  CHECK(x.b->write(1, 0, out).error().code == errc::refused);
}

TEST_CASE("a read in the middle of the change comes back with the latest write") {
  early_fixture x;
  x.announce();
  REQUIRE(x.gate->write(1, 0, filled(512, 1)));
  REQUIRE(x.b->standby(2, x.map, {}));
  REQUIRE(x.gate->drain(1));
  x.promote(2, "b");
  auto reading = std::async(std::launch::async, [&] {
    std::vector<std::byte> out(512);
    return x.b->read(1, 0, out) ? out : std::vector<std::byte>{};
  });
  x.b->serve(2);
  x.gate->release(1);
  CHECK(reading.get() == filled(512, 1));
}

TEST_CASE("a write whose wish is not granted fails, and does not wish again") {
  early_fixture x;
  x.announce();
  auto written = std::async(std::launch::async, [&] { return x.b->write(1, 0, filled(512, 9)); });
  eventually([&] { return x.wished(); });
  REQUIRE(x.b->standby(2, x.map, {}));
  x.b->release(2); // the source would not yield
  // It may have missed the short time in which the lease was on its way; then it waits on.
  if (written.wait_for(0s) != std::future_status::ready)
    x.clock.advance(31s), x.b->recheck_held();
  auto done = written.get();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == errc::refused);
  CHECK(x.board_b.now().wishes.empty());
  CHECK(x.read(*x.gate, 0) == filled(512, 0));
}

TEST_CASE("a primary yields only when its clients have asked for nothing for a while") {
  early_fixture x;
  REQUIRE(x.gate->write(1, 0, filled(512, 1)));
  auto soon = x.gate->yield(1, 20ms);
  REQUIRE_FALSE(soon);
  CHECK(soon.error().code == errc::busy);
  CHECK(x.gate->state() == LeaseState::PRIMARY);
  x.clock.advance(19ms);
  CHECK_FALSE(x.gate->yield(1, 20ms));
  x.clock.advance(2ms);
  std::vector<std::byte> out(512);
  REQUIRE(x.gate->look(0, out)); // what it reads for others is no sign of life
  CHECK(x.gate->yield(1, 20ms));
  CHECK(x.gate->state() == LeaseState::DRAINING);
  CHECK(x.gate->yield(1, 20ms)); // asked again because the answer was lost
  CHECK(x.gate->yield(2, 20ms).error().code == errc::refused);
}

TEST_CASE("a primary with a request in flight does not yield, however long it takes") {
  early_fixture x;
  std::promise<void> storing;
  std::promise<void> go_on;
  auto& home = *x.hosts[home_of(x.shape, 0).front()];
  home.before_write = [&](std::uint64_t) {
    storing.set_value();
    go_on.get_future().wait();
  };
  auto written =
      std::async(std::launch::async, [&] { return x.gate->write(1, 0, filled(512, 1)); });
  storing.get_future().wait();
  x.clock.advance(10s);
  CHECK(x.gate->yield(1, 20ms).error().code == errc::busy);
  CHECK(x.gate->state() == LeaseState::PRIMARY);
  go_on.set_value();
  CHECK(written.get());
  home.before_write = nullptr;
  x.clock.advance(1s);
  CHECK(x.gate->yield(1, 20ms));
}
