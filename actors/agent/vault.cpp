// SPDX-License-Identifier: Apache-2.0
#include "actors/agent/vault.hpp"

#include "actors/agent/access_batch.hpp"
#include "core/base/log.hpp"

#include <fmt/format.h>

#include <charconv>

namespace foreshift {

namespace {

constexpr std::string_view token_key = "token";

std::string state_key(std::uint64_t volume) {
  return fmt::format("forecast/{}", volume);
}

packet<schema::Done> done() {
  return packet<schema::Done>::make([](auto) {});
}

} // namespace

vault_state::vault_state(interface::pointer, std::shared_ptr<agent_store> store,
                         const clock_source& clock, vault_options options)
    : store_(std::move(store)), clock_(clock), options_(options) {
  if (auto text = store_->get(token_key))
    std::from_chars(text->data(), text->data() + text->size(), token_);
}

vault_state::~vault_state() {
  if (auto ok = write_log(); !ok)
    slog::error("the last access records are not stored: {}", ok.error().detail);
}

vault_actor::behavior_type vault_state::make_behavior() {
  options_.at_start();
  return {
      [this](const packet<schema::PlaneLog>& log) { return keep_log(log); },
      [this](const packet<schema::ForecastState>& state) { return keep_state(state); },
      [this](const packet<schema::ForecastTake>& x) { return take_state(x.read().getVolume()); },
      [this](const packet<schema::HostWelcome>& x) { return keep_token(x.read().getToken()); },
      [this](const packet<schema::AgentStatusGet>&) { return status(); },
  };
}

caf::result<packet<schema::Done>> vault_state::keep_log(const packet<schema::PlaneLog>& log) {
  auto now_ns = clock_.monotonic_ns();
  for (auto batch : log.read().getBatches()) {
    auto records = to_records(batch);
    if (records.empty())
      continue;
    if (gathered_records_ == 0)
      gathered_since_ns_ = now_ns;
    gathered_records_ += records.size();
    auto& to = gathered_[batch.getVolume()];
    to.insert(to.end(), records.begin(), records.end());
  }
  std::chrono::nanoseconds age{now_ns - gathered_since_ns_};
  if (gathered_records_ >= options_.records_max || age >= options_.gather)
    if (auto ok = write_log(); !ok)
      return to_caf(ok.error());
  return done();
}

result<void> vault_state::write_log() {
  if (gathered_records_ == 0)
    return {};
  std::vector<log_segment> segments;
  for (const auto& [volume, records] : gathered_) {
    auto body = encode_access_segment(records);
    if (!body) {
      slog::error("access records of volume {} cannot be packed: {}", volume, body.error().detail);
      continue;
    }
    segments.push_back({records.front().at_us / 1000, volume, records.size(), *std::move(body)});
  }
  // Dropped also when the disk refuses: memory stays bounded, and the fault says what is lost.
  gathered_.clear();
  gathered_records_ = 0;
  return store_->append(segments, clock_.wall_ms());
}

caf::result<packet<schema::Done>>
vault_state::keep_state(const packet<schema::ForecastState>& state) {
  auto ok = store_->put(state_key(state.read().getVolume()), as_text(state.bytes()),
                        agent_store::durability::process);
  if (!ok)
    return to_caf(ok.error());
  return done();
}

caf::result<packet<schema::ForecastState>> vault_state::take_state(std::uint64_t volume) const {
  auto bytes = store_->get(state_key(volume));
  if (!bytes)
    return to_caf({bytes.error().code,
                   fmt::format("no forecast of volume {}: {}", volume, bytes.error().detail)});
  auto state = packet<schema::ForecastState>::admit(as_bytes(*bytes));
  if (!state)
    return to_caf(state.error());
  return *std::move(state);
}

caf::result<packet<schema::AgentStatus>> vault_state::keep_token(std::uint64_t token) {
  if (token > token_) {
    auto ok = store_->put(token_key, std::to_string(token), agent_store::durability::power);
    if (!ok)
      return to_caf(ok.error());
    token_ = token;
  }
  return status();
}

packet<schema::AgentStatus> vault_state::status() const {
  return packet<schema::AgentStatus>::make([this](auto root) {
    auto totals = store_->totals();
    root.setLogRecords(totals.records);
    root.setLogBytes(totals.bytes);
    root.setToken(token_);
  });
}

} // namespace foreshift
