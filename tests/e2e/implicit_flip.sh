#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The first write at an announced destination takes the lease, for a client that knows nothing of
# us: reads before it are the primary's, a source that is still in use is not robbed, and no read is
# ever stale (check-history). A client that is told to stop stands for a guest that is paused.
source "$(dirname "$0")/lib.sh"
requires qemu-io
[[ -x $FORESHIFT_BIN/stamped_client ]] || fail "no stamped_client in $FORESHIFT_BIN"
cluster_begin
COORDINATOR_EXTRA=$'[policy]\nflip_timeout = "3s"'
cluster_start 3

io() { # HOST COMMAND...: qemu-io; fails when it says that something failed
  local at c args=()
  at=$(uri "$1" disk)
  shift
  for c in "$@"; do args+=(-c "$c"); done
  timeout 60 qemu-io -f raw "${args[@]}" "$at" >"$CLUSTER/io.out" 2>&1 &&
    ! grep -qiE 'fail|error' "$CLUSTER/io.out"
}
client_start() { # NUMBER HOST
  spawn "$CLUSTER/client$1.pid" "$CLUSTER/client$1.log" "$FORESHIFT_BIN/stamped_client" \
    --socket "$CLUSTER/$2/nbd.sock" --export disk --history "$CLUSTER/history" --client "$1" \
    --threads 3 --blocks 64 --seed "$1" --pause-us 300
}
client_stop() { stop_pid "$(cat "$CLUSTER/client$1.pid")"; }
failures() { grep -cE ' (failed|unknown)$' "$CLUSTER/history" || true; }
last_flip() {
  field "[.tasks[] | select(.kind == \"flip\" and .state == \"done\")][-1] | $1" task list --all
}
held_by() { [[ $(holder disk) == "$1" ]]; }
connects() { nbdinfo "$(uri "$1" disk)"; }

fs volume create disk 64MiB --replicas 2 --home host-a,host-b || fail "create"
fs volume attach disk host-a || fail "attach"
client_start 10 host-a
fs announce disk --to host-c --no-copy || fail "announce"
wait_until 10 connects host-c

note "without opting in"
if io host-c 'read 32M 4k'; then fail "a read at host-c was served"; fi
if io host-c 'write 32M 4k'; then fail "a write at host-c was taken"; fi
expect_exit 2 fs volume set disk implicit-flip perhaps
expect_exit 0 fs volume set disk implicit-flip on
[[ $(field .policy.implicitFlip volume show disk) == true ]] || fail "the policy does not show"

note "reads at the destination while the source writes"
wait_until 10 io host-c 'read 32M 4k'
"$FORESHIFT_BIN/stamped_client" --socket "$CLUSTER/host-c/nbd.sock" --export disk --verify \
  --history "$CLUSTER/history" --client 90 --blocks 64 || fail "reads at host-c"
expect_owner disk host-a

note "a source in use is not robbed"
if io host-c 'write 32M 4k'; then fail "a write at host-c took the lease from under its client"; fi
expect_owner disk host-a
(($(failures) == 0)) || fail "the client at host-a saw an error"
[[ $(field '[.tasks[] | select(.kind == "flip")][-1] | "\(.state) \(.implicit)"' task list --all) \
  == "failed true" ]] || fail "the refused flip is no task"

note "back and forth, ten times"
from=host-a to=host-c number=10
for round in 1 2 3 4 5 6 7 8 9 10; do
  ((round == 1)) || fs announce disk --to "$to" --no-copy >/dev/null || fail "announce"
  wait_until 10 connects "$to"
  client_stop "$number"
  number=$((number + 10))
  client_start "$number" "$to"
  wait_until 20 held_by "$to"
  sleep 0.3
  [[ $(last_flip .implicit) == true ]] || fail "somebody else asked for the flip"
  last_flip '(.flip.waitedUs | tonumber)' >>"$CLUSTER/waited"
  last_flip '(.flip.totalUs | tonumber)' >>"$CLUSTER/took"
  read -r from to <<<"$to $from"
done
note "first write waited $(sort -n "$CLUSTER/waited" | tr '\n' ' ')us,"
note "of it the takeover $(sort -n "$CLUSTER/took" | tr '\n' ' ')us"

note "the coordinator is away when the first write comes"
fs announce disk --to "$to" --no-copy >/dev/null || fail "announce"
wait_until 10 connects "$to"
client_stop "$number"
coordinator_kill
number=$((number + 10))
client_start "$number" "$to"
sleep 2
coordinator_start
wait_until 30 held_by "$to"
sleep 1
client_stop "$number"
fs task show "$(last_flip .id)"

(($(failures) == 0)) || fail "a client saw an error"
writes=$(grep -c ' write .* ok$' "$CLUSTER/history")
((writes > 500)) || fail "only $writes writes"
"$FORESHIFT_BIN/foreshift" check-history "$CLUSTER/history" || fail "a read was stale"
note "$writes writes; done"
