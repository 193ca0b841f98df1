#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of a data plane during I/O: the agent starts it again, a client that reconnects goes on,
# and nothing acknowledged is lost; first the primary's, then that of a replica's host.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
cluster_start 3

fs volume create disk 192MiB --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=64M --verify=crc32c --do_verify=0 \
  --end_fsync=1
roaming_client vm disk host-a
fio_start vm "nbd+unix:///?socket=$CLUSTER/vm.sock" --rw=randrw --bs=4k-32k --offset=64M \
  --size=64M --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600
sleep 2
for victim in host-a host-b host-a host-c; do
  note "killing the data plane of $victim"
  before=$(plane_pids "$victim")
  plane_kill "$victim"
  replaced() { [[ -n $(plane_pids "$victim") && $(plane_pids "$victim") != "$before" ]]; }
  wait_until 20 replaced
  sleep 3
  fio_running vm || fail "the client ended"
done
wait_until 20 hosts_up 3
expect_owner disk host-a
fio_finish vm
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
expect_exit 0 fs flip disk --to host-c
fio_nbd "$(uri host-c disk)" --rw=write --bs=1M --size=64M --verify=crc32c --verify_only
note "done"
