#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hosts leave in order: drained under verified I/O, or replaced when they are dead; then forgotten.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
cluster_start 4

extents_at() { field "[.residency[]? | select(.host == \"$2\") | .extents | tonumber] | add // 0" \
  volume show "$1"; }
empty_at() { [[ $(extents_at "$1" "$2") == 0 ]]; }
healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show "$1") == "ok 0" ]]; }
down() { [[ $(field .up host show "$1") == false ]]; }

fs volume create disk 128MiB --replicas 2 --partition 4MiB || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0 \
  --end_fsync=1
roaming_client vm disk host-a
fio_start vm "nbd+unix:///?socket=$CLUSTER/vm.sock" --rw=randrw --bs=4k-32k --offset=64M \
  --size=64M --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600

expect_exit 0 fs host ok-to-stop host-b
grep -q 'disk: degrades' "$CLUSTER/out" || fail "it does not say what degrades"
expect_exit 4 fs host ok-to-stop host-a
grep -q 'disk: attached there' "$CLUSTER/out" || fail "it does not say what is attached"
expect_exit 3 fs host ok-to-stop nowhere

note "draining host-b"
expect_exit 0 fs host drain host-b
wait_until 10 empty_at disk host-b
expect_exit 4 fs flip disk --to host-b
expect_said 'being drained'
expect_exit 4 fs host remove host-b
expect_said 'is up'
fio_running vm || fail "the client ended"

note "draining host-a, its lease goes to host-c"
expect_exit 4 fs host drain host-a
expect_said 'flip disk first'
expect_exit 0 fs host drain host-a --to host-c
roam vm host-c
expect_owner disk host-c
fs host undrain host-a || fail "undrain"

note "removing host-b"
agent_stop host-b
plane_kill host-b
wait_until 20 down host-b
expect_exit 0 fs host remove host-b
[[ $(field '[.hosts[].address.name] | join(" ")' host list) == "host-a host-c host-d" ]] ||
  fail "host-b is still known"

note "host-d dies and is replaced"
sleep 2
agent_kill host-d
plane_kill host-d
wait_until 20 down host-d
expect_exit 4 fs host remove host-d
expect_exit 0 fs host remove host-d --lost
wait_until 30 healthy disk
fio_running vm || fail "the client ended"
fio_finish vm
fio_nbd "$(uri host-c disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
expect_exit 0 fs flip disk --to host-a
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
note "done"
