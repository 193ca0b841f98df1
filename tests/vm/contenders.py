# SPDX-License-Identifier: Apache-2.0
"""Three ways to migrate the same guest: our volume, shared storage, a full mirror of the disk."""

import json
import subprocess
import time

from lab import ADDRESS, expect, wait_until
from machine import Machine
from qmp import QmpError

DOWNTIME_MS = 20
NBD_PORT = 10900
SETTLE_S = 1.0


class Contender:
    """A machine that can be told to migrate. `lives` begins at place a."""

    def __init__(self, lab, name, mib, **parameters):
        self.lab, self.name, self.mib = lab, name, mib
        self.machine = Machine(lab, name, [self.node], memory_mib=192,
                               **dict({"IO_HOT_MIB": 64, "IO_FILLED": 1}, **parameters))

    def other(self):
        return "b" if self.machine.life.place == "a" else "a"

    def pause(self):
        self.machine.life.qmp.command("stop")

    def go_on(self):
        self.machine.life.qmp.command("cont")

    def prepare(self, to):
        """What may be done long before the migration is asked for."""

    def switch(self):
        """One migration; its times (seconds since the epoch), bytes and lives."""
        to, source = self.other(), self.machine.life
        self.prepare(to)
        target = self.machine.begin(to, incoming=True)
        time.sleep(SETTLE_S)
        wire = self.lab.wire_bytes()
        seen = {"from": source.number, "to": target.number, "request": time.time()}
        seen.update(self.drive(source, target) or {})
        target.qmp.command("query-status")
        if not any(event[1] == "RESUME" for event in target.qmp.events):
            target.qmp.wait_event("RESUME", 20)
        seen["wire_bytes"] = self.lab.wire_bytes() - wire
        seen["resume"] = next(x[0] for x in target.qmp.events if x[1] == "RESUME")
        seen.update(self.source_times(source, seen["request"]))
        source.quit()
        return seen

    def source_times(self, source, since):
        """From the events of the source's QEMU, by its own clock."""
        ram = source.qmp.command("query-migrate")["ram"]["transferred"]
        status = {data["status"]: when for when, name, data in source.qmp.events
                  if name == "MIGRATION" and when >= since - 1}
        stops = [x[0] for x in source.qmp.events if x[1] == "STOP"]
        return {"ram_bytes": ram, "stop": stops[-1], "ram": status["active"],
                "pre_switchover": status["pre-switchover"], "device": status["device"]}

    def begin_incoming(self, source, target):
        for life in (source, target):
            life.qmp.command("migrate-set-capabilities", capabilities=[
                {"capability": x, "state": True} for x in ("events", "pause-before-switchover")])
        source.qmp.forget()
        source.qmp.command("migrate-set-parameters", downtime_limit=DOWNTIME_MS,
                           max_bandwidth=1 << 40)
        uri = f"tcp:{ADDRESS[target.place]}:{4444 + target.number}"
        target.qmp.command("migrate-incoming", uri=uri)
        return uri

    def await_status(self, source, status):
        _, _, data = source.qmp.wait_migration(status, "failed", "cancelled", seconds=300)
        if data["status"] != status:
            raise QmpError(f"{self.name}: the migration {data['status']}")

    def end(self):
        self.machine.expect_clean()
        self.give_up()

    def give_up(self):
        """Its guest may have died: nothing is expected of it any more."""
        self.machine.end()
        self.release()

    def release(self):
        """What its disk was."""


class Ours(Contender):
    """A volume whose data is at the source; what the guest will need is announced beforehand."""

    def __init__(self, lab, name, mib, **parameters):
        self.volume = name
        lab.filled_volume(name, mib, "a", homes="a")
        super().__init__(lab, name, mib, **parameters)

    def node(self, place):
        return {"driver": "nbd", "export": self.volume,
                "server": {"type": "unix", "path": self.lab.socket(place)}}

    def coverage(self, to):
        return self.lab.ask("plan", self.volume, "--to", f"host-{to}").get("coverageBefore", 0)

    def prepare(self, to, share=0.93):
        self.lab.run("announce", self.volume, "--to", f"host-{to}")
        wait_until(120, f"{self.volume} is expected at host-{to}",
                   lambda: self.coverage(to) >= share, pause=0.5)

    def drive(self, source, target):
        done = subprocess.run(
            self.lab.cli("-o", "json", "migrate", self.volume, "--to", f"host-{target.place}",
                         "--qmp", source.path("tool"), "--qmp-dest", target.path("tool"),
                         "--ram-uri", f"tcp:{ADDRESS[target.place]}:{4444 + target.number}",
                         "--downtime", f"{DOWNTIME_MS}ms"),
            capture_output=True, text=True, env=self.lab.environment, timeout=180)
        expect(done.returncode == 0, f"foreshift migrate: {done.stderr.strip()}")
        return {"task": json.loads(done.stdout)}

    def release(self):
        self.lab.run("volume", "detach", self.volume)
        self.lab.run("volume", "delete", self.volume)


class Shared(Contender):
    """One nbdkit at a third place, reached by both hosts over their links."""

    def __init__(self, lab, name, mib, **parameters):
        lab.spawn(f"{name}.storage", "s", ["nbdkit", "-f", "-i", ADDRESS["s"], "-p", str(NBD_PORT),
                                           "memory", f"{mib}M"])
        uri = f"nbd://{ADDRESS['s']}:{NBD_PORT}"
        wait_until(10, "the storage serves", lambda: subprocess.run(
            ["nbdinfo", "--size", uri], capture_output=True).returncode == 0)
        lab.fill(uri, mib)
        super().__init__(lab, name, mib, **parameters)

    def node(self, _):
        return {"driver": "nbd", "export": "",
                "server": {"type": "inet", "host": ADDRESS["s"], "port": str(NBD_PORT)}}

    def drive(self, source, target):
        uri = self.begin_incoming(source, target)
        source.qmp.command("migrate", uri=uri)
        self.await_status(source, "pre-switchover")
        source.qmp.command("migrate-continue", state="pre-switchover")
        self.await_status(source, "completed")

    def release(self):
        self.lab.kill(f"{self.name}.storage")


class Mirror(Contender):
    """A local disk; everything is copied into one at the destination, by QEMU, then the RAM."""

    def __init__(self, lab, name, mib, **parameters):
        with open(lab.path(f"{name}.a.raw"), "wb") as f:
            subprocess.run([f"{lab.guest}/stamps", "fill", str(mib * 256)], stdout=f, check=True)
        super().__init__(lab, name, mib, **parameters)

    def node(self, place):
        path = self.lab.path(f"{self.name}.{place}.raw")
        with open(path, "ab") as f:
            f.truncate(self.mib << 20)
        return {"driver": "file", "filename": path, "locking": "off", "cache": {"direct": True}}

    def drive(self, source, target):
        port = str(NBD_PORT + 10 + target.number)
        uri = self.begin_incoming(source, target)
        server = {"host": ADDRESS[target.place], "port": port}
        target.qmp.command("nbd-server-start", addr={"type": "inet", "data": server})
        target.qmp.command("block-export-add", type="nbd", id="mirror", node_name="disk0",
                           writable=True, name="disk0")
        source.qmp.command("blockdev-add", driver="nbd", node_name="mirror", export="disk0",
                           server=dict(server, type="inet"))
        source.qmp.command("blockdev-mirror", job_id="mirror", device="disk0", target="mirror",
                           sync="full")
        source.qmp.wait_event("BLOCK_JOB_READY", 600)
        source.qmp.command("migrate", uri=uri)
        self.await_status(source, "pre-switchover")
        source.qmp.command("block-job-cancel", device="mirror")
        source.qmp.wait(lambda name, _: name in ("BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED"))
        target.qmp.command("block-export-del", id="mirror", mode="hard")
        source.qmp.command("migrate-continue", state="pre-switchover")
        self.await_status(source, "completed")
        target.qmp.command("nbd-server-stop")
