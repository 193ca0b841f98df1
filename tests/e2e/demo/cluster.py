# SPDX-License-Identifier: Apache-2.0
"""The running cluster as the demo sees it: the CLI's JSON, and lib.sh for its processes."""

import json
import os
import subprocess
import threading
import time


class Cluster:
    def __init__(self, bin_dir, root):
        self.cli = os.path.join(bin_dir, "foreshift")
        self.root = root
        with open(os.path.join(root, "coordinator.address")) as f:
            self.address = f.read().strip()
        self.lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib.sh")
        self.environment = dict(os.environ, CLUSTER=root, FORESHIFT_BIN=bin_dir)

    def run(self, *arguments, check=True):
        """One command; its output is the operator's to read."""
        done = subprocess.run([self.cli, "-C", self.address, *arguments], text=True,
                              capture_output=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"foreshift {' '.join(arguments)}: exit {done.returncode}: "
                               f"{done.stderr.strip()}")
        return done.stdout

    def ask(self, *arguments):
        """One command's answer, decoded."""
        return json.loads(self.run("-o", "json", *arguments))

    def lib_call(self, function, *arguments):
        subprocess.run(["bash", self.lib, function, *arguments], check=True,
                       env=self.environment)

    def uri(self, host, volume):
        return f"nbd+unix:///{volume}?socket={self.root}/{host}/nbd.sock"

    def plane_volume(self, host, volume):
        for found in self.ask("host", "show", host)["plane"].get("volumes", []):
            if found["name"] == volume:
                return found
        return {}

    def reads(self, host, volume):
        """(local, remote) client reads there, as last reported."""
        at = self.plane_volume(host, volume)
        return int(at.get("readsLocal", 0)), int(at.get("readsRemote", 0))

    def settled_reads(self, host, volume):
        """The same, once reports no longer change: the client has stopped."""
        last = None
        for _ in range(40):
            now = self.reads(host, volume)
            if now == last:
                return now
            last = now
            time.sleep(1.5)
        raise RuntimeError(f"the counters of {host} do not come to rest")


class Residency(threading.Thread):
    """Samples how many extents each host holds, until stopped."""

    def __init__(self, cluster, volume):
        super().__init__(daemon=True)
        self.cluster, self.volume = cluster, volume
        self.samples = []  # (seconds since the epoch, {host: extents})
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.5):
            try:
                info = self.cluster.ask("volume", "show", self.volume)
            except RuntimeError:
                continue
            self.samples.append((time.time(), {at["host"]: int(at.get("extents", 0))
                                               for at in info.get("residency", [])}))

    def stop(self):
        self.done.set()
        self.join()
        return self.samples
