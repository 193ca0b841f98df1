#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host whose disk is full: the client is told so and loses nothing, reads go on, the volume moves
# away from it; space that is freed can be used again. The host's directory is a small tmpfs in a
# mount namespace of its own.
source "$(dirname "$0")/lib.sh"
requires qemu-io fio unshare
unshare -rm true 2>/dev/null || {
  echo "skipped: no mount namespaces here"
  exit 77
}
cluster_begin
read -ra ports < <(free_ports 7)
coordinator_config "${ports[0]}"
coordinator_start
RESERVE=1MiB agent_config host-a "${ports[@]:1:3}"
RESERVE=1MiB agent_config host-b "${ports[@]:4:3}"
# host-a's data plane keeps its unix socket outside of the tmpfs, so that clients can reach it.
mkdir -p "$CLUSTER/host-a/data"
spawn "$CLUSTER/host-a/agent.pid" "$CLUSTER/host-a/agent.log" unshare -rm sh -c \
  "mount -t tmpfs -o size=96m tmpfs '$CLUSTER/host-a/data' &&
   exec '$FORESHIFT_BIN/foreshift-agent' --config '$CLUSTER/host-a/agent.toml'"
agent_start host-b
wait_until 30 hosts_up 2

at=$(uri host-a disk)
fs volume create disk 256MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$at" --rw=write --bs=1M --size=32M --verify=crc32c --do_verify=0 --end_fsync=1

note "until it is full"
full_at=
for ((mib = 32; mib < 256; ++mib)); do
  if ! qemu-io -f raw -c "write -P 5 ${mib}M 1M" "$at" >"$CLUSTER/out" 2>&1 ||
    grep -q 'No space left' "$CLUSTER/out"; then
    full_at=$mib
    break
  fi
done
[[ -n $full_at ]] || fail "a disk of 96 MiB took 256 MiB"
grep -q 'No space left' "$CLUSTER/out" || fail "the client was not told why: $(cat "$CLUSTER/out")"
note "full at $full_at MiB"

note "what was acknowledged is there, overwriting and reading go on"
fio_nbd "$at" --rw=write --bs=1M --size=32M --verify=crc32c --verify_only
qemu-io -f raw -c "read -P 5 32M $((full_at - 32))M" -c 'write -P 6 33M 1M' -c 'read -P 6 33M 1M' \
  "$at" >"$CLUSTER/out" 2>&1 || fail "I/O on a full disk: $(cat "$CLUSTER/out")"
if grep -qiE 'fail|error' "$CLUSTER/out"; then fail "$(cat "$CLUSTER/out")"; fi

note "its volume goes elsewhere, and comes back to nothing that was lost"
expect_exit 0 fs flip disk --to host-b
fio_nbd "$(uri host-b disk)" --rw=write --bs=1M --size=32M --verify=crc32c --verify_only
expect_exit 0 fs flip disk --to host-a

note "what is freed can be written again"
qemu-io -f raw -c 'discard 40M 16M' -c "write -P 7 40M 8M" -c 'read -P 7 40M 8M' -c flush "$at" \
  >"$CLUSTER/out" 2>&1 || fail "after freeing: $(cat "$CLUSTER/out")"
if grep -qiE 'fail|error' "$CLUSTER/out"; then fail "$(cat "$CLUSTER/out")"; fi
fio_nbd "$at" --rw=write --bs=1M --size=32M --verify=crc32c --verify_only
note "done"
