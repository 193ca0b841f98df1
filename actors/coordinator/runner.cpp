// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/runner.hpp"

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto slack = 1s; // the inner timeout is the one that should speak
constexpr auto commit_timeout = 30s;
constexpr auto load_timeout = 90s; // a move that is told to stop may wait for silent hosts first

} // namespace

runner_state::runner_state(interface::pointer self, runner_parts around, std::uint64_t run,
                           std::uint64_t volume, std::unique_ptr<lease::machine> what)
    : self_(self), around_(std::move(around)), run_(run), volume_(volume),
      machine_(std::move(what)) {}

runner_actor::behavior_type runner_state::make_behavior() {
  // Nobody is left to work for once the conductor is gone.
  self_->set_down_handler([this](const caf::down_msg&) { self_->quit(); });
  self_->monitor(around_.conductor);
  return {
      [this](tick) { step(lease::started{}); },
      [this](run_cancel) { step(lease::cancel{}); },
      [this](const run_word& x) { step(lease::told{x.what}); },
      [this](const run_pause_over& x) { step(lease::elapsed{x.id}); },
  };
}

void runner_state::step(lease::input in) {
  for (auto& action : machine_->step(std::move(in)))
    std::visit([this](auto& x) { perform(x); }, action);
}

void runner_state::perform(const lease::send& x) {
  relay letter{x.host, sealed{x.request}, x.timeout};
  self_->request(around_.membership, x.timeout + slack, std::move(letter))
      .then(
          [this, id = x.id](const sealed& got) {
            step(lease::replied{id, *got});
          },
          [this, id = x.id](const caf::error& why) {
            step(lease::replied{id, to_fault(why)});
          });
}

void runner_state::perform(const lease::commit& x) {
  auto txn = std::make_shared<const txn_request>(txn_request{x.compares, x.ops});
  self_->request(around_.catalog, commit_timeout, commit_request{volume_, std::move(txn)})
      .then(
          [this, id = x.id](std::uint64_t revision) {
            step(lease::committed{id, revision});
          },
          [this, id = x.id](const caf::error& caught) {
            auto why = to_fault(caught);
            // Nobody knows what became of a transaction that was not answered.
            if (why.code == errc::timeout || why.code == errc::unreachable)
              why.code = errc::storage;
            step(lease::committed{id, why});
          });
}

void runner_state::perform(const lease::load& x) {
  self_->request(around_.conductor, load_timeout, load_order{run_, x.kind})
      .then(
          [this, id = x.id](const facts_ptr& facts) {
            step(lease::loaded{id, *facts});
          },
          [this, id = x.id](const caf::error& why) {
            step(lease::loaded{id, to_fault(why)});
          });
}

void runner_state::perform(const lease::leave&) {
  self_->send(around_.conductor, section_left{run_});
}

void runner_state::perform(const lease::pause& x) {
  compat::send_later(self_, runner_actor{self_}, x.span, run_pause_over{x.id});
}

void runner_state::perform(const lease::note& x) {
  self_->send(around_.conductor, run_note{run_, x.phase, x.times});
}

void runner_state::perform(const lease::finish& x) {
  self_->send(around_.conductor, run_ended{run_, std::make_shared<const lease::finish>(x)});
  self_->quit();
}

} // namespace foreshift::control
