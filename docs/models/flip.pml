/* SPDX-License-Identifier: Apache-2.0
 * A lease flip, as docs/protocol.md orders it: core/lease/flip_machine.cpp (coordinator),
 * core/volume/plane_lease.cpp (destination), core/extent/volume_fence.cpp (partition hosts).
 *
 * One block with a replica on host 0 (beside gateway 0, the source) and one on host 1 (beside
 * gateway 1, the destination). Any gateway may be killed and come back, the coordinator may die after
 * any step and start again from the store, a takeover may be late, forced or cut off half-way.
 * Requests of a killed process may still arrive until its successor has mended what it left.
 *
 * Checked: I1 one owner per epoch; replicas are equal when a holder begins to serve; I4 (with I3) a read never returns less than what an acknowledged
 * write or an earlier read has shown; I7 the coordinator always finds a way on (no deadlock).
 *
 * Mutants, each must fail:
 *   NOFENCE       partition hosts serve every epoch
 *   NOHOLDER      a fence keeps the epoch but not whose it is, and the roll-back reuses the epoch
 *   EARLY         the destination serves after its first promotion
 *   NODRAIN       a source that is alive is not drained, and nothing is compared
 *   NORECONCILE   after a takeover without a drain the replicas are not compared
 *   TRUSTBACK     a roll-back (nobody is drained) does not compare the replicas
 *   READTHROUGH   a read does not wait for a write in flight to the same block
 *   NOMEND        a restarted primary serves before it has mended its interrupted write
 *   LATE          requests of a killed process arrive after its successor, at the same epoch, mended
 *   RESUMEPREPARED  a restarted primary serves although its host knows a newer epoch
 *   NOGUARD       the coordinator's record is written without comparing revisions
 */
#ifndef MAXW
#define MAXW 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#define VER(e, n) ((e) * 2 + (n))
#define NOBODY 2

mtype = { NONE, STANDBY, PRIMARY, DRAINING, RECOVERING, OK, FAILED };

/* partition hosts; all of it is durable before it is answered */
byte fence[2], owner_of_fence[2], prepared[2], prepared_for[2], val[2];
/* gateways */
mtype st[2]; byte ep[2]; bool alive[2];
mtype saved[2]; byte saved_ep[2];          /* durable lease record */
byte stands_by[2];                         /* epoch, 0: none */
byte version[2], write_ep[2], todo[2], have[2]; bool busy[2], torn[2];
byte writes[2];
/* the coordinator's takeover request to each gateway: epoch (0: none), source, forced */
byte ask_ep[2], ask_src[2]; bool ask_forced[2];
mtype answer; byte answer_ep;
/* store */
byte s_epoch = 1, s_holder = 0, s_held = 1, s_rev, p_to, p_from, p_ep; bool p_on;
/* ghosts */
byte seen_, owner[EPOCHS + 1], crashes = CRASHES;

inline shown(v) { assert(v >= seen_); seen_ = v }
inline own(e, g) { assert(owner[e] == 0 || owner[e] == g + 1); owner[e] = g + 1 }

#ifdef NOFENCE
#define PERMITS(i, g, e) (true)
#elif defined(NOHOLDER)
#define PERMITS(i, g, e) (fence[i] == (e))
#else
#define PERMITS(i, g, e) (fence[i] == (e) && owner_of_fence[i] == (g))
#endif

/* Its unfinished write is the business of whoever fenced it. */
inline fenced(g) {
  if :: st[g] != STANDBY -> st[g] = NONE :: else fi;
  busy[g] = false;
  torn[g] = false
}

inline deliver(g, i) {
  todo[g] = todo[g] & ~(1 << i);
  if
  :: PERMITS(i, g, write_ep[g]) -> val[i] = version[g]; have[g] = have[g] | (1 << i)
  :: else -> if :: alive[g] && busy[g] -> fenced(g) :: else fi
  fi
}

proctype Gateway(byte g) {
end:
  do
  :: atomic { alive[g] && st[g] == PRIMARY && !busy[g] && writes[g] < MAXW && todo[g] == 0 ->
       writes[g]++; version[g] = VER(ep[g], writes[g]); write_ep[g] = ep[g];
       todo[g] = 3; have[g] = 0; busy[g] = true; torn[g] = true }
  :: atomic { todo[g] & 1 -> deliver(g, 0) }
  :: atomic { todo[g] & 2 -> deliver(g, 1) }
  :: atomic { alive[g] && busy[g] && have[g] == 3 ->
       if :: version[g] > seen_ -> seen_ = version[g] :: else fi; busy[g] = false; torn[g] = false }
  :: atomic { (alive[g] && st[g] == PRIMARY
#ifndef READTHROUGH
              && !busy[g]
#endif
              ) -> if :: PERMITS(g, g, ep[g]) -> shown(val[g]) :: else -> fenced(g) fi }
  :: atomic { alive[g] && crashes > 0 -> crashes--; alive[g] = false; stands_by[g] = 0;
       busy[g] = false }
  :: atomic { !alive[g] -> alive[g] = true; st[g] = saved[g]; ep[g] = saved_ep[g];
       if :: st[g] == PRIMARY && torn[g] -> st[g] = RECOVERING :: else fi;
       if :: st[g] == STANDBY -> stands_by[g] = ep[g] :: else fi;
#ifndef RESUMEPREPARED
       if :: st[g] == PRIMARY && (prepared[g] > ep[g] || fence[g] > ep[g]) -> st[g] = DRAINING
          :: else fi;
#endif
#ifdef NOMEND
       if :: st[g] == RECOVERING -> st[g] = PRIMARY :: else fi;
#endif
     }
  :: atomic { alive[g] && st[g] == RECOVERING ->
       if :: PERMITS(0, g, ep[g]) && PERMITS(1, g, ep[g]) ->
             val[1 - g] = val[g]; torn[g] = false; st[g] = PRIMARY
          :: else -> st[g] = NONE; torn[g] = false
       fi;
#ifndef LATE
       todo[g] = 0
#endif
     }
  od
}

/* PlanePromote at host i. */
inline promote(i, e, g, ok) {
  if
  :: fence[i] > e || prepared[i] > e -> ok = false
#ifndef NOHOLDER
  :: fence[i] == e && owner_of_fence[i] != g -> ok = false
  :: prepared[i] == e && prepared_for[i] != g && fence[i] < e -> ok = false
#endif
  :: else -> ok = true; fence[i] = e; owner_of_fence[i] = g
  fi
}

inline answered(what, e) { answer = what; answer_ep = e }

/* PlaneTakeover at gateway g. Dies with it. */
proctype Takeover(byte g) {
  byte e, src, first; bool forced, clean, ok;
idle:
  atomic { e = 0; src = 0; first = 0; forced = false; clean = false; ok = false };
end:
  atomic { ask_ep[g] > 0 -> e = ask_ep[g]; src = ask_src[g]; forced = ask_forced[g]; ask_ep[g] = 0;
    if
    :: !alive[g] -> goto idle
    :: alive[g] && st[g] == PRIMARY && ep[g] == e -> answered(OK, e); goto idle
    :: alive[g] && !(st[g] == PRIMARY && ep[g] == e) && stands_by[g] == e -> skip
    :: else -> answered(FAILED, e); goto idle
    fi };
  /* an older epoch of its own */
#ifndef NODRAIN
  atomic { if :: st[g] == PRIMARY || st[g] == RECOVERING -> st[g] = DRAINING :: else fi };
  atomic { (!busy[g] || !alive[g]) -> clean = !(st[g] == DRAINING && torn[g]);
    if :: src != NOBODY && alive[src] && st[src] == PRIMARY -> st[src] = DRAINING :: else fi };
  if :: src == NOBODY -> skip
     :: atomic { src != NOBODY && alive[src] && st[src] == DRAINING && !busy[src] && !torn[src] ->
          skip }
     :: atomic { src != NOBODY -> clean = false }     /* dead, or no answer in time */
  fi;
  if :: !clean && !forced -> atomic { answered(FAILED, e); goto idle } :: else fi;
#else
  clean = true;
#endif
  atomic { if :: first = 0 :: first = 1 fi };
  atomic { if :: !alive[g] -> goto idle :: else fi; promote(first, e, g, ok);
    if :: !ok -> answered(FAILED, e); goto idle :: else fi };
#ifdef EARLY
  goto serve;
#endif
  /* the other host may be away */
  if :: true -> skip :: atomic { true -> answered(FAILED, e); goto idle } fi;
  atomic { if :: !alive[g] -> goto idle :: else fi; promote(1 - first, e, g, ok);
    if :: !ok -> answered(FAILED, e); goto idle :: else fi };
#ifndef NORECONCILE
  atomic { if
    :: !alive[g] -> goto idle
#ifdef TRUSTBACK
    :: alive[g] && clean -> skip
    :: alive[g] && !clean ->
#else
    :: alive[g] && clean && src != NOBODY -> skip
    :: alive[g] && (!clean || src == NOBODY) ->
#endif
       if :: PERMITS(0, g, e) && PERMITS(1, g, e) -> val[1 - g] = val[g]
          :: else -> answered(FAILED, e); goto idle fi
    fi };
#endif
serve:
  atomic { if :: !alive[g] || stands_by[g] != e -> goto idle :: else fi;
    st[g] = PRIMARY; ep[g] = e; stands_by[g] = 0; saved[g] = PRIMARY; saved_ep[g] = e;
    torn[g] = false; own(e, g); answered(OK, e);
#ifndef EARLY
    assert(!(PERMITS(0, g, e) && PERMITS(1, g, e)) || val[0] == val[1])   /* sealed: nothing older comes */
#endif
  };
  goto idle
}

inline put(done) {   /* the caller has changed nothing yet; `rev` is what it has read */
#ifdef NOGUARD
  done = true;
#else
  done = (s_rev == rev);
#endif
  if :: done -> s_rev++; rev = s_rev :: else fi
}

/* PlanePrepare everywhere, PlaneStandby at the next holder; any of them may fail. */
inline prepare(i, to, e, ok) {
  if :: e > fence[i] && e > prepared[i] -> prepared[i] = e; prepared_for[i] = to
     :: e == prepared[i] && prepared_for[i] == to -> skip
#ifdef NOHOLDER
     :: e == prepared[i] -> skip
#endif
     :: else -> ok = false
  fi
}
inline ready(to, e, ok) {
  ok = true;
  atomic { prepare(0, to, e, ok) };
  atomic { prepare(1, to, e, ok);
    if :: ok && alive[to] && !(st[to] == PRIMARY && ep[to] >= e) ->
          stands_by[to] = e;
          if :: st[to] == NONE -> st[to] = STANDBY; ep[to] = e; saved[to] = STANDBY; saved_ep[to] = e
             :: else fi
       :: else -> ok = false fi }
}

/* A coordinator from its start, or from its restart, to the end of what the store says. */
proctype Coordinator(byte run_no; bool fresh) {
  byte rev, to, from, e; bool ok, back;
  d_step { rev = s_rev; back = false };
  if
  :: p_on -> atomic { to = p_to; from = p_from; e = p_ep }; goto resolve
  :: !p_on && fresh && s_holder == 0 -> skip
  :: else -> goto fin
  fi;
  atomic { to = 1; from = 0; e = s_epoch + 1; put(ok);
    if :: ok -> s_epoch = e; p_on = true; p_to = to; p_from = from; p_ep = e :: else -> goto fin fi };
  ready(to, e, ok);
  if :: !ok -> atomic { put(ok); if :: ok -> p_on = false :: else fi; goto fin } :: else fi;
  atomic { answer = NONE; ask_src[to] = from;
    if :: ask_forced[to] = true :: ask_forced[to] = false fi; ask_ep[to] = e };
  goto heard;

heard:
  if
  :: atomic { answer == OK && answer_ep == e -> goto commit }
  :: atomic { answer == FAILED && answer_ep == e -> goto resolve }
  :: goto resolve                                                  /* no answer in time */
  fi;

resolve:  /* the destination's word decides */
  if
  :: atomic { alive[to] && (st[to] == PRIMARY || st[to] == RECOVERING) && ep[to] == e -> goto commit }
  :: else -> skip
  :: true -> skip                                                  /* it cannot be asked */
  fi;
  /* forward_to: the rightful holder at a newer epoch; nobody is drained */
  if :: s_epoch >= EPOCHS -> goto fin :: else fi;
  atomic { put(ok); if :: !ok -> goto fin :: else fi;
    to = s_holder; from = NOBODY;
#ifdef NOHOLDER
    e = s_epoch;
#else
    e = s_epoch + 1;
#endif
    s_epoch = e; p_to = to; p_from = from; p_ep = e };
  ready(to, e, ok);
  if :: !ok -> goto resolve :: else fi;
  atomic { answer = NONE; ask_src[to] = NOBODY; ask_forced[to] = true; ask_ep[to] = e };
  goto heard;

commit:
  atomic { put(ok); if :: !ok -> goto fin :: else fi;
    back = (s_holder == to); s_holder = to; s_held = e; p_on = false };
  /* PlaneRelease at the former holder */
  atomic { if :: !back && alive[1 - to] && ep[1 - to] < e && stands_by[1 - to] == 0 ->
                 st[1 - to] = NONE; saved[1 - to] = NONE; busy[1 - to] = false; torn[1 - to] = false
              :: else fi };
fin: skip
}

/* The coordinator dies somewhere and another begins from the store. The former may still go on as a
 * zombie: that is what the revisions are for. */
proctype Restart() {
end:
  atomic { crashes > 0 && p_on -> crashes--; run Coordinator(2, false) }
}

init {
  atomic {
    fence[0] = 1; fence[1] = 1;
    owner[1] = 1; alive[0] = true; alive[1] = true; st[0] = PRIMARY; st[1] = NONE; ep[0] = 1;
    saved[0] = PRIMARY; saved_ep[0] = 1; saved[1] = NONE;
    run Gateway(0); run Gateway(1); run Takeover(0); run Takeover(1);
    run Coordinator(1, true); run Restart()
  }
}
