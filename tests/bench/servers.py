# SPDX-License-Identifier: Apache-2.0
"""The baselines: nbdkit's own file plugin, and fio and nbdcopy as clients of anything."""

import json
import os
import statistics
import subprocess
import time


class FileServer:
    """nbdkit serving one raw file, on a unix socket or on loopback TCP."""

    def __init__(self, root, path, threads=None, port=None):
        self.socket = os.path.join(root, f"file-{threads}-{port}.sock")
        where = ["-i", "127.0.0.1", "-p", str(port)] if port else ["-U", self.socket]
        tuned = ["-t", str(threads)] if threads else []
        self.uri = f"nbd://127.0.0.1:{port}" if port else f"nbd+unix:///?socket={self.socket}"
        if os.path.exists(self.socket):
            os.unlink(self.socket)  # nbdkit leaves it behind
        self.process = subprocess.Popen(["nbdkit", "-f", *tuned, *where, "file", path])
        for _ in range(100):
            if subprocess.run(["nbdinfo", "--size", self.uri], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("nbdkit did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fio(uri, seconds, **options):
    """One fio job's reads: {'iops', 'mean_us', 'p50_us', 'p99_us', 'MBps'}."""
    flags = [f"--{key}={value}" for key, value in options.items()]
    done = subprocess.run(
        ["fio", "--name=job", "--ioengine=nbd", f"--uri={uri}", "--thread=1", "--time_based",
         f"--runtime={seconds}", "--ramp_time=0.3", "--norandommap=1", "--lat_percentiles=1",
         "--clat_percentiles=0",
         "--output-format=json", *flags],
        capture_output=True, text=True)
    text = done.stdout
    job = json.loads(text[text.index("{\n"):])["jobs"][0]
    if done.returncode != 0 or job["error"] != 0:
        raise RuntimeError(f"fio at {uri}: error {job['error']}: {done.stderr}")
    reads = job["read"] if job["read"]["total_ios"] else job["write"]
    iops = job["read"]["iops"] + job["write"]["iops"]
    latency = reads["lat_ns"]
    return {"iops": iops, "mean_us": latency["mean"] / 1000,
            "p50_us": latency["percentile"]["50.000000"] / 1000,
            "p99_us": latency["percentile"]["99.000000"] / 1000,
            "MBps": (job["read"]["bw_bytes"] + job["write"]["bw_bytes"]) / 1e6}


def interleaved(rounds, **measures):
    """Runs every measure once a round, in turn; returns the list of results of each."""
    results = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def median(values):
    return statistics.median(values)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def back_free_memory(root, mib):
    """Fills the page cache and frees it, so that no measure pays for pages that the machine below a
    virtual one must find first (several times a copy's own cost), nor gets those that another one
    has just freed."""
    path = os.path.join(root, "free-memory")
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(bytes(1 << 20))
    os.unlink(path)


def timed(command):
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - start
