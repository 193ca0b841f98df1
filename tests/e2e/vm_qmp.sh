#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Foreshift drives QEMU: a machine without a guest (its firmware runs and finds nothing to boot)
# with two disks migrates with its volumes, and comes back from every failure on the way.
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64 socat
cluster_begin
cluster_start 3
RAM=${RAM:-128}

for disk in root data; do
  fs volume create $disk 64MiB --home host-a,host-b || fail "create"
  fs volume attach $disk host-a || fail "attach"
done

# node HOST VOLUME: a QEMU block device on a volume.
node() {
  printf '{"driver":"nbd","node-name":"%s","server":{"type":"unix","path":"%s"},"export":"%s"}' \
    "$2" "$CLUSTER/$1/nbd.sock" "$2"
}

# machine NAME HOST [ARGUMENT...]: a QEMU whose monitors are $CLUSTER/NAME.qmp and NAME.spy.
machine() {
  local name=$1 host=$2 at
  shift 2
  rm -f "$CLUSTER/$name.qmp" "$CLUSTER/$name.spy"
  spawn "$CLUSTER/$name.pid" "$CLUSTER/$name.log" qemu-system-x86_64 -accel tcg -machine pc \
    -m "$RAM" -nodefaults -display none -no-user-config \
    -blockdev "$(node "$host" root)" -device virtio-blk-pci,drive=root \
    -blockdev "$(node "$host" data)" -device virtio-blk-pci,drive=data \
    -qmp "unix:$CLUSTER/$name.qmp,server=on,wait=off" \
    -qmp "unix:$CLUSTER/$name.spy,server=on,wait=off" "$@"
  for at in qmp spy; do
    wait_until 20 test -S "$CLUSTER/$name.$at"
  done
}
# monitor NAME COMMAND: through the second monitor, beside the one that foreshift holds.
monitor() {
  printf '{"execute":"qmp_capabilities"}{"execute":"%s"}' "$2" |
    socat -t 2 - "UNIX-CONNECT:$CLUSTER/$1.spy" | tail -1
}
says() { [[ $(monitor "$1" query-status | jq -r .return.status) == "$2" ]]; }
cleanup() {
  local code=$?
  quit one
  quit two
  (exit "$code")
  cluster_end
}
trap cleanup EXIT
quit() { alive "$CLUSTER/$1.pid" && stop_pid "$(cat "$CLUSTER/$1.pid")" KILL; true; }
vm() {
  local to=$1
  shift
  fs migrate root data --to "$to" --qmp "$CLUSTER/$from.qmp" --qmp-dest "$CLUSTER/$dest.qmp" \
    --timeout 30s "$@"
}
expect_both() {
  expect_owner root "$1"
  expect_owner data "$1"
}

note "a QEMU that may connect ahead of the lease only where the move is announced"
from=one dest=two
machine one host-a
wait_until 20 says one running
machine two host-b -incoming defer || true
wait_until 20 gone "$(cat "$CLUSTER/two.pid")"
for disk in root data; do
  fs announce $disk --to host-b --no-copy || fail "announce"
done
fs announce --list
machine two host-b -incoming defer
says two inmigrate || fail "the destination's QEMU does not wait"

note "there"
vm host-b || fail "migrate"
expect_both host-b
says two running || fail "does not run at the destination"
says one postmigrate || fail "the source"
[[ $(fs -o json announce --list | jq '.intents | length') == 0 ]] || fail "an intent is left over"
task=$(field '[.tasks[] | select(.name == "root" and .kind == "migrate")][-1].id' task list --all)
fs task show "$task"
[[ $(field '.vm.blackoutUs != null and .vm.switchUs != null' task show "$task") == true ]] ||
  fail "no account"
[[ $(field '[.vm.phases[].name] | join(" ")' task show "$task") == \
  "gate ram drain promote flip resume"* ]] || fail "phases"
quit one

note "and back, with a destination that waits for its start"
from=two dest=one
for disk in root data; do
  fs announce $disk --to host-a || fail "announce"
done
machine one host-a -incoming defer -S
vm host-a || fail "migrate back"
expect_both host-a
says one running || fail "does not run"
quit two
fs task calibration

note "QEMUs that are not as they should be change nothing"
from=one dest=two
for disk in root data; do
  fs announce $disk --to host-b --no-copy || fail "announce"
done
expect_exit 6 vm host-b
expect_said "no QEMU monitor"
machine two host-b
expect_exit 4 vm host-b
expect_said "incoming defer"
expect_both host-a
quit two

note "canceled at the gate, and while RAM is copied"
for when in 0 3; do
  machine two host-b -incoming defer
  vm host-b --bandwidth 64KiB 2>"$CLUSTER/err" &
  driver=$!
  wait_until 20 grep -q "$([[ $when == 0 ]] && echo task || echo RAM)" "$CLUSTER/err"
  kill -INT "$(pgrep -P "$driver" -f "migrate root" || echo "$driver")"
  wait "$driver" && fail "not canceled"
  expect_said "stays at the source"
  expect_both host-a
  wait_until 10 says one running
  quit two
done

note "the destination's QEMU dies while RAM is copied"
machine two host-b -incoming defer
vm host-b --bandwidth 64KiB 2>"$CLUSTER/err" &
driver=$!
wait_until 20 grep -q RAM "$CLUSTER/err"
quit two
wait "$driver" && fail "migrated to nowhere"
expect_both host-a
wait_until 10 says one running

note "a driver that is killed, and the next one that cleans up"
machine two host-b -incoming defer
vm host-b --bandwidth 64KiB 2>"$CLUSTER/err" &
driver=$!
wait_until 20 grep -q RAM "$CLUSTER/err"
kill -KILL "$(pgrep -P "$driver" -f "migrate root" || echo "$driver")"
wait "$driver"
expect_exit 4 vm host-b
expect_said "recover"
vm host-b --recover 2>"$CLUSTER/err" && fail "nothing to recover"
expect_said "stays at the source"
expect_both host-a
wait_until 10 says one running
quit two

note "the other way, once more, with everything still in order"
machine two host-b -incoming defer
vm host-b || fail "migrate"
expect_both host-b
says two running || fail "does not run"
quit one
quit two
note "done"
