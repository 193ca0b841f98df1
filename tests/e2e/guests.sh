#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What VMs' hypervisors tell: QEMU's own count of its drive through a monitor that is the agent's,
# and libvirt's (its test driver stands for a hypervisor). Both appear with the VCI of the volume.
source "$(dirname "$0")/lib.sh"
requires qemu-system-x86_64
cluster_begin
mkdir -p "$CLUSTER/monitors"
cat >"$CLUSTER/node.xml" <<XML
<node><domain type='test'><name>guest</name><memory>131072</memory><vcpu>1</vcpu>
<os><type>hvm</type></os><devices><disk type='network' device='disk'>
<source protocol='nbd' name='vm1'><host transport='unix' socket='/run/foreshift/nbd.sock'/></source>
<target dev='vda' bus='virtio'/></disk></devices></domain></node>
XML
AGENT_EXTRA="[guests]
qmp = \"$CLUSTER/monitors\"
libvirt = \"test://$CLUSTER/node.xml\""
cluster_start 1

fs volume create vm1 16MiB || fail "create"
fs volume attach vm1 host-a || fail "attach"
disk="driver=nbd,server.type=unix,server.path=$CLUSTER/host-a/nbd.sock,export=vm1"
spawn "$CLUSTER/qemu.pid" "$CLUSTER/qemu.log" qemu-system-x86_64 -machine none -nodefaults \
  -display none \
  -drive "$disk,if=none,id=d0" \
  -qmp "unix:$CLUSTER/monitors/vm1.sock,server=on,wait=off" \
  -qmp "unix:$CLUSTER/ours.sock,server=on,wait=off"
wait_until 20 test -S "$CLUSTER/ours.sock"

python3 - "$CLUSTER/ours.sock" <<'PY' &
import json, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
f = s.makefile("rw")
f.readline()
def ask(command, **arguments):
    f.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    f.flush()
    while True:
        answer = json.loads(f.readline())
        if "return" in answer or "error" in answer:
            return answer
ask("qmp_capabilities")
while True: # as a guest would; QEMU counts none but these of its own
    ask("human-monitor-command", **{"command-line": 'qemu-io d0 "aio_write 0 64k"'})
    ask("human-monitor-command", **{"command-line": 'qemu-io d0 "aio_read 0 64k"'})
    time.sleep(0.02)
PY
echo $! >"$CLUSTER/io.pid"

vci() { field "[.vcis[]? | select(.command | startswith(\"qemu\"))][0] | $1" host show host-a; }
told() { [[ $(vci '(.sources // []) | sort | join(",")') == libvirt,qmp ]]; }
counted() {
  local all='(.guestWrites // 0) > 5 and (.guestReads // 0) > 5 and (.guestWriteUs // 0) > 0'
  [[ $(vci "$all") == true ]]
}
wait_until 20 told
wait_until 20 counted
[[ $(vci '"\(.domain) \(.domainState)"') == "guest running" ]] || fail "$(vci .)"
bytes=$(vci '(.guestWriteBytes | tonumber)')
((bytes > 65536)) || fail "QEMU wrote $bytes bytes a second"
fs host show host-a

note "a monitor that goes away takes nothing with it"
stop_pid "$(cat "$CLUSTER/io.pid")"
stop_pid "$(cat "$CLUSTER/qemu.pid")" KILL
without() { [[ $(field '[.vcis[]?] | length' host show host-a) == 0 ]]; }
wait_until 20 without
host_up host-a || fail "the agent is gone"
note "done"
