// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/door/door.hpp"
#include "core/lease/records.hpp"
#include "core/lease/script.hpp"
#include "core/store/store.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace foreshift::lease {

/// What a machine asks of its shell. Each `id` is answered by one input of the same id; an answer
/// that comes after the machine lost interest is ignored.

/// Sends to the agent of `host` and answers `replied`: the envelope, or any fault (its own or the
/// network's).
struct send {
  std::uint64_t id = 0;
  std::string host;
  door::envelope request;
  std::chrono::milliseconds timeout{0};
};
/// One guarded transaction; answers `committed`.
struct commit {
  std::uint64_t id = 0;
  std::vector<compare> compares;
  std::vector<store_op> ops;
};
enum class load_kind {
  look,   ///< Just read.
  settle, ///< First stop every move and retirement of the volume (cancel them and wait for their
          ///< end).
  enter,  ///< First wait for the volume's map section; held until `leave` or `finish`.
};
/// Answers `loaded` with what the store says now.
struct load {
  std::uint64_t id = 0;
  load_kind kind = load_kind::look;
};
struct leave {};
/// Answers `elapsed`.
struct pause {
  std::uint64_t id = 0;
  std::chrono::milliseconds span{0};
};
/// Progress: a phase began.
struct note {
  std::string phase;
  flip_times times; ///< Of the flip, once it has been measured.
};
/// The last action. `why` empty: success.
struct finish {
  std::optional<fault> why;
  std::uint64_t epoch = 0;   ///< Flip: the epoch now held.
  std::string holder;        ///< Flip: who holds the lease now; empty: nobody.
  flip_times times;          ///< Flip: measured by the new holder.
  std::uint64_t bytes = 0;   ///< Move: copied.
  std::uint64_t skipped = 0; ///< Move: bytes that writes had already filled.
  bool resume_later = false; ///< The stored record remains; run the machine again from it.
};
using action = std::variant<send, commit, load, leave, pause, note, finish>;

struct started {};
struct replied {
  std::uint64_t id = 0;
  result<door::envelope> what;
};
struct committed {
  std::uint64_t id = 0;
  result<std::uint64_t> what; ///< The new revision.
};
struct loaded {
  std::uint64_t id = 0;
  result<volume_facts> what;
};
struct elapsed {
  std::uint64_t id = 0;
};
struct cancel {};
/// What somebody outside decides for a machine that listens.
enum class word { silence, go, keep, back };
struct told {
  word what = word::silence;
};
using input = std::variant<started, replied, committed, loaded, elapsed, cancel, told>;

struct parcel {
  std::string host;
  door::envelope request;
};
using replies = std::vector<result<door::envelope>>;

/// A protocol as a pure state machine: `step` takes one input and returns what to do next. No I/O,
/// no time, no threads. Inside it is straight-line code (a coroutine) that suspends at every
/// action, so it reads as the protocol does; dropping the machine is a crash, and a new one resumes
/// from the store's records. One thread at a time.
class machine {
public:
  machine() = default;
  virtual ~machine() = default;
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  std::vector<action> step(input in);
  bool finished() const { return finished_; }

protected:
  virtual script<finish> run() = 0;

  bool canceled() const { return canceled_; }
  void say(std::string phase, flip_times times = {}) {
    out_.push_back(note{std::move(phase), times});
  }
  void leave_section() { out_.push_back(leave{}); }

  script<result<volume_facts>> read(load_kind kind);
  script<result<std::uint64_t>> transact(std::vector<compare> compares, std::vector<store_op> ops);
  script<result<void>> rest(std::chrono::milliseconds span);
  /// The next word told, perhaps earlier; `silence` when the span is over or, where that may end
  /// it, somebody cancels.
  script<word> listen(std::chrono::milliseconds span, bool cancelable);

  /// Several requests, each answered once.
  script<replies> ask_all(std::vector<parcel> parcels, std::chrono::milliseconds timeout,
                          bool cancelable = false);
  /// One request, answered once.
  script<result<door::envelope>> ask(std::string host, door::envelope request,
                                     std::chrono::milliseconds timeout);
  /// Like `ask`, but a cancel answers it at once with `canceled`.
  script<result<door::envelope>> ask_cancelable(std::string host, door::envelope request,
                                                std::chrono::milliseconds timeout);
  /// Idempotent: again after a pause while the host is unreachable or silent.
  script<result<door::envelope>> insist(std::string host, door::envelope request, int attempts);
  /// The same to several hosts at once; the first host's fault that no retry cured.
  script<result<void>> insist_all(std::vector<parcel> parcels, int attempts);
  /// The same; the hosts that no retry reached are not a fault but the answer, with why.
  script<result<std::map<std::string, fault>>> reach_all(std::vector<parcel> parcels, int attempts);

private:
  using answer = std::variant<result<door::envelope>, result<std::uint64_t>, result<volume_facts>>;
  struct question {
    std::uint64_t id = 0;
    std::optional<answer> what;
  };
  /// Suspends until every open slot is answered.
  struct all_answered {
    machine* self;
    bool await_ready() const { return self->open() == 0; }
    void await_suspend(std::coroutine_handle<> who) { self->waiting_ = who; }
    void await_resume() const {}
  };

  std::size_t open() const;
  std::uint64_t expect();
  void settle(std::uint64_t id, answer what);
  void accept(input& in);

  script<finish> body_;
  std::coroutine_handle<> waiting_;
  std::vector<question> slots_;
  std::vector<action> out_;
  std::uint64_t next_id_ = 1;
  word heard_ = word::silence;
  enum class ear { shut, open, open_to_cancel } ear_ = ear::shut;
  bool cancelable_ = false;
  bool canceled_ = false;
  bool started_ = false;
  bool finished_ = false;
};

/// Whether asking again may help: the network's faults, not the other side's.
inline bool is_network_fault(const fault& why) {
  return why.code == errc::unreachable || why.code == errc::timeout;
}

/// Admits a successful reply as `Schema`.
template <class Schema>
result<packet<Schema>> as(const result<door::envelope>& what) {
  if (!what)
    return what.error();
  if (what->type != packet<Schema>::type_id)
    return fault{errc::malformed, "a host answered with a message of another type"};
  return packet<Schema>::admit(what->payload);
}

inline constexpr std::chrono::milliseconds send_timeout{5000};
inline constexpr std::chrono::milliseconds retry_pause{500};

} // namespace foreshift::lease
