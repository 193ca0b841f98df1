# SPDX-License-Identifier: Apache-2.0
"""What faults cost: the pause of writes, what comes back, scrubbing, and what checksums cost."""

import re
import subprocess
import time

from bench import MIB, Bench, main
from servers import fio, interleaved, median, percentile, timed
from workload import Fio

SECTIONS = ["kill", "away", "resync", "forced", "scrub", "integrity"]
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
PATIENCE_S = 120


class Reliability(Bench):
    # -- what is asked and done in several sections ------------------------------------------------

    def until(self, what, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"never came true: {what}")
            time.sleep(0.1)

    def healthy(self, name):
        info = self.cluster.ask("volume", "show", name)
        return info["health"] == "ok" and not info.get("lost")

    def replicated(self, name, mib, hosts, at):
        """A volume with a replica of everything at each of the hosts."""
        self.cluster.run("volume", "create", name, f"{mib}MiB", "--home", ",".join(hosts),
                         "--replicas", str(len(hosts)))
        self.cluster.run("volume", "attach", name, at)
        uri = self.cluster.uri(at, name)
        timed(["nbdcopy", "--flush", self.random_file(mib), uri])
        return uri

    def host_dies(self, host):
        self.cluster.lib_call("agent_kill", host)
        self.cluster.lib_call("plane_kill", host)

    def plane(self, host):
        return self.cluster.ask("host", "show", host)["plane"]

    def pause_ms(self, uri, fault, seconds):
        """How long after `fault` (at least) a client that writes all the time went on."""
        client = Fio(self.cluster, uri, "writer")
        client.job("job", 0, 64, rw="randwrite", bs="4k", time_based=1, runtime=600).start()
        time.sleep(2)
        at_ms = time.time() * 1000
        fault()
        time.sleep(seconds)
        for job in client.stop():
            if job["error"] != 0:
                raise RuntimeError(f"the client met error {job['error']}")
        # The slowest write after the fault is the one that waited for what the cluster decided.
        end_ms, took_us, _ = max((x for x in client.requests("job") if x[0] >= at_ms),
                                 key=lambda x: x[1])
        return max(end_ms - at_ms, took_us / 1000 if end_ms - took_us / 1000 >= at_ms else 0)

    # -- sections ----------------------------------------------------------------------------------

    def kill(self):
        """From kill -9 of a replica's data plane, which its agent restarts, to writes going on."""
        self.pauses("kill", lambda: self.cluster.lib_call("plane_kill", "host-b"), lambda: None)

    def away(self):
        """The same when its agent is killed too, so that the host is left out."""
        self.pauses("away", lambda: self.host_dies("host-b"),
                    lambda: self.cluster.lib_call("agent_start", "host-b"))

    def pauses(self, name, fault, mend):
        took = []
        for i in range(self.options.faults):
            # A new volume each time: a replica that fails again and again is left alone for longer.
            one = f"{name}{i}"
            uri = self.replicated(one, 64, ["host-a", "host-b"], "host-a")
            took.append(self.pause_ms(uri, fault, 4))
            mend()
            self.until("every replica is back", lambda: self.healthy(one))
            self.drop(one)
        self.row("writes pause, p50", f"{median(took):.0f} ms", "", None, "", len(took))
        self.row("  the same, p99", f"{percentile(took, 0.99):.0f} ms", "", None, "", len(took))

    def resync(self):
        """Bytes copied to a host that returns, against what was written while it was away."""
        ratios, copied, wrote = [], [], []
        uri = self.replicated("resync", 256, ["host-a", "host-b"], "host-a")
        written = lambda: int(self.cluster.plane_volume("host-a", "resync")["io"]["writeBytes"])
        for _ in range(max(3, self.options.rounds // 2)):
            before = written()
            self.host_dies("host-b")
            fio(uri, 10, rw="randwrite", bs="4k", rate_iops=500, size="256M", end_fsync=1)
            time.sleep(2)  # reports come every second
            wrote.append(written() - before)
            seen = self.returns("resync")
            self.cluster.lib_call("agent_start", "host-b")
            self.until("the replica is back", lambda: self.returns("resync")[len(seen):]
                       and self.healthy("resync"))
            copied.append(sum(self.returns("resync")[len(seen):]))
            ratios.append(copied[-1] / wrote[-1])
        self.drop("resync")
        self.row("copied at a return", f"{median(copied) / MIB:.1f} MiB",
                 f"written: {median(wrote) / MIB:.1f} MiB", median(ratios), "<= 1.20x", len(ratios))

    def returns(self, name):
        """Bytes of each return of host-b, as the events say, oldest first."""
        text = self.cluster.run("events", "--limit", "1000")
        found = re.findall(rf"{name}\b.*replica host-b is back(?:, ([\d.]+) (\w+) copied)?", text)
        return [float(x[0] or 0) * UNITS[x[1] or "B"] for x in found]

    def forced(self):
        """A forced flip after kill -9 of the source's agent and data plane."""
        self.replicated("forced", 64, ["host-b", "host-c"], "host-a")
        took, handed = [], []
        for _ in range(self.options.faults):
            self.host_dies("host-a")
            began = time.monotonic()
            task = self.cluster.ask("flip", "forced", "--to", "host-b", "--force")
            took.append((time.monotonic() - began) * 1000)
            handed.append(int(task["flip"]["totalUs"]) / 1000)
            self.cluster.lib_call("agent_start", "host-a")
            self.until("host-a is up", lambda: self.cluster.ask("host", "show", "host-a")["up"])
            self.until("the volume is healthy", lambda: self.healthy("forced"))
            self.cluster.run("flip", "forced", "--to", "host-a")
        self.drop("forced")
        self.row("forced flip, the whole command", f"{median(took):.0f} ms", "", None, "",
                 len(took))
        self.row("  of it: from request to may write", f"{median(handed):.0f} ms", "", None, "",
                 len(took))

    def scrub(self):
        """A full pass over 1 GiB that no rate holds back (scrub.rate is 8 GiB/s)."""
        self.replicated("scrub", 1024, ["host-c"], "host-c")
        before = int(self.plane("host-c")["scrub"].get("fullDoneMs", 0))
        began = time.monotonic()
        self.cluster.run("scrub", "start", "host-c", "--full")
        self.until("the pass ends",
                   lambda: int(self.plane("host-c")["scrub"].get("fullDoneMs", 0)) > before)
        took = time.monotonic() - began
        self.drop("scrub")
        self.row("full pass over 1 GiB", f"{1024 / took:.0f} MiB/s", "", None, "", 1)

    def integrity(self):
        """What computing checksums costs: host-d's are all the same constant."""
        ours = self.replicated("sums", 512, ["host-a"], "host-a")
        free = self.replicated("none", 512, ["host-d"], "host-d")
        for what, options in (
                ("4 KiB random read", {"rw": "randread", "bs": "4k", "iodepth": 1}),
                ("4 KiB random write", {"rw": "randwrite", "bs": "4k", "iodepth": 1}),
                ("4 KiB random read, queue depth 32",
                 {"rw": "randread", "bs": "4k", "iodepth": 32}),
                ("1 MiB sequential read", {"rw": "read", "bs": "1M", "iodepth": 4}),
                ("1 MiB sequential write", {"rw": "write", "bs": "1M", "iodepth": 4})):
            got = interleaved(self.options.rounds,
                              sums=lambda: fio(ours, 3, size="512M", **options)["iops"],
                              none=lambda: fio(free, 3, size="512M", **options)["iops"])
            mine, without = median(got["sums"]), median(got["none"])
            self.row(what, f"{mine:.0f} IOPS", f"no checksums: {without:.0f} IOPS", mine / without,
                     ">= 0.85x", self.options.rounds)
        self.drop("sums")
        self.drop("none")


if __name__ == "__main__":
    main(Reliability, SECTIONS)
