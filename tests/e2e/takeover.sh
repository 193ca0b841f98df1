#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A source that is stopped (SIGSTOP) with its agent, and one that is dead: a forced flip takes the
# volume over, or a forced detach leaves it to nobody. The one that wakes up is fenced and gets back
# what it missed. The only copy of something is never left behind.
source "$(dirname "$0")/lib.sh"
requires qemu-io
cluster_begin
cluster_start 3

io() { # URI COMMAND...: qemu-io; fails when it says that something failed
  local at=$1 c args=()
  shift
  for c in "$@"; do args+=(-c "$c"); done
  timeout 60 qemu-io -f raw "${args[@]}" "$at" >"$CLUSTER/io.out" 2>&1 &&
    ! grep -qiE 'fail|error' "$CLUSTER/io.out"
}
healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show disk) == "ok 0" ]]; }
signal() { # SIGNAL HOST: to its data plane and agent
  local pid
  for pid in $(plane_pids "$2") "$(cat "$CLUSTER/$2/agent.pid")"; do
    kill "-$1" "$pid"
  done
}
lease_here() { field '.plane.volumes[]? | select(.name == "disk") | .state' host show "$1"; }
not_primary() { [[ $(lease_here "$1") != primary ]]; }

fs volume create disk 64MiB --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
io "$(uri host-a disk)" 'write -P 1 0 64M' flush || fail "write at host-a"
old=$(field .lease.heldEpoch volume show disk)

note "stopping host-a"
signal STOP host-a
began=$SECONDS
expect_exit 0 fs flip disk --to host-b --force
note "forced flip took about $((SECONDS - began)) s"
expect_owner disk host-b
(($(field .lease.heldEpoch volume show disk) > old)) || fail "the epoch did not grow"
io "$(uri host-b disk)" 'read -P 1 0 64M' 'write -P 2 0 32M' flush || fail "I/O at host-b"

note "waking host-a up"
signal CONT host-a
if io "$(uri host-a disk)" 'write -P 9 0 4k'; then fail "a stale write was accepted"; fi
wait_until 20 not_primary host-a
wait_until 60 healthy
io "$(uri host-b disk)" 'read -P 2 0 32M' 'read -P 1 32M 32M' || fail "read at host-b"
expect_exit 0 fs flip disk --to host-a
io "$(uri host-a disk)" 'read -P 2 0 32M' 'read -P 1 32M 32M' || fail "read at host-a"

note "killing host-a"
agent_kill host-a
plane_kill host-a
expect_exit 0 fs flip disk --to host-c --force
io "$(uri host-c disk)" 'read -P 2 0 32M' 'write -P 3 0 16M' flush || fail "I/O at host-c"
agent_start host-a
wait_until 60 healthy

note "detaching from a dead host"
expect_exit 0 fs flip disk --to host-a
agent_kill host-a
plane_kill host-a
if fs volume detach disk 2>"$CLUSTER/err"; then fail "a dead host was detached without force"; fi
expect_owner disk host-a
expect_exit 0 fs volume detach disk --force
expect_owner disk ""
expect_exit 0 fs volume attach disk host-b
agent_start host-a
wait_until 60 healthy
if io "$(uri host-a disk)" 'write -P 9 0 4k'; then fail "a stale write was accepted"; fi
io "$(uri host-b disk)" 'read -P 3 0 16M' 'read -P 2 16M 16M' || fail "read at host-b"

fs volume create lone 16MiB --home host-a || fail "create"
fs volume attach lone host-a || fail "attach"
io "$(uri host-a lone)" 'write -P 4 0 16M' flush || fail "write"
agent_kill host-a
plane_kill host-a
expect_exit 4 fs flip lone --to host-b --force
expect_said 'host host-a has the only copy of 16 extents'
agent_start host-a
served() { io "$(uri host-a lone)" 'read -P 4 0 16M'; }
wait_until 60 served
expect_owner lone host-a
note "done"
