#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A primary that is stopped while another host takes its volume over by force must not read its own
# replica when it wakes up: its client was connected all the time and asks at once. The same for one
# that is cut off and never stopped. check-history decides.
source "$(dirname "$0")/lib.sh"
[[ -x $FORESHIFT_BIN/stamped_client ]] || fail "no stamped_client in $FORESHIFT_BIN"
cluster_begin
cluster_start 3

signal() { # SIGNAL HOST: to its data plane and agent
  local pid
  for pid in $(plane_pids "$2") "$(cat "$CLUSTER/$2/agent.pid")"; do kill "-$1" "$pid"; done
}
client() { # NUMBER HOST SECONDS
  timeout "$3" "$FORESHIFT_BIN/stamped_client" --socket "$CLUSTER/$2/nbd.sock" --export disk \
    --history "$CLUSTER/history" --client "$1" --threads 2 --blocks 64 --seed "$1" --pause-us 500
}
healthy() { [[ $(field '"\(.health) \(.lost // [] | length)"' volume show disk) == "ok 0" ]]; }

fs volume create disk 64MiB --replicas 2 --home host-a,host-b || fail "create"
fs volume attach disk host-a || fail "attach"
client 1 host-a 90 &
old=$!
sleep 3
for round in 1 2 3; do
  note "round $round: stopping host-a"
  signal STOP host-a
  expect_exit 0 fs flip disk --to host-b --force
  client 1${round}0 host-b 3
  signal CONT host-a
  sleep 2
  wait_until 60 healthy
  expect_exit 0 fs flip disk --to host-a
  sleep 2
done
kill $old
wait $old
writes=$(grep -c ' write .* ok$' "$CLUSTER/history")
((writes > 500)) || fail "only $writes writes"
"$FORESHIFT_BIN/foreshift" check-history "$CLUSTER/history" || fail "a read was stale"
note "done"
