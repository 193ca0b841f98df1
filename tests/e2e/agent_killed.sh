#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of an agent: during I/O (the client notices nothing), during a move, during a flip.
source "$(dirname "$0")/lib.sh"
requires fio
cluster_begin
AGENT_EXTRA=$'[moves]\nrate = "8MiB"' cluster_start 3

fs volume create disk 256MiB --home host-a,host-b --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=write --bs=1M --size=128M --verify=crc32c --do_verify=0
roaming_client vm disk host-a
fio_start vm "nbd+unix:///?socket=$CLUSTER/vm.sock" --rw=randrw --bs=4k --offset=128M --size=64M \
  --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600 --rate_iops=1500
# A client that does not reconnect: it must not see the agent's death at all.
fio_start direct "$(uri host-a disk)" --rw=randread --bs=4k --size=64M --time_based --runtime=600 \
  --rate_iops=500

note "during I/O"
sleep 2
plane=$(plane_pids host-a)
agent_kill host-a
sleep 3
agent_start host-a
wait_until 20 host_up host-a
[[ $(plane_pids host-a) == "$plane" ]] || fail "the data plane was replaced"
fio_finish direct

note "during a move"
wait_until 40 learned disk 20
fs -o json migrate disk --to host-c --gate 95% --timeout 60s --no-wait >"$CLUSTER/task.json" ||
  fail "migrate"
sleep 2
agent_kill host-c
sleep 1
agent_start host-c
wait_until 90 no_leftovers host-c
roam vm "$(holder disk)"
note "settled at $(holder disk)"
wait_until 30 host_up host-c

note "during flips"
hosts=(host-a host-b host-c)
for ((i = 0; i < 6; ++i)); do
  to=${hosts[(i + 1) % 3]}
  victim=${hosts[(i + i / 3) % 3]}
  fs -o json flip disk --to "$to" >"$CLUSTER/flip.$i.json" 2>&1 &
  flip=$!
  sleep "0.0$i"
  agent_kill "$victim"
  if wait "$flip"; then note "flip $i to $to went through"; else note "flip $i to $to failed"; fi
  agent_start "$victim"
  wait_until 30 host_up "$victim"
  wait_until 60 no_leftovers host-c
  one_owner() { [[ -n $(holder disk) ]]; }
  wait_until 30 one_owner
  roam vm "$(holder disk)"
  sleep 1
  fio_running vm || fail "the client ended after flip $i"
done
fio_finish vm
fio_nbd "$(uri "$(holder disk)" disk)" --rw=write --bs=1M --size=128M --verify=crc32c --verify_only
note "done"
