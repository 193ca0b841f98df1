# SPDX-License-Identifier: Apache-2.0
"""The figures of the main job, each beside its baseline in the same run: medians and ratios."""

import argparse
import contextlib
import json
import os
import re
import subprocess
import threading
import time

from cluster import Cluster
from servers import FileServer, back_free_memory, fio, interleaved, median, percentile, timed

MIB = 1 << 20
HOSTS = ["host-a", "host-b", "host-c"]
SECTIONS = ["flip", "local", "remote", "log", "copy", "foreground"]


class Bench:
    def __init__(self, cluster, options):
        self.cluster, self.options = cluster, options
        self.probe = os.path.join(options.bin, "bench_probe")
        with open(os.path.join(cluster.root, "host-a", "agent.toml")) as f:
            set_to = re.search(r"^threads = (\d+)", f.read(), re.MULTILINE)
            self.threads = int(set_to.group(1)) if set_to else 1  # the default
        self.rows = []
        os.makedirs(os.path.join(cluster.root, "random"), exist_ok=True)

    def row(self, what, ours, theirs, ratio=None, target="", runs=0):
        self.rows.append({"what": what, "ours": ours, "baseline": theirs, "ratio": ratio,
                          "target": target, "runs": runs})
        shown = f"{ratio:5.2f}x" if ratio is not None else ""
        print(f"  {what:<44} {ours:>20}  {theirs:>34}  {shown:>7}  {target}  (n={runs})",
              flush=True)

    # -- volumes -----------------------------------------------------------------------------------

    def volume(self, name, mib, home, at):
        self.cluster.run("volume", "create", name, f"{mib}MiB", "--home", home)
        self.cluster.run("volume", "attach", name, at)
        return self.cluster.uri(at, name)

    def drop(self, name):
        self.cluster.run("volume", "detach", name)
        self.cluster.run("volume", "delete", name)

    def random_file(self, mib):
        path = os.path.join(self.cluster.root, f"random-{mib}.raw")
        if not os.path.exists(path):
            with open(path, "wb") as f:
                for _ in range(mib):
                    f.write(os.urandom(MIB))
        return path

    def free_port(self):
        done = subprocess.run(["bash", self.cluster.lib, "free_ports", "1"], capture_output=True,
                              text=True, env=self.cluster.environment, check=True)
        return int(done.stdout)

    # -- sections ----------------------------------------------------------------------------------

    def flip(self):
        """Destination's request to destination may write; idle volume, three hosts."""
        self.cluster.run("volume", "create", "flip", "1GiB", "--home", ",".join(HOSTS))
        self.cluster.run("volume", "attach", "flip", "host-a")
        flips, puts, trips = [], [], []
        parts = {"drainUs": [], "promoteUs": []}
        for i in range(self.options.flips):
            task = self.cluster.ask("flip", "flip", "--to", HOSTS[(i + 1) % 3])
            flips.append(int(task["flip"]["totalUs"]))
            for name, taken in parts.items():
                taken.append(int(task["flip"].get(name, 0)))
            if i % 20 == 0:
                puts.append(self.run_probe("put", f"{self.cluster.root}/random/probe", "100"))
                trips.append(self.run_probe("tcp", "500"))
        self.drop("flip")
        put, trip = (median([x["p50_us"] for x in xs]) for xs in (puts, trips))
        self.row("flip p50", f"{median(flips)} us",
                 f"synced put {put:.0f} us, TCP trip {trip:.0f} us", None, "<= 1000 us", len(flips))
        self.row("  of it: drain", f"{median(parts['drainUs'])} us", "", None, "", len(flips))
        self.row("  of it: promote", f"{median(parts['promoteUs'])} us", "", None, "", len(flips))
        self.row("flip p99", f"{percentile(flips, 0.99)} us", "", None, "<= 10000 us", len(flips))

    def run_probe(self, *arguments):
        done = subprocess.run([self.probe, *arguments], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def local(self):
        """Local hits through the gateway against nbdkit's file plugin on the same disk."""
        raw = self.random_file(512)
        ours = self.volume("local", 512, "host-a", "host-a")
        timed(["nbdcopy", raw, ours])
        same = FileServer(self.cluster.root, raw, threads=self.threads)
        default = FileServer(self.cluster.root, raw)
        for what, target, options in (
                ("4 KiB random read, queue depth 1", ">= 0.90x",
                 {"rw": "randread", "bs": "4k", "iodepth": 1}),
                ("4 KiB random read, queue depth 32", ">= 0.85x",
                 {"rw": "randread", "bs": "4k", "iodepth": 32}),
                ("1 MiB sequential read", ">= 0.85x", {"rw": "read", "bs": "1M", "iodepth": 4})):
            got = interleaved(self.options.rounds,
                              ours=lambda: fio(ours, 3, size="512M", **options)["iops"],
                              same=lambda: fio(same.uri, 3, size="512M", **options)["iops"],
                              default=lambda: fio(default.uri, 3, size="512M", **options)["iops"])
            mine, file, plain = (median(got[x]) for x in ("ours", "same", "default"))
            self.row(what, f"{mine:.0f} IOPS", f"file -t {self.threads}: {file:.0f} IOPS",
                     mine / file, target, self.options.rounds)
            if options["iodepth"] == 1:
                self.row("  the same against nbdkit's default threads", f"{mine:.0f} IOPS",
                         f"file: {plain:.0f} IOPS", mine / plain, ">= 2.00x", self.options.rounds)
        same.stop()
        default.stop()
        self.drop("local")

    def remote(self):
        """A read whose only replica is at another host, against nbdkit's file plugin over TCP."""
        raw = self.random_file(256)
        ours = self.volume("remote", 256, "host-b", "host-a")
        timed(["nbdcopy", raw, ours])
        file = FileServer(self.cluster.root, raw, threads=self.threads, port=self.free_port())
        options = {"rw": "randread", "bs": "4k", "iodepth": 1, "size": "256M"}
        got = interleaved(self.options.rounds, ours=lambda: fio(ours, 3, **options)["p50_us"],
                          file=lambda: fio(file.uri, 3, **options)["p50_us"])
        mine, theirs = median(got["ours"]), median(got["file"])
        self.row("4 KiB remote miss, p50", f"{mine:.1f} us", f"file over TCP: {theirs:.1f} us",
                 mine / theirs, "<= 1.50x", self.options.rounds)
        file.stop()
        self.drop("remote")

    def log(self):
        """What noting every access costs: host-d's data plane notes none."""
        raw = self.random_file(256)
        on = self.volume("on", 256, "host-a", "host-a")
        off = self.volume("off", 256, "host-d", "host-d")
        for uri in (on, off):
            timed(["nbdcopy", raw, uri])
        options = {"rw": "randread", "bs": "4k", "iodepth": 32, "size": "256M"}
        got = interleaved(self.options.rounds, on=lambda: fio(on, 3, **options)["iops"],
                          off=lambda: fio(off, 3, **options)["iops"])
        mine, without = median(got["on"]), median(got["off"])
        self.row("4 KiB random read with the access log", f"{mine:.0f} IOPS",
                 f"without: {without:.0f} IOPS", mine / without, ">= 0.97x", self.options.rounds)
        self.drop("on")
        self.drop("off")

    def learn_all(self, name, uri, mib, host):
        """Reads everything often enough for every extent to be predicted."""
        timed(["nbdcopy", self.random_file(mib), uri])
        for _ in range(60):
            fio(uri, 2, rw="randread", bs="4k", iodepth=8, size=f"{mib}M")
            hot = self.cluster.ask("hot", name)
            if len(hot["forecast"].get("extents", [])) and \
                    int(hot["forecast"].get("extentsActive", 0)) >= mib:
                return
        raise RuntimeError("the forecast never covered the volume")

    @contextlib.contextmanager
    def move_rate(self, rate):
        """Coordinator and agents restarted with another moves.rate, and back afterwards."""
        files = [os.path.join(self.cluster.root, name) for name in
                 ("coordinator.toml", "host-a/agent.toml", "host-b/agent.toml")]
        before = [open(path).read() for path in files]

        def restart(texts):
            for path, text in zip(files, texts):
                with open(path, "w") as f:
                    f.write(text)
            for role, *host in (("coordinator",), ("agent", "host-a"), ("agent", "host-b")):
                self.cluster.lib_call(f"{role}_stop", *host)
                self.cluster.lib_call(f"{role}_start", *host)
            time.sleep(5)

        restart([text + f'\n[moves]\nrate = "{rate}"\n' for text in before])
        yield
        restart(before)

    def copy(self):
        """Extents from one host to another against nbdcopy between the same two disks."""
        with self.move_rate("8GiB"):
            self.copy_at_full_speed(512)

    def copy_at_full_speed(self, mib):
        raw = self.random_file(mib)
        file = FileServer(self.cluster.root, raw, port=self.free_port())
        target = os.path.join(self.cluster.root, "copy.raw")

        def ours():
            uri = self.volume("copy", mib, "host-a", "host-a")
            self.learn_all("copy", uri, mib, "host-a")
            back_free_memory(self.cluster.root, 2 * mib)
            task = self.cluster.ask("migrate", "copy", "--to", "host-b", "--gate", "99%",
                                    "--timeout", "60s")
            phase = next(x for x in task["phases"] if x["name"] == "preposition")
            speed = int(task["bytesMoved"]) / (int(phase["durationUs"]) / 1e6) / 1e6
            self.drop("copy")
            return speed

        def theirs():
            if os.path.exists(target):
                os.unlink(target)
            with open(target, "wb") as f:
                f.truncate(mib * MIB)
            sink = FileServer(self.cluster.root, target, threads=16)
            back_free_memory(self.cluster.root, 2 * mib)
            seconds = timed(["nbdcopy", "--flush", file.uri, sink.uri])
            sink.stop()
            return mib * MIB / seconds / 1e6

        rounds = max(3, self.options.rounds // 2)
        got = interleaved(rounds, ours=ours, theirs=theirs)
        mine, nbdcopy = median(got["ours"]), median(got["theirs"])
        file.stop()
        self.row("extent copy, whole migration path", f"{mine:.0f} MB/s",
                 f"nbdcopy: {nbdcopy:.0f} MB/s", mine / nbdcopy, ">= 0.80x", rounds)

    def foreground(self):
        """Foreground IOPS while extents move at the default limits."""
        self.while_moving("4 KiB random read while extents move", {"rw": "randread"})
        # A write to an extent that is already at both hosts waits for both.
        self.while_moving("the same, 30 % writes", {"rw": "randrw", "rwmixread": 70})

    def while_moving(self, what, load):
        mib, rounds = 1024, max(3, self.options.rounds // 2)
        options = {"bs": "4k", "iodepth": 4, "size": f"{mib}M", **load}
        quiet, busy = [], []
        for _ in range(rounds):
            uri = self.volume("busy", mib, "host-a", "host-a")
            self.learn_all("busy", uri, mib, "host-a")
            quiet.append(fio(uri, 4, **options)["iops"])
            mover = threading.Thread(target=self.cluster.run, kwargs={"check": False}, args=(
                "migrate", "busy", "--to", "host-b", "--gate", "100%", "--timeout", "9s"))
            mover.start()
            time.sleep(1)
            busy.append(fio(uri, 4, **options)["iops"])
            mover.join()
            self.drop("busy")
        ratios = [b / q for b, q in zip(busy, quiet)]
        self.row(what, f"{median(busy):.0f} IOPS", f"quiet: {median(quiet):.0f} IOPS",
                 median(ratios), ">= 0.90x", rounds)


def main(bench_class, sections):
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--faults", type=int, default=30, help="of each kind of fault")
    parser.add_argument("--json", help="also write the rows there")
    parser.add_argument("sections", nargs="*", help=", ".join(sections) + " (default: all)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(sections):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; "
                     f"there are {', '.join(sections)}")
    bench = bench_class(Cluster(options.bin, options.cluster), options)
    for name in options.sections or sections:
        section = getattr(bench, name)
        print(f"{name}: {section.__doc__}", flush=True)
        section()
    if options.json:
        with open(options.json, "w") as f:
            json.dump(bench.rows, f, indent=2)


if __name__ == "__main__":
    main(Bench, SECTIONS)
