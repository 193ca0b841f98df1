// SPDX-License-Identifier: Apache-2.0
#include "core/lease/machine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace foreshift::lease {

std::vector<action> machine::step(input in) {
  if (!finished_)
    accept(in);
  if (waiting_ && open() == 0)
    std::exchange(waiting_, {}).resume();
  if (auto* end = body_.result(); end && !finished_) {
    finished_ = true;
    out_.push_back(std::move(*end));
  }
  return std::exchange(out_, {});
}

void machine::accept(input& in) {
  if (std::holds_alternative<started>(in) && !started_) {
    started_ = true;
    body_ = run();
    body_.start();
  } else if (auto* reply = std::get_if<replied>(&in)) {
    settle(reply->id, std::move(reply->what));
  } else if (auto* done = std::get_if<committed>(&in)) {
    settle(done->id, std::move(done->what));
  } else if (auto* facts = std::get_if<loaded>(&in)) {
    settle(facts->id, std::move(facts->what));
  } else if (auto* over = std::get_if<elapsed>(&in)) {
    settle(over->id, result<std::uint64_t>{0});
  } else if (auto* said = std::get_if<told>(&in)) {
    heard_ = said->what;
    if (ear_ != ear::shut)
      settle(slots_.front().id, result<std::uint64_t>{0});
  } else if (std::holds_alternative<cancel>(in)) {
    canceled_ = true;
    if (ear_ == ear::open_to_cancel)
      settle(slots_.front().id, result<std::uint64_t>{0});
    const fault stopped{errc::canceled, "canceled"};
    if (cancelable_)
      for (auto& slot : slots_)
        if (!slot.what)
          slot.what.emplace(std::in_place_index<0>, stopped);
  }
}

std::size_t machine::open() const {
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const question& x) { return !x.what; }));
}

std::uint64_t machine::expect() {
  slots_.push_back({next_id_, std::nullopt});
  return next_id_++;
}

void machine::settle(std::uint64_t id, answer what) {
  for (auto& slot : slots_)
    if (slot.id == id && !slot.what)
      slot.what = std::move(what);
}

script<result<volume_facts>> machine::read(load_kind kind) {
  slots_.clear();
  out_.push_back(load{expect(), kind});
  co_await all_answered{this};
  co_return std::get<result<volume_facts>>(*std::move(slots_.front().what));
}

script<result<std::uint64_t>> machine::transact(std::vector<compare> compares,
                                                std::vector<store_op> ops) {
  slots_.clear();
  out_.push_back(commit{expect(), std::move(compares), std::move(ops)});
  co_await all_answered{this};
  co_return std::get<result<std::uint64_t>>(*std::move(slots_.front().what));
}

script<result<void>> machine::rest(std::chrono::milliseconds span) {
  slots_.clear();
  out_.push_back(pause{expect(), span});
  co_await all_answered{this};
  co_return result<void>{};
}

script<word> machine::listen(std::chrono::milliseconds span, bool cancelable) {
  if (heard_ == word::silence && !(cancelable && canceled_)) {
    ear_ = cancelable ? ear::open_to_cancel : ear::open;
    (void)co_await rest(span);
    ear_ = ear::shut;
  }
  co_return std::exchange(heard_, word::silence);
}

script<replies> machine::ask_all(std::vector<parcel> parcels, std::chrono::milliseconds timeout,
                                 bool cancelable) {
  slots_.clear();
  for (auto& parcel : parcels)
    out_.push_back(send{expect(), parcel.host, std::move(parcel.request), timeout});
  cancelable_ = cancelable;
  co_await all_answered{this};
  cancelable_ = false;
  replies all;
  for (auto& slot : slots_)
    all.push_back(std::get<result<door::envelope>>(*std::move(slot.what)));
  co_return all;
}

script<result<door::envelope>> machine::ask(std::string host, door::envelope request,
                                            std::chrono::milliseconds timeout) {
  std::vector<parcel> one;
  one.push_back({std::move(host), std::move(request)});
  auto all = co_await ask_all(std::move(one), timeout);
  co_return std::move(all.front());
}

script<result<door::envelope>> machine::ask_cancelable(std::string host, door::envelope request,
                                                       std::chrono::milliseconds timeout) {
  if (canceled_)
    co_return fault{errc::canceled, "canceled"};
  std::vector<parcel> one;
  one.push_back({std::move(host), std::move(request)});
  auto all = co_await ask_all(std::move(one), timeout, true);
  co_return std::move(all.front());
}

script<result<door::envelope>> machine::insist(std::string host, door::envelope request,
                                               int attempts) {
  for (int attempt = 1;; ++attempt) {
    auto got = co_await ask(host, request, send_timeout);
    if (got || !is_network_fault(got.error()) || attempt >= attempts)
      co_return got;
    (void)co_await rest(retry_pause);
  }
}

script<result<void>> machine::insist_all(std::vector<parcel> parcels, int attempts) {
  auto silent = co_await reach_all(std::move(parcels), attempts);
  if (!silent)
    co_return silent.error();
  co_return silent->empty() ? result<void>{} : result<void>{silent->begin()->second};
}

script<result<std::map<std::string, fault>>> machine::reach_all(std::vector<parcel> parcels,
                                                                int attempts) {
  for (int attempt = 1;; ++attempt) {
    auto all = co_await ask_all(parcels, send_timeout);
    std::vector<parcel> again;
    std::map<std::string, fault> silent;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i])
        continue;
      fault why{all[i].error().code,
                fmt::format("host {}: {}", parcels[i].host, all[i].error().detail)};
      if (!is_network_fault(why))
        co_return why;
      silent.emplace(parcels[i].host, std::move(why));
      again.push_back(parcels[i]);
    }
    if (again.empty() || attempt >= attempts)
      co_return silent;
    parcels = std::move(again);
    (void)co_await rest(retry_pause);
  }
}

} // namespace foreshift::lease
