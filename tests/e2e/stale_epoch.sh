#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# After a flip neither the old primary's clients nor a peer that still speaks its epoch get through.
source "$(dirname "$0")/lib.sh"
requires qemu-io
cluster_begin
cluster_start 2

fs volume create disk 64MiB --home host-a || fail "create"
fs volume attach disk host-a || fail "attach"
qemu-io -f raw -c 'write -P 1 0 1M' -c flush "$(uri host-a disk)" >/dev/null || fail "write"
id=$(field .spec.id volume show disk)
old=$(field .lease.heldEpoch volume show disk)
expect_exit 0 fs flip disk --to host-b
new=$(field .lease.heldEpoch volume show disk)
((new > old)) || fail "epoch $new after $old"
peer="nbd://127.0.0.1:$(cat "$CLUSTER/host-a/nbd.port")"

refused() { # WHAT URI
  if timeout 10 qemu-io -f raw -c 'write -P 9 0 4k' "$2" >"$CLUSTER/out" 2>&1 &&
    ! grep -qiE 'fail|error' "$CLUSTER/out"; then
    cat "$CLUSTER/out" >&2
    fail "$1 was accepted"
  fi
}
refused "a write of the old primary's client" "$(uri host-a disk)"
refused "a peer's write of epoch $old" "$peer/peer:$id:$old:host-a:0:1"
refused "a peer's write of epoch 0" "$peer/peer:$id:0:host-a:0:1"
refused "a peer's write of an epoch never given out" "$peer/peer:$id:$((new + 5)):host-a:0:1"
refused "a guest's export on the peers' port" "$peer/disk"
refused "a write to a copy export" "$peer/copy:$id"
long=$(head -c 2000 /dev/zero | tr '\0' x)
for name in peer: peer:x:y:z:w "peer:$id:$new" "peer:$id:$new:host-b:0" \
  "peer:99999:$new:host-b:0:1" "$long"; do
  refused "the export '${name:0:40}'" "$peer/$name"
done
qemu-io -f raw -c 'read -P 1 0 1M' "$(uri host-b disk)" >"$CLUSTER/out" || fail "read at host-b"
if grep -q failed "$CLUSTER/out"; then fail "a stale write got through"; fi
note "done"
