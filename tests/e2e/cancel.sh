#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C during a migration, an unmet gate, and two migrations of one volume at once: each leaves
# one clean owner and no leftovers.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
AGENT_EXTRA=$'[moves]\nrate = "4MiB"' cluster_start 3

fs volume create disk 512MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=512M --verify=crc32c --do_verify=0
fio_start vm "$(uri host-a disk)" --rw=randread --bs=4k --size=256M --time_based --runtime=600 \
  --rate_iops=1500
wait_until 40 learned disk 20

running() { [[ $(field '[.tasks[] | select(.kind == "migrate")] | length' task list) -ge 1 ]]; }
idle() { ! running; }

note "two migrations at once: the second is refused"
"$FORESHIFT_BIN/foreshift" -C "$(cat "$CLUSTER/coordinator.address")" \
  migrate disk --to host-c --gate 100% --timeout 60s >"$CLUSTER/first.out" 2>"$CLUSTER/first.err" &
first=$!
wait_until 10 running
expect_exit 4 fs migrate disk --to host-b
expect_exit 4 fs flip disk --to host-b
expect_exit 4 fs volume delete disk

note "Ctrl-C cancels"
sleep 2
kill -INT "$first"
code=0
wait "$first" || code=$?
((code == 1)) || fail "canceled migrate ended with $code: $(cat "$CLUSTER/first.err")"
grep -q "owned by host-a" "$CLUSTER/first.err" || fail "did not say who owns it"
expect_owner disk host-a
wait_until 10 idle
wait_until 10 no_leftovers host-c
[[ $(field '[.tasks[] | select(.kind == "migrate")][-1].state' task list --all) == canceled ]] ||
  fail "the task is not canceled"

note "a progress bar on a terminal, and Ctrl-C there"
: >"$CLUSTER/screen"
TERM=xterm script -qefc "exec '$FORESHIFT_BIN/foreshift' -C $(cat "$CLUSTER/coordinator.address") \
  migrate disk --to host-c --gate 100% --timeout 60s" "$CLUSTER/screen" >/dev/null 2>&1 </dev/null &
terminal=$!
drawn() {
  grep -aqE '\[=*>? *\] [0-9.]+ ?.?i?B of .*coverage .*gate .*ETA [0-9]' "$CLUSTER/screen"
}
wait_until 20 drawn
kill -INT "$(pgrep -f "^$FORESHIFT_BIN/foreshift -C .* migrate disk" | head -1)"
wait "$terminal" || true
grep -aq 'owned by host-a' "$CLUSTER/screen" || fail "did not say who owns it"
grep -aq $'\x1b\[' "$CLUSTER/screen" || fail "no colour on a terminal"
wait_until 10 no_leftovers host-c
expect_owner disk host-a

note "task cancel does the same"
fs -o json migrate disk --to host-c --gate 100% --timeout 60s --no-wait >"$CLUSTER/task.json" ||
  fail "migrate"
expect_exit 0 fs task cancel "$(jq -r .id "$CLUSTER/task.json")"
wait_until 10 idle
expect_owner disk host-a

note "a gate that is not met in time"
code=0
fs migrate disk --to host-c --gate 100% --timeout 3s >"$CLUSTER/out" 2>"$CLUSTER/err" || code=$?
((code == 5)) || fail "ended with $code: $(cat "$CLUSTER/err")"
expect_owner disk host-a
wait_until 10 no_leftovers host-c
fio_finish vm

note "and it still works"
expect_exit 0 fs flip disk --to host-b
fio_nbd "$(uri host-b disk)" --rw=write --bs=1M --size=512M --verify=crc32c --verify_only
note "done"
