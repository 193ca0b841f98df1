# SPDX-License-Identifier: Apache-2.0
"""Round A: a cold migration. Round B: learn, plan, pre-position, flip. One table, one report."""

import argparse
import statistics
import sys
import time

import report
import workload
from cluster import Cluster, Residency
from workload import MIB

VOLUME = "vm1"
WINDOW_S = 5
LINK_US = 4000  # there and back over the link that `run` sets up


def say(text):
    print(f"-- {text}", flush=True)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def prepare(cluster):
    cluster.run("volume", "create", VOLUME, f"{workload.SIZE_MIB}MiB", "--home", "host-a,host-b")
    cluster.run("volume", "attach", VOLUME, "host-a")
    workload.fill(cluster, cluster.uri("host-a", VOLUME))


def learn(cluster):
    """Some twenty seconds of I/O at host-a, with its agent killed and coming back on the way."""
    time.sleep(7)
    say("kill -9 of host-a's agent; its data plane serves on")
    cluster.lib_call("agent_kill", "host-a")
    time.sleep(2)
    cluster.lib_call("agent_start", "host-a")
    cluster.lib_call("wait_until", "20", "host_up", "host-a")
    time.sleep(11)


def used_extents(fio):
    """Extents whose copies at host-c were of use there: read faster than the link's delay allows
    from anywhere else, or written."""
    read = {offset // MIB for _, us, offset in fio.reads() if us < LINK_US}
    return read | {offset // MIB for offset in workload.acknowledged(fio)}


def measure_after(cluster, fio_before, reads_before, generation):
    """I/O at host-c for exactly the first seconds after the flip. Returns its figures."""
    first = workload.vm(cluster, cluster.uri("host-c", VOLUME), f"first{generation}", WINDOW_S,
                        generation)
    workload.expect_clean(first.wait())
    reads = first.reads()
    local, remote = cluster.settled_reads("host-c", VOLUME)
    local, remote = local - reads_before[0], remote - reads_before[1]
    return {
        "p50_ms": percentile([us for _, us, _ in reads], 0.50) / 1000,
        "p99_ms": percentile([us for _, us, _ in reads], 0.99) / 1000,
        "local": local / max(1, local + remote),
        "reads": len(reads),
        "used": used_extents(first),
        "after": reads,
        "before": fio_before.reads(),
        "writes": [workload.acknowledged(fio_before), workload.acknowledged(first)],
    }


def more_flips(cluster, count):
    """Flips back and forth between host-c and host-b; microseconds of each."""
    out = []
    for i in range(count):
        to = ["host-b", "host-c"][i % 2]
        out.append(int(cluster.ask("flip", VOLUME, "--to", to)["flip"]["totalUs"]))
    return out


def verify(cluster, writes, generation):
    """The blocks last written at host-c carry `generation` + 1, those only at host-a `generation`;
    a write that was cut by the flip may have landed or not."""
    at_source, at_destination = writes
    allowed = {offset: {generation} for offset in at_source - at_destination}
    allowed.update({offset: {generation + 1} for offset in at_destination})
    return workload.verify_all(cluster, "host-c", VOLUME, allowed)


def play(cluster, name, prepared, generation):
    say(f"round {name}: {'learn, plan, migrate' if prepared else 'a cold migration'}")
    prepare(cluster)
    sampler = Residency(cluster, VOLUME)
    sampler.start()
    source = workload.vm(cluster, cluster.uri("host-a", VOLUME), f"source{name}", 600, generation)
    hot = {}
    reads_before = cluster.reads("host-c", VOLUME)
    if prepared:
        learn(cluster)
        hot = cluster.ask("hot", VOLUME)
        print(cluster.run("hot", VOLUME, "--top", "5"))
        print("\n".join(cluster.run("plan", VOLUME, "--to", "host-c").splitlines()[-8:]))
        task = cluster.ask("migrate", VOLUME, "--to", "host-c", "--gate", "97%", "--timeout", "60s")
    else:
        time.sleep(5)
        task = cluster.ask("migrate", VOLUME, "--to", "host-c", "--no-preposition")
    flipped_at = time.time()
    workload.expect_clean(source.stop(), fenced_allowed=True)
    say(f"the lease is at host-c, epoch {task['epoch']}; I/O goes on there")
    got = measure_after(cluster, source, reads_before, generation + 1)
    # B's extra flips come after everything that is compared.
    flips = [int(task["flip"]["totalUs"])] + more_flips(cluster, 6)
    got["verified"] = verify(cluster, got["writes"], generation)
    got.update(
        flips=flips, flip_ms=statistics.median(flips) / 1000, task=task, hot=hot,
        flipped_at=flipped_at, residency=sampler.stop(),
        moved=int(task.get("bytesMoved", 0)), moved_in_flip=int(task.get("bytesMovedInFlip", 0)),
        predicted=float(task.get("coverageAtFlip", 0)),
        unused=max(0, int(task.get("bytesMoved", 0)) - len(got["used"]) * MIB))
    cluster.run("volume", "detach", VOLUME)
    cluster.run("volume", "delete", VOLUME)
    return got


def size(value):
    return f"{value / MIB:.1f} MiB"


def table(a, b):
    rows = [
        ("flip, median of %d" % len(a["flips"]), "{:.2f} ms", "flip_ms"),
        ("read p99, first 5 s after the flip", "{:.2f} ms", "p99_ms"),
        ("read p50, first 5 s after the flip", "{:.2f} ms", "p50_ms"),
        ("reads served locally, first 5 s", "{:.1%}", "local"),
        ("moved before the flip", size, "moved"),
        ("moved in the flip", size, "moved_in_flip"),
        ("coverage predicted at the flip", "{:.1%}", "predicted"),
        ("coverage that came true", "{:.1%}", "local"),
        ("moved and not used in those 5 s", size, "unused"),
        ("verified, all right", size, "verified"),
    ]
    out = [("", "A: cold", "B: prepared")]
    for title, form, key in rows:
        show = form if callable(form) else form.format
        out.append((title, show(a[key]), show(b[key])))
    return out


def main():
    parser = argparse.ArgumentParser()
    for name in ("--bin", "--cluster", "--report"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    cluster = Cluster(options.bin, options.cluster)
    started = time.time()
    a = play(cluster, "A", False, 1)
    b = play(cluster, "B", True, 11)
    rows = table(a, b)
    print()
    for title, left, right in rows:
        print(f"{title:<38}{left:>14}{right:>14}")
    report.write(options.report, rows, a, b)
    better = b["p99_ms"] < a["p99_ms"] and b["local"] > a["local"]
    print(f"\n{'B is better' if better else 'B is NOT better'}; every byte verified; "
          f"{time.time() - started:.0f} s; pictures in {options.report}")
    return 0 if better else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as why:
        sys.exit(f"demo: {why}")
