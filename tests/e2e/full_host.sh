#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A destination without space: the plan says so, the migration ends with a precondition, the source
# keeps the volume; a cold flip there still works, because it needs no space.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
read -ra ports < <(free_ports 7)
coordinator_config "${ports[0]}"
coordinator_start
agent_config host-a "${ports[@]:1:3}"
RESERVE=1024TiB agent_config host-b "${ports[@]:4:3}"
agent_start host-a
agent_start host-b
wait_until 30 hosts_up 2

fs volume create disk 64MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0
fio_start vm "$(uri host-a disk)" --rw=randread --bs=4k --size=32M --time_based --runtime=600 \
  --rate_iops=1000
wait_until 40 learned disk 10

fs plan disk --to host-b | tee "$CLUSTER/out"
grep -qi 'full' "$CLUSTER/out" || fail "the plan does not say that host-b is full"
code=0
fs migrate disk --to host-b --gate 90% --timeout 15s >"$CLUSTER/out" 2>"$CLUSTER/err" || code=$?
cat "$CLUSTER/err"
((code == 4)) || fail "expected exit 4, got $code"
grep -qiE 'full|space|room' "$CLUSTER/err" || fail "the error does not say why"
expect_owner disk host-a
fio_finish vm

expect_exit 0 fs migrate disk --to host-b --no-preposition
expect_owner disk host-b
fio_nbd "$(uri host-b disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
note "done"
