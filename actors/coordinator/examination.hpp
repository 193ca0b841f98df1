// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/base/hosted.hpp"
#include "actors/coordinator/doctor.hpp"
#include "core/diagnosis/diagnosis.hpp"

#include <caf/typed_response_promise.hpp>

#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace foreshift::control {

struct examination_order {
  bool repair = false;
  std::string version, tool_version;
  door::tls_files tls;
};

/// One examination: looks at the store and at every host, compares, and cures what may be cured.
///
///   world -> hosts, all at once -> inventories, some at once -> digests of what only they explain
///   -> world again (what changed meanwhile is not compared) -> checks -> cures, one at a time
class examination_state {
public:
  using interface = examination_actor;
  using answer = caf::typed_response_promise<packet<schema::Diagnosis>>;

  static constexpr const char* name = "examination";

  examination_state(interface::pointer self, doctor_parts around, const clock_source& clock,
                    examination_order order);

  interface::behavior_type make_behavior();

private:
  /// Something to ask; it calls what it is given when it has its answer.
  using job = std::function<void(std::function<void()>)>;
  struct outcome {
    std::string text;
    bool good = false;
  };

  answer begin();
  void meet(const world_ptr& now);
  void see_agent(const std::string& host, std::function<void()> done);
  void see_plane(const std::string& host, std::function<void()> done);
  void take_inventories();
  void take_inventory(std::uint64_t volume, const std::string& host, std::function<void()> done);
  void weigh_gaps();
  void weigh(std::uint64_t volume, const diagnosis::gap& possible, std::function<void()> done);
  void look_again(std::uint64_t volume, const diagnosis::gap& seen, std::function<void()> done);
  void compare(const world_ptr& later);
  void conclude();

  // examination_cure.cpp
  void cure(std::size_t index);
  void leave_out(const diagnosis::remedy& what, std::function<void(outcome)> then);
  void order_sweep(const diagnosis::remedy& what, std::function<void(outcome)> then);
  void tell(const std::string& host, door::envelope request, std::string done,
            std::function<void(outcome)> then);
  void cured(std::size_t index, const outcome& how);

  void ask_world(std::function<void(const world_ptr&)> then);
  void ask(const std::string& host, door::envelope request,
           std::function<void(const result<door::envelope>&)> then);
  void do_all(std::deque<job> jobs, std::function<void()> then);
  void fail(const caf::error& why);

  interface::pointer self_;
  const doctor_parts around_;
  const clock_source& clock_;
  const examination_order order_;
  answer reply_;
  world_ptr world_;
  diagnosis::evidence seen_;
  std::vector<diagnosis::finding> findings_;
  std::vector<outcome> outcomes_; ///< By finding.
  std::deque<job> jobs_;
  std::size_t jobs_open_ = 0;
  std::function<void()> jobs_then_;
};

using examination = hosted<examination_state>;

} // namespace foreshift::control
