#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The doctor: a healthy cell is healthy; a replica whose disk failed a sync, a host that is gone and
# a port that nobody can reach are found; --repair brings the replica back with its data. A data
# plane whose own database failed needs no doctor.
source "$(dirname "$0")/lib.sh"
requires fio fiu-ctrl
cluster_begin
fiu_nbdkit "$CLUSTER/nbdkit" "$CLUSTER/fiu"
PLANE_EXTRA="nbdkit = \"$CLUSTER/nbdkit\"" cluster_start 3

# verdict_of CHECK: the worst of its lines.
verdict_of() {
  "$FORESHIFT_BIN/foreshift" -C "$(cat "$CLUSTER/coordinator.address")" -o json doctor \
    | jq -r --arg name "$1" '[.checks[] | select(.name == $name) | .verdict]
        | if index("fail") then "fail" elif index("warn") then "warn" else "ok" end'
}
failed_disk() { [[ $(verdict_of disks) == fail ]]; }
healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show vm1) == "ok 0" ]]; }

write_all() {
  fio_nbd "$(uri host-a vm1)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0 \
    --end_fsync=1 || fail "writing"
}

fs volume create vm1 64MiB --replicas 2 --partition 4MiB || fail "create"
fs volume attach vm1 host-a || fail "attach"
write_all

note "a healthy cell"
expect_exit 0 fs doctor
for check in versions hosts clocks ports certificates disks epochs maps replicas orphans notes \
  scrub; do
  grep -qE "^ok +$check " "$CLUSTER/out" || {
    cat "$CLUSTER/out"
    fail "no line of '$check' that says ok"
  }
done

note "a replica has failed"
for pid in $(plane_pids host-b); do
  fiu-ctrl -f "$CLUSTER/fiu" -c "enable name=posix/io/sync/fdatasync,onetime,failinfo=5" "$pid"
done
write_all # its end waits until the replica that cannot sync is left out
wait_until 30 failed_disk
expect_exit 1 fs doctor
grep -qE "^fail +disks +host host-b .*has failed: cannot sync" "$CLUSTER/out" ||
  fail "no word of it"
plane_kill host-b # which does not make it better
same_failure() { fs doctor | grep -qE "^fail +disks +host host-b .*has failed: cannot sync"; }
wait_until 30 same_failure
expect_exit 0 fs doctor --repair
grep -q "repaired: emptied and taken into use again" "$CLUSTER/out" || fail "it is not repaired"
wait_until 60 healthy
expect_exit 0 fs doctor
fs events --limit 1000 >"$CLUSTER/out"
grep -q "doctor --repair: its replica of volume vm1 has failed" "$CLUSTER/out" || fail "no event"

note "its data is whole"
expect_exit 0 fs flip vm1 --to host-b
fio_nbd "$(uri host-b vm1)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only

note "a data plane whose database and files cannot sync ends by itself; the doctor does the rest"
before=$(plane_pids host-c)
for pid in $before; do
  fiu-ctrl -f "$CLUSTER/fiu" -c "enable name=posix/io/sync/fdatasync,failinfo=5" "$pid"
done
fio_nbd "$(uri host-b vm1)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0 \
  --end_fsync=1 || fail "writing"
other_plane() { [[ -n $(plane_pids host-c) && $(plane_pids host-c) != "$before" ]]; }
wait_until 30 other_plane
repaired() { fs doctor --repair >/dev/null || true; healthy; }
wait_until 60 repaired
expect_exit 0 fs doctor
expect_exit 0 fs flip vm1 --to host-c
fio_nbd "$(uri host-c vm1)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
expect_exit 0 fs flip vm1 --to host-b

note "a host is gone"
agent_kill host-c
plane_kill host-c
down() { ! host_up host-c; }
wait_until 30 down
expect_exit 1 fs doctor
grep -qE "^fail +hosts +host host-c " "$CLUSTER/out" || fail "the dead host is not named"
note "done"
