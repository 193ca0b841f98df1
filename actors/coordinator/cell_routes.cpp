// SPDX-License-Identifier: Apache-2.0
// Which verbs the coordinator's door serves, to whom, and how long they may take.
#include "actors/coordinator/cell.hpp"

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto task_timeout = 3min;   // verbs that answer when their task has ended
constexpr auto events_timeout = 90s;  // longer than the longest wait they may ask for
constexpr auto doctor_timeout = 200s; // longer than its own limit

result<void> speaks_for(std::string_view host, const door::peer& from) {
  if (from.role == "agent" && !from.name.empty() && from.name != host)
    return fault{errc::refused, "an agent speaks for its own host only"};
  return {};
}

} // namespace

router cell::routes(const std::string& version) const {
  roles agents{"agent", "local"};
  roles people{"tool", "local"};
  router out;
  out.serve<host_verbs>(membership, agents)
      .serve<forecast_verbs>(board, agents)
      .serve<mender_verbs>(mender, agents)
      .serve<wish_verbs>(herald, agents)
      .serve<volume_verbs>(catalog, people)
      .serve<insight_verbs>(board, people)
      .serve<task_verbs>(conductor, people, task_timeout)
      .serve<herald_verbs>(herald, people)
      .serve<events_verbs>(events, people, events_timeout)
      .serve<directory_verbs>(directory, people)
      .serve<doctor_verbs>(doctor, people, doctor_timeout)
      .check<schema::HostHello>([](schema::HostHello::Reader x, const door::peer& from) {
        return speaks_for(x.getAddress().getName().cStr(), from);
      })
      .check<schema::HostReport>([](schema::HostReport::Reader x, const door::peer& from) {
        return speaks_for(x.getHost().cStr(), from);
      })
      .check<schema::ReplicasSuspected>(
          [](schema::ReplicasSuspected::Reader x, const door::peer& from) {
            return speaks_for(x.getReporter().cStr(), from);
          })
      .check<schema::LeaseWanted>([](schema::LeaseWanted::Reader x, const door::peer& from) {
        return speaks_for(x.getHost().cStr(), from);
      })
      .check<schema::GuestExpected>([](schema::GuestExpected::Reader x, const door::peer& from) {
        return speaks_for(x.getHost().cStr(), from);
      })
      .check<schema::ForecastReport>([](schema::ForecastReport::Reader x, const door::peer& from) {
        return speaks_for(x.getForecast().getHost().cStr(), from);
      })
      .pong("coordinator", "", version);
  return out;
}

} // namespace foreshift::control
