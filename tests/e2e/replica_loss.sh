#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of a replica's host, data plane and agent, under verified writes: they go on after the
# host is left out; it returns, gets back what it missed, and every host then reads what was
# written.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
cluster_start 3

healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show "$1") == "ok 0" ]]; }
left_out() { [[ $(field '.lost[0].host // empty' volume show "$1") == "$2" ]]; }
writes_at() { field '[.plane.volumes[]? | .io.writes // "0" | tonumber] | add' host show "$1"; }
wrote_more() { (($(writes_at host-a) > $1)); }

for factor in 2 3; do
  disk=disk$factor
  fs volume create $disk 128MiB --replicas $factor --partition 4MiB || fail "create"
  fs volume attach $disk host-a || fail "attach"
  fio_nbd "$(uri host-a $disk)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0 \
    --end_fsync=1
  fio_start vm "$(uri host-a $disk)" --rw=randrw --bs=4k-32k --offset=64M --size=64M \
    --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600
  for victim in host-b host-c; do
    sleep 2
    note "replicas $factor: killing $victim"
    agent_kill $victim
    plane_kill $victim
    wait_until 30 left_out $disk $victim
    wait_until 20 wrote_more "$(writes_at host-a)"
    fs status | grep -q "fewer than $factor replicas" || fail "the status does not say it"
    sleep 2
    agent_start $victim
    wait_until 60 healthy $disk
    fio_running vm || fail "the client ended"
  done
  fs events --limit 1000 >"$CLUSTER/out"
  grep -q "replica host-b left out: .* left" "$CLUSTER/out" || fail "no event of the removal"
  grep -q "replica host-b is back" "$CLUSTER/out" || fail "no event of the return"
  fio_finish vm
  for host in host-b host-c host-a; do
    expect_exit 0 fs flip $disk --to $host
    fio_nbd "$(uri $host $disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
  done
  corrupt=$(field '[.hosts[].plane.volumes[]? | .corrupt // "0" | tonumber] | add' host list)
  ((corrupt == 0)) || fail "$corrupt corrupt blocks"
  fs volume detach $disk || fail "detach"
done
note "done"
