#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A client writes and verifies all the time while the lease flips 20 times back and forth, every
# third time through a migration that moves extents under those writes.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
cluster_start 3

fs volume create disk 192MiB --home host-a,host-b --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
roaming_client vm disk host-a
fio_start vm "nbd+unix:///?socket=$CLUSTER/vm.sock" --rw=randrw --rwmixread=40 --bs=4k-64k \
  --size=48M --numjobs=4 --offset_increment=48M --iodepth=4 --verify=crc32c --verify_backlog=256 \
  --verify_fatal=1 --time_based --runtime=600

hosts=(host-a host-b host-c)
moved=0
for ((i = 1; i <= 20; ++i)); do
  to=${hosts[i % 3]}
  if [[ $to == host-c ]]; then
    sleep 2
    fs -o json migrate disk --to "$to" --gate 80% --timeout 60s >"$CLUSTER/task.json" ||
      fail "migration $i to $to"
    moved=$((moved + $(jq -r '.bytesMoved // "0"' "$CLUSTER/task.json")))
  else
    fs -o json flip disk --to "$to" >"$CLUSTER/task.json" || fail "flip $i to $to"
  fi
  expect_owner disk "$to"
  roam vm "$to"
  note "$i: $to at $(jq -r '"epoch \(.epoch), flip \(.flip.totalUs) us"' "$CLUSTER/task.json")"
  sleep 1.5
  fio_running vm || fail "the client ended early"
done
((moved > 0)) || fail "no migration moved anything"
note "migrations moved $moved bytes"
fio_finish vm
note "done"
