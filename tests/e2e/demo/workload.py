# SPDX-License-Identifier: Apache-2.0
"""What the VM does: a clustered, zipf-like hot set over a thin volume, read and written over NBD by
fio; every block read is checked, every acknowledged write is looked for after the flip."""

import glob
import json
import os
import signal
import subprocess

MIB = 1 << 20
BLOCK = 4096
SIZE_MIB = 4096
# Written parts of the volume, MiB (start, length); the rest was never touched.
WRITTEN = [(256, 256), (1408, 192), (2752, 256), (3700, 64)]
# Hot clusters inside them: MiB start, MiB length, reads a second.
HOT = [(320, 64, 400), (1480, 48, 250), (2900, 48, 150), (3716, 16, 50)]
# Rare reads of everything else, and the part that is overwritten all the time.
TAIL = (1408, 72, 2)
WRITES = (260, 16, 120)


class Fio:
    """One fio process with logs of every request."""

    def __init__(self, cluster, uri, name):
        self.prefix = os.path.join(cluster.root, name)
        self.globals = ["--ioengine=nbd", f"--uri={uri}", "--thread=1", "--output-format=json",
                        f"--output={self.prefix}.json", "--log_offset=1", "--log_unix_epoch=1",
                        "--disable_slat=1", "--disable_clat=1", "--verify_state_save=0"]
        self.jobs = []
        self.process = None

    def job(self, name, start, length, **options):
        self.jobs += [f"--name={name}", f"--offset={start}M", f"--size={length}M",
                      f"--write_lat_log={self.prefix}-{name}"]
        self.jobs += [f"--{key}={value}" for key, value in options.items()]
        return self

    def start(self):
        self.process = subprocess.Popen(["fio", *self.globals, *self.jobs],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        cwd=os.path.dirname(self.prefix))
        return self

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        self.process.wait()
        with open(self.prefix + ".json") as f:
            text = f.read()
        return json.loads(text[text.index("{\n"):])["jobs"]

    def requests(self, job):
        """(end ms since the epoch, latency us, offset) of each completed request."""
        out = []
        for path in glob.glob(f"{self.prefix}-{job}_lat.*.log"):
            with open(path) as f:
                for line in f:
                    at, ns, _, _, offset, *_ = line.split(",")
                    out.append((int(at), int(ns) / 1000, int(offset)))
        return sorted(out)

    def reads(self):
        return sorted(sum((self.requests(f"hot{i}") for i in range(len(HOT))),
                          self.requests("tail")))


CHECKED = {"verify": "crc32c", "verify_interval": BLOCK, "verify_fatal": 1}


def fill(cluster, uri):
    fio = Fio(cluster, uri, "fill")
    for i, (start, length) in enumerate(WRITTEN):
        fio.job(f"fill{i}", start, length, rw="write", bs="1M", iodepth=4, do_verify=0,
                end_fsync=1, **CHECKED)
    expect_clean(fio.start().wait())


def vm(cluster, uri, name, seconds, generation):
    """The VM's I/O. `generation` (1..255) is what its writes carry."""
    fio = Fio(cluster, uri, name)
    timed = {"time_based": 1, "runtime": seconds}
    for i, (start, length, rate) in enumerate(HOT):
        fio.job(f"hot{i}", start, length, rw="randread", bs="4k", iodepth=2, rate_iops=rate,
                random_distribution="zipf:0.8", norandommap=1, randseed=77 + i, **CHECKED, **timed)
    start, length, rate = TAIL
    fio.job("tail", start, length, rw="randread", bs="4k", rate_iops=rate, norandommap=1,
            **CHECKED, **timed)
    start, length, rate = WRITES
    fio.job("writes", start, length, rw="randwrite", bs="4k", rate_iops=rate, verify="pattern",
            verify_pattern=f"0x{generation:02x}", do_verify=0, randseed=generation, **timed)
    return fio.start()


def expect_clean(jobs, fenced_allowed=False):
    """Raises on a wrong byte always, on an I/O error unless the lease may have gone elsewhere."""
    for job in jobs:
        error = job["error"]
        if error == 84 or (error != 0 and not fenced_allowed):
            raise RuntimeError(f"fio job {job['jobname']} ended with error {error}")


def acknowledged(fio):
    """Offsets of every write that was acknowledged."""
    return {offset for _, _, offset in fio.requests("writes")}


def read_range(cluster, socket, volume, start_mib, length_mib):
    """Bytes of a part of the volume, by qemu-img."""
    path = os.path.join(cluster.root, "range")
    subprocess.run(["qemu-img", "convert", "-O", "raw", "--image-opts",
                    f"driver=raw,offset={start_mib * MIB},size={length_mib * MIB},"
                    f"file.driver=nbd,file.server.type=unix,file.server.path={socket},"
                    f"file.export={volume}", path], check=True)
    with open(path, "rb") as f:
        data = f.read()
    os.unlink(path)
    return data


def verify_all(cluster, host, volume, last_generation):
    """Checks every written byte at `host`: checksummed blocks by fio, overwritten ones against the
    generation of the last acknowledged write of each. Returns the number of bytes."""
    fio = Fio(cluster, cluster.uri(host, volume), "verify")
    start, length, _ = WRITES
    (first, size), *others = WRITTEN
    parts = [(first, start - first), (start + length, first + size - start - length), *others]
    for i, (at, size) in enumerate(parts):
        fio.job(f"verify{i}", at, size, rw="read", bs="1M", iodepth=4, **CHECKED)
    expect_clean(fio.start().wait())
    data = read_range(cluster, f"{cluster.root}/{host}/nbd.sock", volume, start, length)
    for offset, allowed in last_generation.items():
        at = offset - start * MIB
        block = data[at:at + BLOCK]
        if not any(block == bytes([one]) * BLOCK for one in allowed):
            raise RuntimeError(f"the block at {offset} lost an acknowledged write")
    return sum(size for _, size in parts) * MIB + len(last_generation) * BLOCK
