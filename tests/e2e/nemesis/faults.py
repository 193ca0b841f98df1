# SPDX-License-Identifier: Apache-2.0
"""The faults: each is injected at a host, lasts for a while, and is healed. `needs` says what must
be allowed; a fault that is not allowed is left out of the schedule, and that is said."""

import os
import shutil
import signal
import subprocess

MIB = 1 << 20
FAULTS = {}


class Fault:
    def __init__(self, inject, heal, longest, needs):
        self.inject, self.heal, self.longest, self.needs = inject, heal, longest, needs


def fault(name, heal=lambda world, host: None, longest=4.0, needs=None):
    def register(inject):
        FAULTS[name] = Fault(inject, heal, longest, needs)
        return inject
    return register


def go_on(pids):
    return lambda world, host: world.send(pids(world, host), signal.SIGCONT)


@fault("kill-plane", longest=1.0)
def kill_plane(world, host):
    world.send(world.plane_pids(host), signal.SIGKILL)


@fault("kill-agent", heal=lambda world, host: world.lib_call("agent_start", host))
def kill_agent(world, host):
    world.lib_call("agent_kill", host)


@fault("kill-host", heal=lambda world, host: world.lib_call("agent_start", host))
def kill_host(world, host):
    """Agent and data plane at once: nobody restarts it until the fault is healed."""
    world.lib_call("agent_kill", host)
    world.send(world.plane_pids(host), signal.SIGKILL)


@fault("kill-coordinator", heal=lambda world, _: world.lib_call("coordinator_start"))
def kill_coordinator(world, _):
    world.lib_call("coordinator_kill")


@fault("stop-plane", heal=go_on(lambda world, host: world.plane_pids(host)))
def stop_plane(world, host):
    world.send(world.plane_pids(host), signal.SIGSTOP)


@fault("stop-agent", heal=go_on(lambda world, host: [world.pid(f"{host}/agent")]))
def stop_agent(world, host):
    world.send([world.pid(f"{host}/agent")], signal.SIGSTOP)


@fault("stop-coordinator", heal=go_on(lambda world, _: [world.pid("coordinator")]))
def stop_coordinator(world, _):
    world.send([world.pid("coordinator")], signal.SIGSTOP)


@fault("link-down", heal=lambda world, host: world.link_up(host))
def link_down(world, host):
    world.link_down(host)


@fault("link-stalled", heal=lambda world, host: world.send([world.links[host].pid], signal.SIGCONT))
def link_stalled(world, host):
    """Nothing arrives and nothing is refused, as when a cable is pulled."""
    world.send([world.links[host].pid], signal.SIGSTOP)


@fault("link-slow", heal=lambda world, host: world.link_up(host))
def link_slow(world, host):
    world.link_up(host, delay_ms=15, bits=2e7)


def heal_disk_full(world, host):
    os.unlink(f"{world.root}/{host}/data/filler")


@fault("disk-full", heal=heal_disk_full, needs="own-disk")
def disk_full(world, host):
    """Eats into the reserve: new copies must be refused, what is there must go on."""
    data = f"{world.root}/{host}/data"
    free = shutil.disk_usage(data).free
    with open(f"{data}/filler", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, max(MIB, free - 32 * MIB))


def filters_off(world, _):
    for volume in world.at:
        path = f"{world.root}/{volume}.errors"
        if os.path.exists(path):
            os.unlink(path)


@fault("client-errors", heal=filters_off)
def client_errors(world, _):
    """nbdkit's error filter between a client and its data plane."""
    for volume in world.at:
        with open(f"{world.root}/{volume}.errors", "w"):
            pass


def fiu(world, host, *commands):
    for pid in world.plane_pids(host):
        arguments = [x for command in commands for x in ("-c", command)]
        subprocess.run(["fiu-ctrl", "-f", f"{world.root}/{host}/fiu", *arguments, str(pid)],
                       timeout=10, check=False)


def fiu_off(*names):
    return lambda world, host: fiu(world, host, *(f"disable name={name}" for name in names))


WRITES = ("posix/io/rw/pwrite", "posix/io/rw/write")
SYNCS = ("posix/io/sync/fdatasync", "posix/io/sync/fsync")


@fault("io-errors", heal=fiu_off(*WRITES), needs="fiu")
def io_errors(world, host):
    fiu(world, host, *(f"enable_random name={x},probability=0.02,failinfo=5" for x in WRITES))


@fault("sync-errors", heal=fiu_off(*SYNCS), needs="fiu")
def sync_errors(world, host):
    fiu(world, host, *(f"enable_random name={x},probability=0.2,failinfo=5" for x in SYNCS))


def offline(world, host):
    """Ends agent and data plane; says which files hold its extents."""
    kill_host(world, host)
    world.wait("the data plane ended", lambda: not world.plane_pids(host), 10)
    return world.segments(host)


@fault("bit-flip", heal=lambda world, host: world.lib_call("agent_start", host), needs="rot")
def bit_flip(world, host):
    for path in offline(world, host)[:2]:
        with open(path, "r+b") as f:
            f.seek(world.random.randrange(max(1, os.path.getsize(path))))
            byte = f.read(1) or b"\0"
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ (1 << world.random.randrange(8))]))


@fault("truncate", heal=lambda world, host: world.lib_call("agent_start", host), needs="rot")
def truncate(world, host):
    for path in offline(world, host)[:1]:
        os.truncate(path, os.path.getsize(path) // 2)


@fault("lose-host", heal=lambda world, host: world.lib_call("agent_start", host), longest=30.0,
       needs="removal")
def lose_host(world, host):
    """Longer than writes are held: the replica must leave the map, and come back."""
    kill_host(world, host)


@fault("stop-plane-long", heal=go_on(lambda world, host: world.plane_pids(host)), longest=30.0,
       needs="removal")
def stop_plane_long(world, host):
    world.send(world.plane_pids(host), signal.SIGSTOP)
