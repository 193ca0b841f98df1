#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Without a coordinator I/O goes on and the CLI says unreachable; kill -9 of it during a migration
# ends in one clean state after it is back.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
AGENT_EXTRA=$'[moves]\nrate = "8MiB"' cluster_start 3

fs volume create disk 256MiB --home host-a,host-b || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=128M --verify=crc32c --do_verify=0
fio_start vm "$(uri host-a disk)" --rw=randrw --bs=4k --offset=128M --size=64M --verify=crc32c \
  --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600 --rate_iops=1500
sleep 4

note "no coordinator"
coordinator_kill
expect_exit 6 fs status
expect_said "hint: .*coordinator"
expect_exit 6 fs migrate disk --to host-c
sleep 3
fio_running vm || fail "I/O stopped with the coordinator"
coordinator_start
wait_until 30 hosts_up 3
expect_owner disk host-a

note "kill -9 of the coordinator during a migration"
wait_until 40 learned disk 20
fs -o json migrate disk --to host-c --gate 100% --timeout 60s --no-wait >"$CLUSTER/task.json" ||
  fail "migrate"
sleep 2
coordinator_kill
sleep 1
coordinator_start
wait_until 30 hosts_up 3
wait_until 90 no_leftovers host-c
owner=$(holder disk)
[[ $owner == host-a || $owner == host-c ]] || fail "owner is '$owner'"
note "settled, owned by $owner"
if [[ $owner == host-a ]]; then
  fio_finish vm
else
  stop_pid "$(cat "$CLUSTER/vm.fio.pid")" INT
fi
fio_nbd "$(uri "$owner" disk)" --rw=write --bs=1M --size=128M --verify=crc32c --verify_only
expect_exit 0 fs flip disk --to host-b
note "done"
