#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A replica's data plane and agent are killed under a client that writes and verifies. The verbs a
# coordinator would send are sent by hand: the map leaves the host out, the client goes on, the host
# returns, and only what it missed is copied to it.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
export PLANE_CTL=${PLANE_CTL:-$FORESHIFT_BIN/../tests/plane_ctl}
[[ -x $PLANE_CTL ]] || fail "no plane_ctl in ${PLANE_CTL%/*}"

read -ra ports < <(free_ports 10)
echo "127.0.0.1:${ports[0]}" >"$CLUSTER/coordinator.address" # nobody listens there
for i in 0 1 2; do
  host=host-$(printf '%b' "\\x$((61 + i))")
  agent_config "$host" "${ports[@]:1 + 3 * i:3}"
  agent_start "$host"
done
for host in host-a host-b host-c; do
  wait_until 20 "$PLANE_CTL" "unix:$CLUSTER/$host/data/run/plane.sock" ping
done

by_hand() { python3 "$(dirname "$0")/resync_steps.py" "$@" || fail "step $1"; }
by_hand attach
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=192M --end_fsync=1
fio_start vm "$(uri host-a disk)" --rw=randrw --rwmixread=30 --bs=4k --size=192M --iodepth=8 \
  --rate_iops=400 --verify=crc32c --verify_backlog=64 --verify_fatal=1 --time_based --runtime=600
sleep 2
agent_kill host-b
plane_kill host-b
by_hand leave_out
sleep 5
fio_running vm || fail "the client ended early"
agent_start host-b
wait_until 20 "$PLANE_CTL" "unix:$CLUSTER/host-b/data/run/plane.sock" ping
by_hand bring_back
sleep 1
fio_finish vm
by_hand compare
note "done"
