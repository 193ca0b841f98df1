#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cluster with certificates: doors and the peers' NBD are encrypted and both sides verified;
# whoever has no certificate of the cell gets nowhere.
source "$(dirname "$0")/lib.sh"
requires fio openssl nbdinfo
cluster_begin
bash "$source_dir/cluster-config/make-certificates.sh" "$CLUSTER/tls" coordinator=127.0.0.1 \
  host-a=127.0.0.1 host-b=127.0.0.1 >/dev/null || fail "certificates"
bash "$source_dir/cluster-config/make-certificates.sh" "$CLUSTER/other" coordinator=127.0.0.1 \
  >/dev/null || fail "certificates of another cell"

tls_of() { # NAME
  printf '[tls]\ncertificate = "%s.pem"\nkey = "%s.key"\nca = "%s"\n' "$CLUSTER/tls/$1" \
    "$CLUSTER/tls/$1" "$CLUSTER/tls/ca.pem"
}
use_certificate() { # DIRECTORY
  export FORESHIFT_TLS_CERT=$CLUSTER/$1/tool.pem FORESHIFT_TLS_KEY=$CLUSTER/$1/tool.key
  export FORESHIFT_TLS_CA=$CLUSTER/$1/ca.pem
}
read -ra ports < <(free_ports 7)
COORDINATOR_EXTRA=$(tls_of coordinator) coordinator_config "${ports[0]}"
coordinator_start
AGENT_EXTRA=$(tls_of host-a) agent_config host-a "${ports[@]:1:3}"
AGENT_EXTRA=$(tls_of host-b) agent_config host-b "${ports[@]:4:3}"
agent_start host-a
agent_start host-b
use_certificate tls
wait_until 30 hosts_up 2

note "volumes replicate, migrate and flip over TLS"
fs volume create disk 64MiB --replicas 2 || fail "create"
fs volume attach disk host-a || fail "attach"
fio_nbd "$(uri host-a disk)" --rw=randwrite --bs=64k --size=32M --verify=crc32c --end_fsync=1
expect_exit 0 fs migrate disk --to host-b --gate 50% --timeout 30s
fio_nbd "$(uri host-b disk)" --rw=randwrite --bs=64k --size=32M --verify=crc32c --verify_only

note "without a certificate of this cell nobody gets anywhere"
use_certificate other
expect_exit 6 fs status
unset FORESHIFT_TLS_CERT FORESHIFT_TLS_KEY FORESHIFT_TLS_CA
expect_exit 6 fs status
if nbdinfo "nbd://127.0.0.1:$(cat "$CLUSTER/host-a/nbd.port")/copy:1" >"$CLUSTER/out" 2>&1; then
  fail "a peer without TLS was served"
fi
use_certificate tls
expect_exit 0 fs status
expect_owner disk host-b

note "what a certificate's role may not ask is refused"
FORESHIFT_TLS_CERT=$CLUSTER/tls/host-a.pem FORESHIFT_TLS_KEY=$CLUSTER/tls/host-a.key \
  expect_exit 7 fs volume delete disk
expect_owner disk host-b
note "done"
