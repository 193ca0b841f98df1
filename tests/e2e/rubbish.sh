#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random bytes, a length of 4 GiB and silence on every listening port, and clients that break off
# with requests in flight: nobody falls, nobody allocates what was announced, everybody else is
# served on.
source "$(dirname "$0")/lib.sh"
requires fio qemu-io
cluster_begin
read -r http_port < <(free_ports 1)
COORDINATOR_EXTRA=$'[http]\nlisten = "127.0.0.1:'$http_port'"' cluster_start 2

fs volume create disk 64MiB --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
fio_start vm "$(uri host-a disk)" --rw=randrw --bs=4k --size=32M --verify=crc32c \
  --verify_backlog=256 --verify_fatal=1 --time_based --runtime=600 --rate_iops=1000

pids() { cat "$CLUSTER/coordinator.pid" "$CLUSTER"/host-*/agent.pid && plane_pids; }
most_rss() { # KiB
  local pid most=0 rss
  for pid in $(pids); do
    rss=$(awk '/VmHWM/ {print $2}' "/proc/$pid/status")
    ((rss > most)) && most=$rss
  done
  echo "$most"
}
before=$(pids | sort)
rss_before=$(most_rss)

targets=("$(cat "$CLUSTER/coordinator.address")" "127.0.0.1:$http_port")
for host in host-a host-b; do
  for port in agent nbd door; do targets+=("127.0.0.1:$(cat "$CLUSTER/$host/$port.port")"); done
  targets+=("$CLUSTER/$host/nbd.sock" "$CLUSTER/$host/data/run/plane.sock")
done

python3 - "${targets[@]}" <<'PY' || fail "a port did not listen"
import os, random, socket, struct, sys, time
random.seed(7)
def dial(target):
    if target.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(target)
    else:
        host, port = target.rsplit(":", 1)
        s = socket.create_connection((host, int(port)), 5)
    s.settimeout(2)
    return s
def throw(target, data):
    s = dial(target)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    except OSError:
        pass
    s.close()
huge = [
    struct.pack("<II", 0, 0x1fffffff),                   # one segment of 4 GiB
    struct.pack("<II", 0xffffffff, 0xffffffff),          # 4 billion segments
    struct.pack("<IIII", 2, 0x1fffffff, 0x1fffffff, 1),  # three segments
    struct.pack("<II", 0, 1 << 20) + bytes(64),          # announced, never sent
    struct.pack(">IQII", 3, 0x49484156454F5054, 7, 0xffffffff),       # NBD: option of 4 GiB
    struct.pack(">IQII", 3, 0x49484156454F5054, 0x12345678, 0x7fffffff),
    b"POST /v1/VolumeCreate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 4294967296\r\n\r\n{",
]
silent = []
for target in sys.argv[1:]:
    for data in huge:
        throw(target, data)
        throw(target, data + random.randbytes(100000))
    for size in (1, 7, 8, 64, 4096, 300000):
        for _ in range(5):
            throw(target, random.randbytes(size))
    silent += [dial(target) for _ in range(10)]
time.sleep(1)
PY

python3 - "$CLUSTER/host-a/nbd.sock" disk <<'PY' || fail "the data plane does not serve"
import random, socket, struct, sys
random.seed(8)
path, export = sys.argv[1], sys.argv[2].encode()
def get(s, size):
    out = b""
    while len(out) < size:
        out += s.recv(size - len(out)) or sys.exit("closed")
    return out
for i in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    get(s, 18)
    s.sendall(struct.pack(">I", 3))
    ask = struct.pack(">I", len(export)) + export + struct.pack(">H", 0)
    s.sendall(struct.pack(">QII", 0x49484156454F5054, 7, len(ask)) + ask)
    kind = 0
    while kind != 1:
        _, _, kind, size = struct.unpack(">QIII", get(s, 20))
        get(s, size)
    for _ in range(64):
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, i, random.randrange(4096) * 4096, 4096))
    if i % 4 == 1:
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 2, i, 0, 0))  # goodbye
    if i % 4 == 2:
        s.sendall(random.randbytes(28))
    if i % 4 == 3:
        s.shutdown(socket.SHUT_WR)
    s.close()
PY
sleep 1

[[ $(pids | sort) == "$before" ]] || fail "a process was replaced"
for pid in $(pids); do kill -0 "$pid" || fail "process $pid fell"; done
rss=$(most_rss)
note "largest resident set: $rss_before KiB before, $rss KiB after"
((rss < rss_before + 262144)) || fail "a process believed an announced length"
expect_exit 0 fs status
hosts_up 2 || fail "a host is down"
fio_finish vm
expect_exit 0 fs flip disk --to host-b
note "done"
