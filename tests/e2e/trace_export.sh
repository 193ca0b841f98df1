#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What clients did to a volume can be exported from the agent's access log, beside the running
# agent, and is a trace like any other.
source "$(dirname "$0")/lib.sh"
requires nbdcopy qemu-io jq
cluster_begin
cluster_start 1

note "two volumes with accesses of their own"
for volume in one two; do
  fs volume create $volume 64MiB --home host-a >/dev/null || fail "cannot create $volume"
  wait_until 30 fs volume attach $volume host-a
done
requests() { # VOLUME COUNT: writes of 4 KiB, a MiB apart
  local i commands=()
  for ((i = 0; i < $2; ++i)); do
    commands+=(-c "write $((i * 1024))k 4k")
  done
  qemu-io -f raw "${commands[@]}" "$(uri host-a "$1")" >/dev/null || fail "cannot write"
}
requests one 20
requests two 30

export_of() { "$FORESHIFT_BIN/foreshift" trace export --data "$CLUSTER/host-a/data" "$@"; }
logged() { [[ $(export_of --volume "$1" 2>/dev/null | grep -c ' write ') == "$2" ]]; }
one=$(field .spec.id volume show one) two=$(field .spec.id volume show two)
wait_until 30 logged "$one" 20
wait_until 30 logged "$two" 30
export_of --volume "$one" --out "$CLUSTER/one.iolog" || fail "cannot export"
for ((i = 0; i < 20; ++i)); do
  grep -q " write $((i << 20)) 4096$" "$CLUSTER/one.iolog" || fail "request $i is missing"
done

note "it is a trace"
"$FORESHIFT_BIN/foreshift" trace convert --trace "$CLUSTER/one.iolog" --out "$CLUSTER/again" ||
  fail "not readable"
cmp "$CLUSTER/one.iolog" "$CLUSTER/again" || fail "not the same"

note "wrong questions"
expect_exit 2 export_of && expect_said 'the log holds'
expect_exit 3 export_of --volume 999 && expect_said 'no such accesses'
expect_exit 3 export_of --volume "$one" --after 99999999999 && expect_said 'no such accesses'
expect_exit 1 "$FORESHIFT_BIN/foreshift" trace export --data "$CLUSTER/nowhere"
note "passed"
