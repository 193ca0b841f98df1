#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unmodified NBD clients: nbdinfo, nbdcopy, fio, qemu-img, qemu-io.
source "$(dirname "$0")/lib.sh"
requires nbdinfo nbdcopy fio qemu-img qemu-io
cluster_begin
cluster_start 2

fs volume create disk 256MiB --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
at=$(uri host-a disk)

note "nbdinfo"
nbdinfo --json "$at" >"$CLUSTER/info.json" || fail "nbdinfo"
[[ $(jq '.exports[0]["export-size"]' "$CLUSTER/info.json") == 268435456 ]] || fail "wrong size"
[[ $(jq '.exports[0]["can_trim"] and .exports[0]["can_zero"] and .exports[0]["can_flush"]' \
  "$CLUSTER/info.json") == true ]] || fail "trim, zero or flush is not offered"

note "a volume never written reads as zeroes"
nbdcopy "$at" - | head -c 1048576 | cmp -n 1048576 - /dev/zero || fail "not zeroes"

note "nbdcopy there and back"
head -c 96M /dev/urandom >"$CLUSTER/in"
truncate -s 256M "$CLUSTER/in"
nbdcopy --flush "$CLUSTER/in" "$at" || fail "nbdcopy in"
nbdcopy "$at" "$CLUSTER/back" || fail "nbdcopy out"
cmp "$CLUSTER/in" "$CLUSTER/back" || fail "nbdcopy brought other bytes back"

note "qemu-img"
qemu-img info "$at" | grep -q 'virtual size: 256 MiB' || fail "qemu-img info"
qemu-img convert -f raw -O qcow2 "$at" "$CLUSTER/disk.qcow2" || fail "qemu-img convert out"
qemu-img compare -f raw -F qcow2 "$at" "$CLUSTER/disk.qcow2" || fail "qemu-img compare"
qemu-img convert -n -f qcow2 -O raw "$CLUSTER/disk.qcow2" "$at" || fail "qemu-img convert in"

note "qemu-io"
qemu-io -f raw -c 'write -P 0x5a 4096 65536' -c 'write -z 8192 4096' -c 'discard 16384 4096' \
  -c flush "$at" >"$CLUSTER/out" || fail "qemu-io write"
qemu-io -f raw -c 'read -P 0x5a 4096 4096' -c 'read -P 0 8192 4096' -c 'read -P 0 16384 4096' \
  -c 'read -P 0x5a 20480 4096' -c 'read -P 0x5a 4608 512' "$at" >"$CLUSTER/out" ||
  fail "qemu-io read"
if grep -q 'verification failed' "$CLUSTER/out"; then fail "qemu-io read other bytes"; fi

note "fio, written and verified"
fio_nbd "$at" --rw=randwrite --bsrange=512-128k --blockalign=512 --size=128M --io_size=64M \
  --iodepth=16 --verify=crc32c --verify_fatal=1 --fsync=64
fio_nbd "$at" --rw=randtrim --bs=64k --size=64M --io_size=8M
note "done"
