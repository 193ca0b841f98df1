# SPDX-License-Identifier: Apache-2.0
"""The faults: each is injected at a host, lasts for a while, and is healed. `needs` says what the
machine must have; a fault without it is left out of the schedule, and that is said."""

import errno
import os
import shutil
import signal
import subprocess
import time

MIB = 1 << 20
BLOCK = 4096
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


def links_up(world, host):
    world.links.up(host)


@fault("link-down", heal=links_up)
def link_down(world, host):
    world.links.down(host)


@fault("link-stalled", heal=links_up)
def link_stalled(world, host):
    """Nothing arrives and nothing is refused."""
    world.links.stall(host)


@fault("link-slow", heal=links_up)
def link_slow(world, host):
    world.links.slow(host)


@fault("link-flapping", heal=links_up)
def link_flapping(world, host):
    for _ in range(4):
        world.links.stall(host)
        time.sleep(world.random.uniform(0.05, 0.4))
        world.links.up(host)
        time.sleep(world.random.uniform(0.05, 0.4))


def heal_disk_full(world, host):
    os.unlink(f"{world.root}/{host}/data/filler")


def fill(world, host, leaving):
    """All but so many bytes of its disk; others write there meanwhile."""
    data = f"{world.root}/{host}/data"
    size = max(MIB, shutil.disk_usage(data).free - leaving)
    with open(f"{data}/filler", "wb") as f:
        for at in range(0, size, MIB):
            try:
                os.posix_fallocate(f.fileno(), at, min(MIB, size - at))
            except OSError as why:
                if why.errno != errno.ENOSPC:
                    raise
                return


@fault("disk-full", heal=heal_disk_full, needs="own-disk")
def disk_full(world, host):
    """Eats into the reserve: new copies must be refused, what is there must go on."""
    fill(world, host, 32 * MIB)


def heal_no_space(world, host):
    heal_disk_full(world, host)
    disk_replaced(world, host)


@fault("no-space", heal=heal_no_space, needs="own-disk")
def no_space(world, host):
    """Not a block is left: what cannot be kept must not be acknowledged."""
    fill(world, host, 0)


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
        done = subprocess.run(["fiu-ctrl", "-f", f"{world.root}/{host}/fiu", *arguments, str(pid)],
                              timeout=10, check=False, capture_output=True, text=True)
        if done.returncode != 0 and os.path.exists(f"/proc/{pid}"):
            raise AssertionError(f"fiu-ctrl at {host}: {done.stderr}")


WRITES = ("posix/io/rw/pwrite", "posix/io/rw/write")
SYNCS = ("posix/io/sync/fdatasync", "posix/io/sync/fsync")


def disk_replaced(world, host):
    """What an operator does about a disk that failed: a new process, then the doctor. Only what the
    data plane refused to trust is given up; the doctor says no where nobody else has it."""
    world.send(world.plane_pids(host), signal.SIGKILL)
    world.wait(f"the data plane of {host} runs again", lambda: world.plane_reports(host), 30)

    def repaired():
        world.run("doctor", "--repair", check=False)
        return all(world.whole(volume) for volume in world.at)
    world.wait(f"the doctor repaired {host}", repaired, 60)


@fault("write-errors", heal=disk_replaced, needs="fiu")
def write_errors(world, host):
    fiu(world, host, *(f"enable_random name={x},probability=0.02,failinfo=5" for x in WRITES))


@fault("sync-errors", heal=disk_replaced, needs="fiu")
def sync_errors(world, host):
    fiu(world, host, *(f"enable_random name={x},probability=0.2,failinfo=5" for x in SYNCS))


def offline(world, host):
    """Ends agent and data plane; says which files hold its extents."""
    kill_host(world, host)
    world.wait("the data plane ended", lambda: not world.plane_pids(host), 10)
    return world.segments(host)


def scrubbed(world, host):
    """Back, and a full pass has found and mended what the fault did."""
    world.lib_call("agent_start", host)
    world.wait(f"the data plane of {host} runs again",
               lambda: world.plane_pids(host) and world.plane_reports(host), 30)
    for volume in world.at:
        world.wait(f"{volume} is whole", lambda v=volume: world.whole(v), 60)
    before = world.full_pass_ms(host)
    world.wait(f"a full pass begins at {host}", lambda: world.quiet_run("scrub", "start", host,
                                                                        "--full"), 30)
    world.wait(f"a full pass ended at {host}", lambda: world.full_pass_ms(host) > before, 60)
    world.wait(f"{host} has no corrupt block", lambda: world.corrupt(host) == 0, 30)


def data_blocks(f):
    """Where the file has blocks that are not all zero."""
    found = []
    f.seek(0)
    while block := f.read(BLOCK):
        if block.count(0) != len(block):
            found.append(f.tell() - len(block))
    return found


@fault("bit-flip", heal=scrubbed)
def bit_flip(world, host):
    flipped = 0
    for path in offline(world, host)[:2]:
        with open(path, "r+b") as f:
            blocks = data_blocks(f)
            for block in world.random.sample(blocks, min(10, len(blocks))):
                at = block + world.random.randrange(BLOCK)
                f.seek(at)
                byte = f.read(1)
                f.seek(at)
                f.write(bytes([byte[0] ^ (1 << world.random.randrange(8))]))
                flipped += 1
    world.note(f"{flipped} bits flipped")


@fault("truncate", heal=scrubbed)
def truncate(world, host):
    for path in offline(world, host)[:1]:
        os.truncate(path, os.path.getsize(path) // 2)


@fault("lose-host", heal=lambda world, host: world.lib_call("agent_start", host), longest=15.0)
def lose_host(world, host):
    """Until the others go on without it: it must leave the map, and come back."""
    kill_host(world, host)


@fault("stop-plane-long", heal=go_on(lambda world, host: world.plane_pids(host)), longest=15.0)
def stop_plane_long(world, host):
    world.send(world.plane_pids(host), signal.SIGSTOP)
