#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# QEMU migrates a machine by itself, and nobody asks for a flip: what QEMU reads when it opens the
# disk, what is read after it runs at the destination, and the first write there, which takes the
# lease. The machine has a disk and no system on it; I/O comes through QEMU's own drive.
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64
cluster_begin
cluster_start 2

cat >"$CLUSTER/qmp.py" <<'PY'
import json, socket, sys, time
path, command = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(path)
f = s.makefile("rw")
f.readline()
def ask(what, **arguments):
    f.write(json.dumps({"execute": what, "arguments": arguments}) + "\n")
    f.flush()
    while True:
        answer = json.loads(f.readline())
        if "error" in answer:
            sys.exit(answer["error"]["desc"])
        if "return" in answer:
            return answer["return"]
ask("qmp_capabilities")
if command == "io":
    said = ask("human-monitor-command", **{"command-line": f'qemu-io d0 "{sys.argv[3]}"'})
    print(said)
    sys.exit("failed" in said.lower() or "error" in said.lower())
elif command == "migrate":
    ask("migrate", uri=sys.argv[3])
    while True:
        status = ask("query-migrate").get("status")
        if status == "completed":
            break
        if status in ("failed", "cancelled"):
            sys.exit(f"the migration {status}")
        time.sleep(0.05)
else:
    print(ask("query-status")["status"])
PY
qmp() { python3 "$CLUSTER/qmp.py" "$CLUSTER/$1.qmp" "${@:2}"; }
machine() { # HOST ARGUMENTS...
  spawn "$CLUSTER/qemu-$1.pid" "$CLUSTER/qemu-$1.log" \
    qemu-system-x86_64 -accel tcg -machine pc -m 32 \
    -nodefaults -display none -drive \
    "driver=nbd,server.type=unix,server.path=$CLUSTER/$1/nbd.sock,export=disk,if=none,id=d0" \
    -device virtio-blk-pci,drive=d0 -qmp "unix:$CLUSTER/$1.qmp,server=on,wait=off" "${@:2}"
  wait_until 20 test -S "$CLUSTER/$1.qmp"
}
status() { [[ $(qmp "$1" status) == "$2" ]]; }

fs volume create disk 32MiB --home host-a --implicit-flip || fail "create"
fs volume attach disk host-a || fail "attach"
machine host-a
wait_until 20 status host-a running
qmp host-a io 'write -P 1 0 1M' || fail "write at host-a"

fs announce disk --to host-b --no-copy >/dev/null || fail "announce"
connects() { nbdinfo "$(uri host-b disk)"; }
wait_until 10 connects
machine host-b -incoming "unix:$CLUSTER/migration.sock"
wait_until 20 test -S "$CLUSTER/migration.sock"
status host-b inmigrate || fail "QEMU at host-b: $(qmp host-b status)"
expect_owner disk host-a
qmp host-a io 'write -P 2 512k 512k' || fail "write at host-a while QEMU waits at host-b"

note "QEMU migrates"
qmp host-a migrate "unix:$CLUSTER/migration.sock" || fail "migrate"
wait_until 20 status host-b running
expect_owner disk host-a
qmp host-b io 'read -P 1 0 512k' || fail "the first read at host-b"
qmp host-b io 'read -P 2 512k 512k' || fail "the latest write is not seen at host-b"
expect_owner disk host-a

note "the first write"
qmp host-b io 'write -P 3 0 64k' || fail "the first write at host-b"
expect_owner disk host-b
qmp host-b io 'read -P 3 0 64k' || fail "read back"
qmp host-b io 'read -P 2 512k 512k' || fail "read back"
fs task show "$(field '[.tasks[] | select(.kind == "flip" and .implicit)][-1].id' task list --all)"
note "done"
