/* SPDX-License-Identifier: Apache-2.0
 * A replica fails and comes back: one block with a replica at host 0, where the primary is, and one at
 * host 1, which may be killed and return with what it had. Steps as in the contract of the replica
 * failure: suspect, watch, durable removal, adopt; then stage (keeping the data), mirror, ask what
 * changed, copy that, publish, commit, adopt, mirror off, unwatch. The primary's data plane and the
 * coordinator may be killed too.
 *
 * Checked: I3 an acknowledged write is on every host of the map that is up; I4 a read never shows less
 * than was shown before; no write is acknowledged by fewer hosts than the map names.
 *
 * Mutants, each must fail:
 *   ACKALONE       a write is acknowledged without the failed replica before it left the map
 *   FORGIVE        a replica that comes back is used again without a resynchronisation
 *   LATEWATCH      the watch begins after writes go on without the replica
 *   VOLATILEWATCH  what was watched is forgotten with the primary's data plane
 *   NOBARRIER      the mirror is on without waiting for writes that began before it
 *   COPYWINS       a pull overwrites a block that a mirrored write has filled
 *   EARLYUNWATCH   the watch ends before the replica is back in the map
 */
#ifndef MAXW
#define MAXW 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
byte val[2]; bool up[2] = true;
bool staged, filled, unusable;       /* at host 1; `unusable`: it was staged when the process died */
bool watched, changed;               /* durable, at host 0 */
bool in_map = true, record, published; byte epoch;   /* store: is host 1 in the map */
bool routes = true, mirror;          /* the primary's: host 1 as a replica, as a mirror */
bool inflight; byte todo, version; bool old_way; /* it began before the mirror was on */
bool suspect;
byte acked, seen_, crashes = CRASHES;

inline holds() { d_step { assert(!in_map || published || !up[1] || staged || val[1] >= acked);
  assert(val[0] >= acked) } }

proctype Primary() {
  byte n;
end:
  do
  :: atomic { up[0] && !inflight && n < MAXW -> n++; version = n; inflight = true; old_way = false;
       todo = 1 | ((routes || mirror) -> 2 : 0) }
  :: atomic { up[0] && inflight && (todo & 1) -> todo = todo & ~1;
       if :: watched -> changed = true :: else fi; val[0] = version }
  :: atomic { up[0] && inflight && (todo & 2) ->
       if
       :: up[1] && routes && !staged -> val[1] = version; todo = todo & ~2; suspect = false
       :: up[1] && staged && !unusable && mirror -> val[1] = version; filled = true; todo = todo & ~2
       :: up[1] && staged && unusable && !routes -> todo = todo & ~2     /* it can never commit */
       :: !routes && !mirror -> todo = todo & ~2                         /* it left the map */
       :: routes && (!up[1] || staged) -> suspect = true
#ifdef ACKALONE
          ; todo = todo & ~2
#endif
       :: else -> skip
       fi }
  :: atomic { up[0] && inflight && todo == 0 -> inflight = false; acked = version;
       if :: version > seen_ -> seen_ = version :: else fi; holds() }
  :: atomic { up[0] && !inflight && val[0] != 0 -> assert(val[0] >= seen_); seen_ = val[0] }
  :: atomic { up[0] && up[1] && routes && !staged && !inflight -> assert(val[1] >= seen_);
       seen_ = val[1] }
  od
}

proctype Crashes() {
end:
  do
  :: atomic { crashes > 0 && up[1] -> crashes--; up[1] = false; unusable = staged }
  :: atomic { !up[1] -> up[1] = true;
#ifdef FORGIVE
       in_map = true; routes = true
#endif
     }
     /* a restarted primary makes the replicas of its interrupted write equal before it serves */
  :: atomic { crashes > 0 && up[0] && (!routes || (up[1] && !staged)) && !mirror -> crashes--;
       if :: inflight && routes -> val[1] = val[0] :: else fi;
       inflight = false;
#ifdef VOLATILEWATCH
       watched = false; changed = false
#endif
     }
  od
}

/* Its state is the store's: at the top it may have died and begun anew. */
proctype Coordinator() {
  bool copy; byte t;
end:
  do
  :: atomic { suspect && in_map && !published && !up[1] ->
#ifndef LATEWATCH
       watched = true; changed = inflight   /* nothing under way escapes the notes */
#endif
     };
     atomic { if :: !up[1] && in_map -> in_map = false :: else -> goto next fi };
     atomic { routes = false; suspect = false };
#ifdef LATEWATCH
     atomic { watched = true }
#endif
  :: atomic { !in_map && !record && up[1] && routes -> routes = false }
  :: atomic { !in_map && !record && up[1] && !routes -> record = true; staged = true; filled = false;
       unusable = false; copy = false };
     atomic { if :: up[1] && staged && !unusable -> mirror = true; old_way = inflight
                 :: else -> goto abort fi };
#ifndef NOBARRIER
     (!inflight || !old_way);
#endif
     copy = (changed || !watched);
#ifdef VOLATILEWATCH
     copy = changed;
#endif
#ifdef EARLYUNWATCH
     copy = false;
#endif
     t = val[0];
     atomic { if
       :: !up[1] || unusable -> goto abort
#ifdef COPYWINS
       :: up[1] && !unusable && copy -> val[1] = t
#else
       :: up[1] && !unusable && copy && !filled -> val[1] = t
#endif
       :: else fi };
     atomic { if :: up[1] && !unusable && mirror -> in_map = true; published = true
                 :: else -> goto abort fi };
     atomic { if :: up[1] && !unusable -> staged = false; published = false; holds()
                 :: else -> in_map = false; published = false; goto abort fi };   /* withdrawn */
     atomic { routes = true; mirror = false };
     atomic { record = false; watched = false; changed = false };
     goto next;
abort:
     atomic { mirror = false; staged = false; filled = false; record = false };
next: skip
  od
}

init { atomic { run Primary(); run Crashes(); run Coordinator() } }
