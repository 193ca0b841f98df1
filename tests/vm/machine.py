# SPDX-License-Identifier: Apache-2.0
"""A virtual machine through its lives in several QEMU processes, and what its guest told of each
I/O. An I/O error pauses it (rerror, werror), as is usual for disks that may move."""

import array
import json
import os
import struct
import subprocess
import time

from lab import Failed, expect, wait_until
from qmp import Qmp, QmpError

RECORD = struct.Struct("<QQIIIIQBBBBI")  # struct collected_record of guest/record.h
READ, WRITE, FLUSH, VERIFIED, STARTED = range(5)
LIVES_MAX = 60


class Record:
    __slots__ = ("arrived", "life", "disk", "sequence", "latency", "block", "generation", "op",
                 "wrong", "failed", "stream", "lost")

    def __init__(self, fields, disks):
        (arrived, source, self.sequence, latency, self.block, self.generation, _, self.op,
         self.wrong, self.failed, self.stream, self.lost) = fields
        self.arrived = arrived / 1e9  # seconds since the epoch, when the host heard of it
        self.latency = latency / 1e9
        self.life, self.disk = divmod(source, disks)


class Life:
    """One QEMU process."""

    def __init__(self, machine, number, place, incoming):
        self.machine, self.number, self.place = machine, number, place
        self.name = f"{machine.name}.{number}"
        lab = machine.lab
        self.process = lab.spawn(self.name, place, machine.command(self, incoming))
        try:
            self.qmp = Qmp(self.path("qmp"))
        except QmpError as why:
            with open(lab.path(f"{self.name}.log"), encoding="utf-8", errors="replace") as f:
                raise Failed(f"{self.name}: {why}: {f.read()[-600:]}") from None

    def path(self, what):
        return self.machine.lab.path(f"{self.name}.{what}")

    def console(self):
        with open(self.path("console"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self.process.poll() is None

    def running(self):
        """Whether its guest executes."""
        try:
            return self.alive() and self.qmp.status() == "running"
        except QmpError:
            return False

    def kill(self):
        if self.alive():
            self.machine.lab.kill(self.name)

    def quit(self):
        if self.alive():
            try:
                self.qmp.command("quit")
            except QmpError:
                pass
            self.process.wait(20)


class Machine:
    """`disks`: for each, a function of the place that gives its block node of QEMU; volume names
    stand for volumes of the lab."""

    def __init__(self, lab, name, disks, memory_mib=160, **parameters):
        self.lab, self.name, self.memory_mib = lab, name, memory_mib
        self.disks = [self.volume_node(x) if isinstance(x, str) else x for x in disks]
        self.parameters = dict({"IO_DISKS": len(disks), "IO_FILLED": 1, "IO_FLUSH_EVERY": 64},
                               **parameters)
        self.lives = []
        self.begun = 0
        self.file = lab.path(f"{name}.io")
        sockets = [lab.path(f"{name}.{life}.io{disk}")
                   for life in range(LIVES_MAX) for disk in range(len(disks))]
        self.collector = lab.spawn(f"{name}.collector", "s",
                                   ["chrt", "-f", "50", f"{lab.guest}/collect", self.file,
                                    *sockets], stdin=subprocess.PIPE)

    def volume_node(self, volume):
        return lambda place: {"driver": "nbd", "export": volume,
                              "server": {"type": "unix", "path": self.lab.socket(place)}}

    def command(self, life, incoming):
        """At real-time priority: QEMU 7.2's TCG loses track of a written page when its processor is
        preempted between noting a page as dirty and letting further writes to it pass unnoted, and
        the migration takes the note meanwhile. On a busy machine every fifth guest then died of a
        stale page after its migration, on any storage."""
        words = [f"{key}={value}" for key, value in self.parameters.items()]
        command = [
            "chrt", "-f", "1", "qemu-system-x86_64", "-name", life.name, "-accel", "tcg",
            "-machine", "pc", "-cpu", "Nehalem", "-m", str(self.memory_mib), "-smp", "1",
            "-nodefaults", "-no-user-config", "-display", "none", "-kernel",
            f"{self.lab.guest}/vmlinuz", "-initrd", f"{self.lab.guest}/initramfs", "-append",
            " ".join(["console=ttyS0 quiet mitigations=off no_timer_check", *words]),
            "-serial", f"file:{life.path('console')}",
            "-qmp", f"unix:{life.path('qmp')},server=on,wait=off",
            "-qmp", f"unix:{life.path('tool')},server=on,wait=off",  # for who drives it
            "-device", "virtio-serial-pci"]
        for i, node in enumerate(self.disks):
            disk = {"driver": "raw", "node-name": f"disk{i}", "cache": {"direct": True},
                    "file": dict(node(life.place), **{"node-name": f"file{i}"})}
            command += ["-blockdev", json.dumps(disk),
                        "-device", f"virtio-blk-pci,drive=disk{i},id=vd{i},"
                                   "rerror=stop,werror=stop",
                        "-chardev",
                        f"socket,id=io{i},path={life.path(f'io{i}')},server=on,wait=off",
                        "-device", f"virtserialport,chardev=io{i},nr={i + 1}"]
        return command + (["-incoming", "defer"] if incoming else [])

    # -- its life ----------------------------------------------------------------------------------

    @property
    def life(self):
        return self.lives[-1]

    def begin(self, place, incoming=False):
        expect(self.begun < LIVES_MAX, "the collector has sockets for every life")
        self.begun += 1
        life = Life(self, self.begun - 1, place, incoming)
        self.lives.append(life)
        return life

    def boot(self, place):
        life = self.begin(place)
        try:
            wait_until(120, f"{self.name} does I/O", lambda: self.did_io(life))
        except Failed as why:
            raise Failed(f"{why}; its console: {life.console()[-2000:]}") from None
        return life

    def running(self):
        """The lives whose guest executes: never more than one."""
        return [x for x in self.lives if x.running()]

    def stop(self):
        for life in self.lives:
            life.kill()

    def end(self):
        self.stop()
        self.collector.stdin.close()
        self.collector.wait(10)

    # -- what the guest told -----------------------------------------------------------------------

    def records(self):
        try:
            with open(self.file, "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return []
        whole = len(data) // RECORD.size * RECORD.size
        return [Record(x, len(self.disks)) for x in RECORD.iter_unpack(data[:whole])]

    def tail(self, since):
        """Records that came after a file position, and the position after them."""
        if not os.path.exists(self.file):
            return [], since
        with open(self.file, "rb") as f:
            f.seek(since)
            data = f.read()
        whole = len(data) // RECORD.size * RECORD.size
        return ([Record(x, len(self.disks)) for x in RECORD.iter_unpack(data[:whole])],
                since + whole)

    def did_io(self, life, count=20):
        found, _ = self.tail(0)
        done = {i: 0 for i in range(len(self.disks))}
        for r in found:
            if r.life == life.number and r.op in (READ, WRITE):
                done[r.disk] += 1
        return all(n >= count for n in done.values())

    def goes_on(self, seconds=120):
        """The guest does I/O from now on."""
        life = self.running()
        expect(len(life) == 1, f"one running guest of {self.name}, not {len(life)}")
        _, at = self.tail(0)
        disks = range(len(self.disks))

        def fresh():
            found, _ = self.tail(at)
            done = [r.disk for r in found if r.op in (READ, WRITE)]
            return all(done.count(i) > 50 for i in disks)

        wait_until(seconds, f"{self.name} goes on", fresh)

    def verify(self, seconds=60):
        """The guest reads its whole disks and finds what it wrote; nothing was wrong before."""
        life = self.life
        _, at = self.tail(0)
        for disk in range(len(self.disks)):
            source = life.number * len(self.disks) + disk
            self.collector.stdin.write(f"{source} v\n".encode())
            self.collector.stdin.flush()
            time.sleep(0.05)

        def swept():
            found, _ = self.tail(at)
            return len({r.disk for r in found if r.op == VERIFIED}) == len(self.disks)

        wait_until(seconds, f"{self.name} has read all of its disks", swept)
        self.expect_clean()

    def expect_clean(self):
        bad = [r for r in self.records() if r.wrong or r.failed]
        expect(not bad, f"{self.name}: {len(bad)} I/Os wrong or failed, the first "
                        + str(bad and {x: getattr(bad[0], x) for x in Record.__slots__}))

    def generations(self, disk, blocks):
        """The least generation each block must have: what the host heard that was written."""
        least = array.array("I", [1 if self.parameters["IO_FILLED"] else 0]) * blocks
        for r in self.records():
            if r.disk == disk and r.op == WRITE and not r.failed and r.generation > least[r.block]:
                least[r.block] = r.generation
        return least

    def check_outside(self, disk, volume, place, mib):
        return self.lab.check(self.lab.uri(place, volume), self.generations(disk, mib * 256))


