# SPDX-License-Identifier: Apache-2.0
"""QEMU's live migration, driven in two ways. As any tool would do it: the lease flips while the
guest is paused at pre-switchover, and comes back if the migration fails. And by
`foreshift migrate --qmp`."""

import signal
import subprocess
import threading
import time

from lab import ADDRESS, Failed, expect, wait_until
from qmp import QmpError

PORT_FIRST = 4444


class Aborted(Exception):
    """The migration did not happen; the guest is where it was."""


class Switchover:
    """One migration of a machine whose disks are volumes. `on_phase(name)` is called at
    `before-ram`, `ram`, `paused` (pre-switchover), `flipped`, `continued`; it may break things."""

    name = "tool"
    last_phase = "flipped"  # before QEMU goes on

    def __init__(self, lab, machine, volumes, to, on_phase=lambda phase: None):
        self.lab, self.machine, self.volumes, self.to = lab, machine, volumes, to
        self.on_phase = on_phase
        self.source, self.target = machine.life, None
        self.times = {}  # seconds since the epoch

    def run(self, downtime_ms=300, bandwidth=1 << 40):
        """Returns the times of its steps. `Aborted`: rolled back."""
        self.times["request"] = time.time()
        try:
            for volume in self.volumes:
                self.lab.announce(volume, self.to)
            self.target = self.machine.begin(self.to, incoming=True)
            self.migrate(downtime_ms, bandwidth)
        except (QmpError, Failed) as why:
            if not self.roll_back():
                raise Aborted(str(why)) from why
        return self.times

    def migrate(self, downtime_ms, bandwidth):
        for life in (self.source, self.target):
            life.qmp.command("migrate-set-capabilities", capabilities=[
                {"capability": x, "state": True} for x in ("events", "pause-before-switchover")])
        self.source.qmp.forget()
        self.source.qmp.command("migrate-set-parameters", downtime_limit=downtime_ms,
                                max_bandwidth=bandwidth)
        uri = f"tcp:{ADDRESS[self.to]}:{PORT_FIRST + self.target.number}"
        self.target.qmp.command("migrate-incoming", uri=uri)
        self.reach("before-ram", time.time())
        self.source.qmp.command("migrate", uri=uri)
        self.reach("ram", self.step("active"))
        self.reach("paused", self.step("pre-switchover"))
        for volume in self.volumes:
            self.lab.flip(volume, self.to)
        self.reach("flipped", time.time())
        self.target.qmp.status()  # Nobody gives the guest away to a process that has gone.
        self.source.qmp.command("migrate-continue", state="pre-switchover")
        self.reach("continued", time.time())
        self.times["completed"] = self.step("completed")
        self.times["resume"] = self.target.qmp.wait_event("RESUME", 20)[0]
        self.times["stop"] = [x for x in self.source.qmp.events if x[1] == "STOP"][-1][0]
        self.source.quit()

    def reach(self, phase, when):
        self.times[phase] = when
        self.on_phase(phase)

    def step(self, status):
        when, _, data = self.source.qmp.wait_migration(status, "failed", "cancelled", seconds=120)
        if data["status"] != status:
            raise QmpError(f"the migration {data['status']}")
        return when

    def roll_back(self):
        """The order matters: nobody runs at the target, then the lease, then the source's guest.
        True: it has arrived all the same."""
        if self.target:
            self.target.kill()
            self.machine.lives.remove(self.target)
        for volume in self.volumes:
            if self.lab.settled(volume) != self.source.place:
                self.lab.flip(volume, self.source.place)
        if not self.source.alive():
            return False
        qmp = self.source.qmp
        if qmp.migration() in ("setup", "active", "pre-switchover", "device"):
            qmp.command("migrate_cancel")
        wait_until(20, "the migration has ended",
                   lambda: qmp.migration() in ("cancelled", "failed", "completed", "none"))
        wait_until(20, "the source's QEMU has come to rest",
                   lambda: qmp.status() not in ("finish-migrate", "inmigrate"))
        if qmp.status() != "running":
            qmp.command("cont")
        expect(qmp.status() == "running", f"the source's guest runs again: {qmp.status()}")
        return False


class ForeshiftDriven(Switchover):
    """`foreshift migrate --qmp` does it; we watch QEMU's events, and nobody else rolls back. After
    a run that ended unclear or was killed, `--recover` must come to an end."""

    name = "foreshift"
    last_phase = "paused"
    process, said = None, ""

    def migrate(self, downtime_ms, bandwidth):
        self.source.qmp.forget()
        self.process = subprocess.Popen(
            self.command("--downtime", f"{downtime_ms}ms", "--bandwidth",
                         str(min(bandwidth, 10**10)), "--no-preposition"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.lab.environment)
        watch = threading.Thread(target=self.watch)
        watch.start()
        said = self.said = self.process.communicate(timeout=180)[1]
        watch.join()
        if self.process.returncode != 0:
            raise Failed(f"foreshift migrate: exit {self.process.returncode}: "
                         f"{said.strip()[-300:]}")
        self.times["resume"] = self.target.qmp.wait_event("RESUME", 5)[0]
        stops = [x[0] for x in self.source.qmp.events if x[1] == "STOP"]
        self.times["stop"] = stops[-1] if stops else None  # None: the source was killed
        self.source.quit()

    def command(self, *more):
        return self.lab.cli("migrate", *self.volumes, "--to", f"host-{self.to}", "--qmp",
                            self.source.path("tool"), "--qmp-dest", self.target.path("tool"), *more)

    def watch(self):
        """Tells of the phases as QEMU reaches them, until the process has ended."""
        phases = {"setup": "before-ram", "active": "ram", "pre-switchover": "paused",
                  "device": "continued"}
        try:
            while self.process.poll() is None:
                try:
                    when, _, data = self.source.qmp.wait_migration(*phases, seconds=0.2)
                except QmpError:
                    if not self.source.alive():
                        return
                    continue
                self.reach(phases.pop(data["status"], ""), when)
        except QmpError:
            pass  # The source was killed.

    def interrupt(self):
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def roll_back(self):
        if not self.process:
            return super().roll_back()
        if self.process.returncode not in (0, 1, 4, 5, 7) and self.source.alive():
            if self.recover():
                self.source.quit()
                return True
        if self.source.alive() and "QEMU is gone" not in self.said:
            wait_until(20, f"the source's guest runs again: {self.said}", self.source.running)
        expect(not self.target.running(), "the destination's guest does not run")
        self.target.kill()
        self.machine.lives.remove(self.target)
        return False

    def recover(self):
        """Whether it ended at the destination. Also of a flip that still waits for its word."""
        done = subprocess.run(self.command("--recover"), capture_output=True, text=True,
                              timeout=120, env=self.lab.environment)
        print(f"   --recover: exit {done.returncode}: {done.stderr.strip()[-200:]}")
        return done.returncode == 0
