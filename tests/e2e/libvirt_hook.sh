#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libvirt's hook, run with libvirt's own arguments: a VM that arrives may connect at once, and
# whatever is wrong, the hook ends with 0, soon, and prints nothing that libvirt would take for XML.
source "$(dirname "$0")/lib.sh"
requires nbdinfo
cluster_begin
cluster_start 2

hook=$source_dir/cluster-config/libvirt/qemu
export FORESHIFT_HOOK_CONFIG=$CLUSTER/hook.conf
cat >"$FORESHIFT_HOOK_CONFIG" <<CONF
FORESHIFT_CLI=$FORESHIFT_BIN/foreshift
FORESHIFT_AGENT=127.0.0.1:$(cat "$CLUSTER/host-b/agent.port")
FORESHIFT_SOCKET=$CLUSTER/host-b/nbd.sock
CONF

disk() { # NAME SOCKET: as libvirt formats it
  printf "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
  printf "<source protocol='nbd' name='%s'><host transport='unix' socket='%s'/></source>" "$1" "$2"
  printf "<target dev='vda' bus='virtio'/></disk>"
}
domain() { printf "<domain type='kvm'><name>web1</name><devices>%s</devices></domain>" "$*"; }
run_hook() { # XML OPERATION SUB: prints what libvirt would see
  printf '%s' "$1" | timeout 10 "$hook" web1 "$2" "$3" - 2>"$CLUSTER/hook.err" ||
    fail "the hook ended with $? for $2 $3"
}
announced() { field '[.intents[]? | "\(.volume) \(.to)"] | sort | join(",")' announce --list; }

fs volume create vm1 16MiB --home host-a || fail "create"
fs volume create vm2 16MiB --home host-a || fail "create"
fs volume attach vm1 host-a || fail "attach"
fs volume attach vm2 host-a || fail "attach"
mine=$CLUSTER/host-b/nbd.sock
whole=$(domain "$(disk vm1 "$mine")$(disk other /run/else.sock)$(disk vm2 "$mine")")

note "a VM arrives"
if nbdinfo "$(uri host-b vm1)" >/dev/null 2>&1; then fail "host-b serves vm1 already"; fi
[[ -z $(run_hook "$whole" migrate begin) ]] || fail "libvirt would take that for XML"
nbdinfo "$(uri host-b vm1)" >/dev/null || { cat "$CLUSTER/hook.err"; fail "vm1 cannot connect"; }
nbdinfo "$(uri host-b vm2)" >/dev/null || fail "vm2 cannot connect"
[[ $(announced) == "vm1 host-b,vm2 host-b" ]] || fail "announced: $(announced)"
fs events --limit 1000 | grep -q "is expected at host host-b with VM web1" || fail "no event"

note "everything else libvirt tells it"
for step in "prepare begin" "start begin" "started begin" "stopped end" "release end" \
  "reconnect begin" "attach begin" "restore begin"; do
  read -r operation part <<<"$step"
  [[ -z $(run_hook "$whole" "$operation" "$part") ]] || fail "$step prints something"
done
[[ $(announced) == "vm1 host-b,vm2 host-b" ]] || fail "announced: $(announced)"

note "nothing of it is ours, or it is rubbish"
fs announce vm1 --to host-b --withdraw >/dev/null
fs announce vm2 --to host-b --withdraw >/dev/null
for text in "$(domain "$(disk vm1 /run/else.sock)")" "<domain" "" \
  "$(domain "$(disk --help "$mine")")" \
  "$(domain "$(disk nosuch "$mine")")"; do
  [[ -z $(run_hook "$text" migrate begin) ]] || fail "it prints something"
done
[[ -z $(announced) ]] || fail "announced: $(announced)"

note "no agent, no command, a hanging command"
agent_stop host-b
[[ -z $(run_hook "$whole" migrate begin) ]] || fail "it prints something"
FORESHIFT_CLI=/nowhere/foreshift run_hook "$whole" migrate begin
printf '#!/bin/sh\nexec sleep 60\n' >"$CLUSTER/hangs"
chmod +x "$CLUSTER/hangs"
began=$SECONDS
FORESHIFT_CLI=$CLUSTER/hangs run_hook "$whole" migrate begin
((SECONDS - began < 9)) || fail "libvirt would have waited $((SECONDS - began)) s"
grep -qE '^import libvirt|virsh' "$hook" && fail "a hook must not call libvirt"
note "done"
