// SPDX-License-Identifier: Apache-2.0
#include "actors/coordinator/doctor.hpp"

#include "actors/coordinator/examination.hpp"

namespace foreshift::control {

namespace {

using namespace std::chrono_literals;

constexpr auto examination_timeout = 3min;

} // namespace

doctor_state::doctor_state(interface::pointer self, doctor_parts around, const clock_source& clock,
                           std::string version, door::tls_files tls)
    : self_(self), around_(std::move(around)), clock_(clock), version_(std::move(version)),
      tls_(std::move(tls)) {}

doctor_actor::behavior_type doctor_state::make_behavior() {
  return {
      [this](const packet<schema::CellExamine>& x) {
        examination_order order{x.read().getRepair(), version_, x.read().getVersion().cStr(), tls_};
        examination_actor one =
            self_->home_system().spawn<examination>(around_, clock_, std::move(order));
        auto reply = self_->make_response_promise<packet<schema::Diagnosis>>();
        self_->request(one, examination_timeout, tick{})
            .then([reply](const packet<schema::Diagnosis>& got) mutable { reply.deliver(got); },
                  [reply](const caf::error& why) mutable { reply.deliver(why); });
        return reply;
      },
  };
}

} // namespace foreshift::control
