#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bits that flipped and files that were cut while a data plane was down: with two replicas no bad
# byte is served, and all is repaired, by reads or by scrubbing; with one, the client gets an error,
# the operator an alarm, and a rewrite ends both.
source "$(dirname "$0")/lib.sh"
requires fio qemu-io
AGENT_EXTRA='[scrub]
rate = "1GiB"'
cluster_begin
cluster_start 2

# damage HOST VOLUME BLOCKS [cut]: flips a bit in so many blocks with data of the volume's file; or
# cuts it to half.
damage() {
  local id
  id=$(field .spec.id volume show "$2")
  python3 - "$CLUSTER/$1/data/plane/volumes/$id/0000.extents" "$3" "${4:-}" <<'PY'
import os, random, sys
path, count, cut = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(path, "r+b") as f:
    blocks = []
    while data := f.read(4096):
        if data.count(0) != len(data):
            blocks.append(f.tell() - 4096)
    for at in random.Random(count).sample(blocks, count):
        at += random.Random(at).randrange(4096)
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))
    if cut:
        f.truncate(os.path.getsize(path) // 2)
PY
}
host_down() {
  agent_kill "$1"
  plane_kill "$1"
}
plane_reports() {
  [[ -n $(plane_pids "$1") && $(field .plane.pid host show "$1") == $(plane_pids "$1") ]]
}
host_back() {
  agent_start "$1"
  wait_until 30 plane_reports "$1"
}
of_volume() { field ".plane.volumes[] | select(.name == \"$3\") | .$2 // \"0\"" host show "$1"; }
repaired_at_least() { (($(of_volume host-a repaired "$1") >= $2)); }
clean() { [[ $(field '.plane.scrub.corrupt // "0"' host show "$1") == 0 ]]; }
full_pass_since() { (($(field '.plane.scrub.fullDoneMs // "0"' host show "$1") > $2)); }
problem() { fs -o json status | jq -r '.problems[]?' | grep -q -- "$1"; }
no_problem() { ! problem "$1"; }
verify() { fio_nbd "$1" --rw=write --bs=64k --size=64M --verify=crc32c --verify_only; }

note "two replicas: damage at the primary's host is repaired by reads"
fs volume create two 64MiB --home host-a,host-b --replicas 2 || fail "create"
fs volume attach two host-a || fail "attach"
two=$(uri host-a two)
fio_nbd "$two" --rw=write --bs=64k --size=64M --verify=crc32c --do_verify=0 --end_fsync=1
host_down host-a
damage host-a two 50 || fail "damage"
host_back host-a
verify "$two"
wait_until 20 repaired_at_least two 50
wait_until 20 clean host-a

note "the same when its file was cut"
host_down host-a
damage host-a two 0 cut || fail "damage"
host_back host-a
verify "$two"
wait_until 20 clean host-a

note "two replicas: damage that no client reads is repaired by a full pass"
host_down host-b
damage host-b two 50 cut || fail "damage"
host_back host-b
before=$(date +%s)000
expect_exit 0 fs scrub start host-b --full
wait_until 60 full_pass_since host-b "$before"
wait_until 60 clean host-b
fs scrub status
expect_exit 0 fs flip two --to host-b
verify "$(uri host-b two)"
[[ $(of_volume host-b repaired two) == 0 ]] || fail "the pass left something to repair"
no_problem two || fail "a problem is left"

note "one replica: an error and an alarm, until the block is written again"
fs volume create one 16MiB --home host-a || fail "create"
fs volume attach one host-a || fail "attach"
one=$(uri host-a one)
qemu-io -f raw -c 'write -P 7 1M 4k' -c 'write -P 8 1028k 4k' -c flush "$one" >/dev/null ||
  fail "write"
host_down host-a
damage host-a one 1 || fail "damage"
host_back host-a
qemu-io -f raw -c 'read -P 7 1M 4k' -c 'read -P 8 1028k 4k' "$one" >"$CLUSTER/out" 2>&1 || true
[[ $(grep -c 'Input/output error' "$CLUSTER/out") == 1 ]] || fail "not just one of two failed"
! grep -q 'Pattern verification failed' "$CLUSTER/out" || fail "a bad byte was served"
wait_until 20 problem 'volume one: 1 blocks with no good copy'
fs events --limit 1000 | grep -q 'no good copy' || fail "no event says so"
qemu-io -f raw -c 'write -P 9 1M 8k' -c 'read -P 9 1M 8k' "$one" >/dev/null || fail "rewrite"
wait_until 20 no_problem 'volume one'
note "done"
