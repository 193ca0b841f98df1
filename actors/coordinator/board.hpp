// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/interfaces.hpp"
#include "actors/coordinator/options.hpp"
#include "actors/coordinator/volume_info.hpp"
#include "core/base/clock.hpp"
#include "core/limits/limits.hpp"

#include <deque>
#include <map>

namespace foreshift::control {

/// Folds forecasts, placement and host samples into scores, hot lists and plans.
class board_state {
public:
  using interface = board_actor;

  static constexpr const char* name = "board";

  board_state(interface::pointer self, const clock_source& clock, policy rules);

  interface::behavior_type make_behavior();

private:
  struct outlook {
    packet<schema::ForecastReport> raw;
    forecast_ptr expected;
    std::string host;
  };

  caf::result<ack> take(const packet<schema::ForecastReport>& x);
  caf::result<packet<schema::AffinityMatrix>> matrix(const std::string& volume) const;
  caf::result<packet<schema::Hot>> hot(const packet<schema::HotGet>& x) const;
  caf::result<packet<schema::Plan>> make(const packet<schema::PlanGet>& x);
  caf::result<packet<schema::Targets>> targets(const packet<schema::TargetsGet>& x) const;
  caf::result<survey_ptr> look(const survey_request& x) const;
  void cycle();
  std::vector<proposal> propose(const std::vector<host_view>& hosts);
  std::optional<proposal> propose(const volume_entry& volume, const std::vector<host_view>& hosts);
  bool may_work_on(const volume_entry& volume) const;
  std::vector<planned_move> follow_holder(const volume_entry& volume,
                                          const std::vector<host_view>& hosts);
  std::chrono::nanoseconds since_flip(std::uint64_t volume) const;
  std::vector<planned_move> prepare_for(const volume_entry& volume, const std::string& host,
                                        const std::vector<host_view>& hosts) const;
  void follow_intents(const std::vector<host_view>& hosts,
                      std::map<std::uint64_t, proposal>& all) const;
  std::vector<target> ranked(const volume_entry& volume, const std::vector<host_view>& hosts) const;
  void release_speculative(const volume_entry& volume, const std::vector<std::string>& likely,
                           proposal& out);
  void speculate(const volume_entry& volume, const std::vector<host_view>& hosts, proposal& out);
  visit_counts visits_of(std::uint64_t volume) const;
  void changed(const volume_ptr& now);
  result<volume_ptr> find(const std::string& volume) const;
  const forecast* expected_of(std::uint64_t volume) const;
  std::vector<host_view> host_views() const;
  plan_request request_to(const std::string& host) const;
  std::uint64_t median_flip_us() const;

  interface::pointer self_;
  const clock_source& clock_;
  const policy rules_;
  std::map<std::uint64_t, volume_ptr> volumes_;
  std::map<std::string, std::uint64_t> names_;
  std::map<std::uint64_t, std::int64_t> settled_ns_; ///< When the lease last changed.
  std::map<std::uint64_t, outlook> outlooks_;
  host_table hosts_;
  std::deque<std::uint64_t> flips_us_;
  token_bucket trickle_; ///< Of what nobody expects to be used.
  std::int64_t trickle_due_ns_ = 0;
  std::uint64_t last_plan_ = 0;
  intents_ptr intents_ = std::make_shared<const intents>();
  visits_ptr visits_ = std::make_shared<const std::map<std::uint64_t, visit_counts>>();
  speculation_ledger speculation_;
  pasts_ptr pasts_ = std::make_shared<const std::vector<vm_past>>();
  proposals_actor background_;
  cycle_ptr phases_ = std::make_shared<const cycle_report>();
};

using board = hosted<board_state>;

/// A host's latest report as the scoring sees it.
host_view view_of(const host_entry& host);

/// A forecast from its message.
forecast decode_forecast(schema::Forecast::Reader in);

} // namespace foreshift::control
