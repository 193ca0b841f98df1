#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job: learn, predict, plan, pre-position, pass the gate, flip, retire; and its checks.
source "$(dirname "$0")/lib.sh"
requires fio nbdcopy
cluster_begin
cluster_start 3

fs volume create disk 256MiB --home host-a,host-b || fail "create"
fs volume attach disk host-a || fail "attach"
head -c 256M /dev/urandom >"$CLUSTER/in"
nbdcopy --flush "$CLUSTER/in" "$(uri host-a disk)" || fail "fill"
fio_start vm "$(uri host-a disk)" --rw=randread --bs=4k --offset=64M --size=32M --time_based \
  --runtime=600 --rate_iops=1000

# The fill's writes are expected to go on for a while, and count for the gate: it asks for all.
reads_expected() {
  [[ $(field '[.forecast.extents[]? | select(.extent >= 64 and .extent < 96 and .reads > .writes)]
    | length >= 30' hot disk --top 256) == true ]]
}
wait_until 60 reads_expected
fs hot disk --top 5 | tee "$CLUSTER/out"
grep -q '[▄▅▆▇█]' "$CLUSTER/out" || fail "no heat strip"
fs affinity disk

note "the VCI is the process at the other end of the socket"
client=$(cat "$CLUSTER/vm.fio.pid")
vci() { field ".vcis[]? | select(.pid == $client) | $1" host show host-a; }
measured() { [[ $(vci '.cpuShare > 0 and (.rssBytes | tonumber) > 1000000') == true ]]; }
wait_until 10 measured
vci '"\(.command) cpu \(.cpuShare) cgroup \(.cgroup)"'
[[ $(vci .command) == fio ]] || fail "the VCI is not fio but '$(vci .command)'"
counted=$(field '.plane.volumes[0].io.reads // "0"' host show host-a)
((counted > 1000)) || fail "the gateway counted $counted reads"

note "the plan is a dry run that explains itself"
fs plan disk --to host-c
(($(field '.moves | length' plan disk --to host-c) > 0)) || fail "nothing planned"
[[ $(field '[.moves[].reason | length] | min > 0' plan disk --to host-c) == true ]] ||
  fail "a move without a reason"
[[ $(field '.coverageAfter > 0.9 and .coverageBefore == 0' plan disk --to host-c) == true ]] ||
  fail "the plan's coverage"
[[ $(field '[.residency[] | select(.host == "host-c") | (.extents | tonumber)] | add // 0' \
  volume show disk) == 0 ]] || fail "a dry run moved something"

note "a gate that is met"
fs -o json migrate disk --to host-c --gate 99% --timeout 60s >"$CLUSTER/task.json" || fail "migrate"
expect_owner disk host-c
jq -e '.coverageAtFlip >= 0.99 and (.bytesMoved | tonumber) > 16000000' "$CLUSTER/task.json" ||
  fail "coverage at the flip: $(cat "$CLUSTER/task.json")"
stop_pid "$(cat "$CLUSTER/vm.fio.pid")" INT

note "the hot set is read locally, every byte is the same"
reads() { field ".plane.volumes[0].reads$1 // \"0\"" host show host-c; } # Local or Remote
local_before=$(reads Local) remote_before=$(reads Remote)
fio_nbd "$(uri host-c disk)" --rw=randread --bs=4k --offset=64M --size=32M --io_size=8M
counted() { (($(reads Local) + $(reads Remote) >= local_before + remote_before + 2048)); }
wait_until 10 counted
here=$(($(reads Local) - local_before))
note "$here of 2048 reads were local"
((here > 2048 * 8 / 10)) || fail "the hot set is not local"
nbdcopy "$(uri host-c disk)" "$CLUSTER/back" || fail "read back"
cmp "$CLUSTER/in" "$CLUSTER/back" || fail "other bytes after the migration"

note "a cold migration moves nothing before the flip"
fs -o json migrate disk --to host-b --no-preposition >"$CLUSTER/task.json" || fail "cold migrate"
[[ $(jq -r '.bytesMoved // "0"' "$CLUSTER/task.json") == 0 ]] || fail "bytes were moved"
expect_owner disk host-b
nbdcopy "$(uri host-b disk)" "$CLUSTER/back" || fail "read back"
cmp "$CLUSTER/in" "$CLUSTER/back" || fail "other bytes after the cold migration"
note "done"
