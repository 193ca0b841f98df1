/* SPDX-License-Identifier: Apache-2.0
 * A move of one extent from host 1 to host 2, as docs/protocol.md orders it: core/lease/move_machine.cpp
 * and retire_machine.cpp (coordinator), core/volume/gateway_control.cpp (mirror, adopt),
 * core/volume/pull.cpp and core/extent/volume_moves.cpp (destination). Replicas at first on hosts 0
 * and 1; two are asked for.
 *
 * The coordinator may be deposed after any step and another begins from the store (not with ONECOORD);
 * the lease may flip from gateway 0 to gateway 1 at any time (not with NOFLIP); a second move of the
 * same extent with another id follows a failed one.
 *
 * Checked: I3 every host the committed map names has every acknowledged write; I4 reads; I5 never less
 * than two replicas in the map; I6 what becomes visible was compared; no read of a freed replica.
 *
 * Mutants, each must fail:
 *   NOBARRIER    the mirror is on without waiting for writes that began before it, and nothing is
 *                compared before the copy is published
 *   COPYWINS     a pull overwrites a block that a mirrored write has filled, nothing is compared
 *   NOLEASEGUARD the publishing transaction does not compare the lease's revision
 *   NOTOKEN      it does not compare the leader's token: a deposed coordinator still publishes
 *   EARLYRETIRE  space is freed before the primary has adopted and drained its readers
 *   NOSURPLUS    a replica is retired without looking whether two remain
 *   NORETIRING   a flip seals only the hosts of the map, not those that are being retired
 */
#define VER(e, n) ((e) * 4 + (n))
#define BIT(i) (1 << (i))
#ifndef MAXW
#define MAXW 1
#endif

byte val[3]; bool there[3] = true; byte fence[3];
byte staged;                 /* at host 2: id of the move that owns the staged copy; 0: none */
bool filled; byte added_by;   /* a mirrored write has filled the block */
/* store */
byte map = 3, retiring, map_rev, lease_rev, holder, token = 1, record /* move id */;
bool committed;
/* gateways */
byte ep[2]; bool act[2]; byte routes[2]; byte mirror[2] /* move id */; byte inflight[2], reading[2];
byte in_move[2];             /* the mirror's id when the write in flight began */
/* ghosts */
byte seen_, acked;

inline finished(v) { d_step { assert(v >= snap); if :: v > seen_ -> seen_ = v :: else fi } }
inline check_map() { d_step {
  assert((map & 1) == 0 || (there[0] && val[0] >= acked));
  assert((map & 2) == 0 || (there[1] && val[1] >= acked));
  assert((map & 4) == 0 || (there[2] && val[2] >= acked));
  assert(map != 1 && map != 2 && map != 4) } }

proctype Gateway(byte g) {
  byte n, v, todo, snap, i; bool stopped;
end:
  do
  :: atomic { act[g] && n < MAXW -> n++; v = VER(ep[g], n); snap = seen_; in_move[g] = mirror[g];
       todo = routes[g] | (mirror[g] > 0 -> 4 : 0); inflight[g] = todo; stopped = false };
     do
     :: atomic { (todo & 1) && !stopped -> todo = todo & ~1;
          if :: fence[0] > ep[g] -> stopped = true :: else -> val[0] = v fi }
     :: atomic { (todo & 2) && !stopped -> todo = todo & ~2;
          if :: fence[1] > ep[g] -> stopped = true :: else -> val[1] = v fi }
     :: atomic { ((todo & 4) && !stopped &&
                  /* a write to a replica whose copy is not committed yet fails and is sent again */
                  !((routes[g] & 4) && staged > 0 && mirror[g] == 0)) ->
          todo = todo & ~4;
          if
          :: fence[2] != ep[g] -> stopped = true
          :: (fence[2] == ep[g] && there[2] && staged == 0 &&
              (in_move[g] == 0 || in_move[g] == added_by)) -> val[2] = v       /* a replica by now */
          :: fence[2] == ep[g] && staged > 0 && staged == in_move[g] -> val[2] = v; filled = true
          :: else -> skip
             /* the copy was aborted or replaced: that move cannot commit any more */
          fi }
     :: todo == 0 || stopped -> break
     od;
     atomic { inflight[g] = 0; in_move[g] = 0;
       if :: stopped -> act[g] = false
          :: else -> if :: v > acked -> acked = v :: else fi; finished(v); check_map() fi }
  :: atomic { act[g] && inflight[g] == 0 ->
       snap = seen_;
       if :: routes[g] & 1 -> i = 0 :: routes[g] & 2 -> i = 1 :: (routes[g] & 4) && staged == 0 -> i = 2 fi;
       reading[g] = BIT(i) };
     atomic { reading[g] = 0;
       if :: fence[i] > ep[g] -> act[g] = false
          :: else -> assert(there[i]); finished(val[i]) fi }
  od
}

/* A coordinator: finishes or undoes what the store says is under way, then makes a move of its own. */
#ifdef NOTOKEN
#define LEADS(id) (true)                 /* a deposed coordinator goes on */
#define LEADING (true)
#else
#define LEADING (token + 2 == _pid)      /* processes 3 and 4 are the coordinators 1 and 2 */
#define LEADS(id) (token == (id))        /* whatever it still sends, the store and the hosts refuse */
#endif
proctype Coordinator(byte id) provided (LEADING) {
  byte lr, mr, h, t; bool mine;
  if
  :: record > 0 && record < id ->
     if
     :: committed -> goto forward
     :: else ->                                                  /* mirror off, abort, erase */
        atomic { h = holder; if :: mirror[h] == record -> mirror[h] = 0 :: else fi };
        atomic { if :: staged == record -> staged = 0; there[2] = false :: else fi };
        atomic { if :: LEADS(id) && !committed -> record = 0 :: else -> goto done fi }
     fi
  :: else -> skip
  fi;
  atomic { if :: LEADS(id) && record == 0 && map == 3 && retiring == 0 -> record = id; committed = false;
                 lr = lease_rev; h = holder
              :: true -> goto retire fi };
  atomic { if :: staged < id && record == id -> staged = id; there[2] = true; val[2] = 0; filled = false
              :: else -> goto done fi };
  atomic { if :: act[h] && staged == id && fence[2] <= ep[h] -> fence[2] = ep[h]; mirror[h] = id :: else -> goto done fi };
#ifndef NOBARRIER
  (inflight[h] == 0 || in_move[h] == id || !act[h]);
#endif
  t = val[1];
  atomic {
    if :: staged != id -> goto done :: else fi;
#ifdef COPYWINS
    val[2] = t
#else
    if :: !filled -> val[2] = t :: else fi
#endif
  };
#if !defined(COPYWINS) && !defined(NOBARRIER)
  atomic { (inflight[h] == 0 || !act[h]);                    /* verify, with writes held */
    if :: !act[h] || fence[1] > ep[h] || val[1] != val[2] || staged != id -> goto done :: else fi };
#endif
  mr = map_rev;
  atomic {
    if
    :: (record == id &&
#ifndef NOLEASEGUARD
        lease_rev == lr &&
#endif
        map_rev == mr &&
#ifndef NOTOKEN
        LEADS(id) &&
#endif
        !committed) -> map = map | 4; map_rev++; committed = true
    :: else -> goto done
    fi };
forward:
  atomic { if :: committed && record > 0 -> added_by = record; staged = 0; check_map() :: else -> goto retire fi };
  atomic { h = holder; if :: act[h] && ep[h] >= fence[0] -> routes[h] = map; mirror[h] = 0 :: else fi };
  atomic { if :: LEADS(id) -> record = 0; committed = false :: else -> goto done fi };
retire:   /* host 1 is surplus now */
  atomic { mr = map_rev;
    if
#ifdef NOSURPLUS
    :: LEADS(id) && retiring == 0 && (map & 2) && map != 2 -> map = map & ~2; retiring = 2; map_rev++; check_map()
#else
    :: LEADS(id) && map == 7 && record == 0 -> map = 5; retiring = 2; map_rev++; check_map()
#endif
    :: retiring > 0 -> skip
    :: else -> goto done
    fi; lr = lease_rev; h = holder };
#ifndef EARLYRETIRE
  atomic { if :: act[h] && lease_rev == lr -> routes[h] = map :: else -> goto done fi };
  (((inflight[h] | reading[h]) & 2) == 0 || !act[h]);         /* it has drained */
  if :: lease_rev != lr -> goto done :: else fi;
#endif
  there[1] = false;
  atomic { if :: LEADS(id) && lease_rev == lr -> retiring = 0; map_rev++ :: else fi };
done: skip
}

/* A forced flip to gateway 1 (what is drained is a special case of what is not). */
proctype Flip() {
  byte seal, m = 0;
  atomic { holder = 1; lease_rev++;
#ifdef NORETIRING
    seal = map
#else
    seal = map | retiring
#endif
  };
  if :: seal & 1 -> fence[0] = 2 :: else fi;
  if :: seal & 2 -> fence[1] = 2 :: else fi;
  if :: seal & 4 -> fence[2] = 2 :: else fi;
  /* reconcile: the replicas of the map that the standby was given become equal */
  atomic { seal = map; m = (val[0] > m && (seal & 1) -> val[0] : m);
    m = (val[1] > m && (seal & 2) -> val[1] : m); m = (val[2] > m && (seal & 4) -> val[2] : m);
    if :: seal & 1 -> val[0] = m :: else fi; if :: seal & 2 -> val[1] = m :: else fi;
    if :: seal & 4 -> val[2] = m :: else fi;
    ep[1] = 2; routes[1] = seal; mirror[1] = 0; act[1] = true }
}

init {
  atomic { there[2] = false; fence[0] = 1; fence[1] = 1; fence[2] = 1; ep[0] = 1; act[0] = true;
    routes[0] = 3; run Gateway(0); run Gateway(1); run Coordinator(1) };
#ifndef ONECOORD
  atomic { token = 2; run Coordinator(2) };
#endif
#ifndef NOFLIP
  run Flip()
#endif
}
