/* SPDX-License-Identifier: Apache-2.0
 * Reads of a holder that may not be one any more (docs/decisions/0010): core/volume/replica_io.cpp
 * (confirm), core/volume/plane_reconcile.cpp (settle_unclean), `read_lease` in core/volume/route_view.hpp.
 *
 * One block with a replica at host 0, where the former holder is, and one at host 1. The link between
 * them may be cut and come back at any time, the former holder's process may be killed and come back. A
 * forced takeover at host 1 drains nobody. It reaches host 0 and fences it, or it leaves host 0 out of
 * the map, which is then not fenced. The former holder may also ask first to leave host 1 out.
 *
 * Time passes in ticks. In each tick each clock moves on by 5 or 6 units, as it likes: the two differ in
 * speed by up to a sixth. LEASE is `read_lease`, OVER is `read_lease_over`, in the same proportion.
 *
 * Checked: I4 (with I3) a read returns no less than what an acknowledged write or a read had shown
 * before it began.
 *
 * Mutants, each must fail:
 *   NOWAIT     a takeover that left a host out serves at once
 *   WAITFIRST  it waits, but counts from before the promotion of the other replicas
 *   NOASK      a holder reads without asking the other replica
 *   LATEHEARD  an answer counts from when it came, not from when it was asked for
 *   KEEPHEARD  a restarted holder takes the other replica for heard of
 *   DRIFT      the next holder's clock is faster than the former's by more than a sixth
 *   TIGHT      the next holder waits for no longer than a lease
 */
#define LEASE 30
#ifdef TIGHT
#define OVER LEASE
#else
#define OVER 36
#endif
#ifndef MAXW
#define MAXW 2
#endif
#define OLD 1
#define NEW 2

mtype = { IDLE, ASK, ASKED, ANSWERED, MAY };

byte val[2], fence[2];               /* partition hosts; durable */
byte map = 3; bool flipping;         /* store: hosts in the map; a takeover is prepared */
bool link = true;
/* the former holder. Ages are of its clock, and stop at LEASE: older makes no difference */
bool alive = true, holds = true; byte routes = 3;
mtype reading = IDLE; bool good; byte heard, question = LEASE; byte snap;
/* the next one */
bool serving; byte waited = OVER;
/* ghosts */
byte seen_, n;

inline shown(v) { assert(v >= snap); if :: v > seen_ -> seen_ = v :: else fi }
inline grow(age, by, limit) { age = (age + by > limit -> limit : age + by) }

proctype Time() {
end:
  do
  :: atomic { if :: grow(heard, 5, LEASE); grow(question, 5, LEASE)
                 :: grow(heard, 6, LEASE); grow(question, 6, LEASE) fi;
       if :: grow(waited, 5, OVER) :: grow(waited, 6, OVER)
#ifdef DRIFT
          :: grow(waited, 8, OVER)
#endif
       fi }
  :: atomic { link -> link = false }
  :: atomic { !link -> link = true }
  od
}

proctype Former() {
end:
  do
     /* a write is acknowledged when every replica of its map has it */
  :: atomic { alive && holds && n < MAXW && fence[0] == OLD && reading == IDLE &&
              ((routes & 2) == 0 || (link && fence[1] == OLD)) ->
       n++; val[0] = n; if :: routes & 2 -> val[1] = n :: else fi; seen_ = n }
  :: atomic { alive && holds && reading == IDLE -> snap = seen_;
       if
#ifdef NOASK
       :: true -> reading = MAY
#else
       :: (routes & 2) == 0 || heard < LEASE -> reading = MAY
       :: else -> reading = ASK
#endif
       fi }
  :: atomic { reading == ASK -> reading = ASKED; question = 0 }
  :: atomic { reading == ASKED && link -> reading = ANSWERED; good = (fence[1] == OLD) }
  :: atomic { reading == ANSWERED && link ->
       if
       :: good -> reading = MAY;
#ifdef LATEHEARD
          heard = 0
#else
          heard = question
#endif
       :: else -> reading = IDLE; holds = false; snap = 0
       fi;
       good = false; question = LEASE }
  :: atomic { reading == MAY ->
       if :: fence[0] == OLD -> shown(val[0]) :: else -> holds = false fi;
       reading = IDLE; snap = 0 }
     /* host 1 does not answer: the coordinator leaves it out, the holder adopts that map */
  :: atomic { !link && !flipping && map == 3 -> map = 1 }
  :: atomic { alive && map == 1 -> routes = 1 }
  :: atomic { alive -> alive = false; reading = IDLE; snap = 0; good = false; question = LEASE;
       heard = LEASE }
  :: atomic { !alive -> alive = true;
#ifdef KEEPHEARD
       heard = 0
#endif
     }
  od
}

proctype Next() {
  bool left_out;
  atomic { (map & 2) -> flipping = true };
#ifdef WAITFIRST
  waited = 0;
#endif
  atomic { if :: fence[0] = NEW                                   /* it answers: it is fenced */
              :: map = 2; left_out = true fi };
#ifdef WAITFIRST
  fence[1] = NEW;
#else
  atomic { fence[1] = NEW; waited = 0 };
#endif
  if :: (map & 1) -> val[0] = val[1]                              /* replicas are made equal */
     :: else fi;
#ifndef NOWAIT
  (!left_out || waited >= OVER);
#endif
  serving = true;
end:
  do
  :: atomic { n < MAXW -> n++; val[1] = n; if :: map & 1 -> val[0] = n :: else fi; seen_ = n }
  :: atomic { assert(val[1] >= seen_); seen_ = val[1] }
  od
}

init { atomic { fence[0] = OLD; fence[1] = OLD; run Time(); run Former(); run Next() } }
