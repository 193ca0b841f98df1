#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An extent file that was damaged on disk is found by its checksum when it is to be moved, named,
# and not copied on; the same for one that was cut short.
source "$(dirname "$0")/lib.sh"
requires fio qemu-io
cluster_begin
cluster_start 2

# damage VOLUME BYTE HOW: finds the file that holds the byte's run and flips or cuts it.
damage() {
  python3 - "$CLUSTER/host-a/data/plane" "$1" "$2" <<'PY'
import os, sys
root, byte, how = sys.argv[1], bytes([int(sys.argv[2])]), sys.argv[3]
run = byte * 65536
for folder, _, names in os.walk(root):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "r+b") as f:
            size = os.fstat(f.fileno()).st_size
            at = 0
            while at < size:
                f.seek(at)
                block = f.read(1 << 20)
                found = block.find(run)
                if found >= 0:
                    if how == "flip":
                        f.seek(at + found + 4096 + 17)
                        f.write(b"\xff")
                    else:
                        f.truncate(at + found + 8192)
                    print(path)
                    sys.exit(0)
                at += 1 << 20
sys.exit("no file holds the pattern")
PY
}

for how in flip cut; do
  note "$how"
  fs volume create "$how" 16MiB --home host-a || fail "create"
  fs volume attach "$how" host-a || fail "attach"
  at=$(uri host-a "$how")
  pattern=$([[ $how == flip ]] && echo 199 || echo 211)
  qemu-io -f raw -c 'write -P 3 0 16M' -c "write -P $pattern 3M 1M" -c flush "$at" >/dev/null ||
    fail "write"
  damage "$pattern" "$how" >"$CLUSTER/damaged" || fail "could not damage"
  fio_start "$how" "$at" --rw=randread --bs=4k --size=2M --time_based --runtime=600 \
    --rate_iops=300
  fio_start "$how-hot" "$at" --rw=randread --bs=4k --offset=3584k --size=256k --time_based \
    --runtime=600 --rate_iops=300 --continue_on_error=all
  wait_until 40 learned "$how" 3
  code=0
  fs migrate "$how" --to host-b --gate 100% --timeout 10s >"$CLUSTER/out" 2>"$CLUSTER/err" ||
    code=$?
  ((code != 0)) || fail "a corrupt extent passed a gate of 100 %"
  cat "$CLUSTER/err"
  { cat "$CLUSTER/err" && fs events --limit 1000; } >"$CLUSTER/said"
  grep -qiE 'extent 3 .*(corrupt|checksum|short)' "$CLUSTER/said" ||
    fail "extent 3 was not named as corrupt"
  expect_owner "$how" host-a
  stop_pid "$(cat "$CLUSTER/$how.fio.pid")" INT
  stop_pid "$(cat "$CLUSTER/$how-hot.fio.pid")" INT
  # The copy must not exist at the destination.
  python3 - "$CLUSTER/host-b/data/plane" "$pattern" <<'PY' || fail "it was copied on"
import os, sys
run = bytes([int(sys.argv[2])]) * 65536
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            if run in f.read():
                sys.exit(1)
PY
done
note "done"
