# SPDX-License-Identifier: Apache-2.0
"""The links of the nemesis's hosts: real ones (network namespaces, veth, tbf; root only), or relays
of their TCP connections (../demo/link.py) for everybody else. Both can be cut, stalled, slowed."""

import os
import signal
import subprocess
import sys

SLOW_MBIT = 20
FAST_MBIT = 4000


class Namespaces:
    """Made by tests/vm/net.sh: host-a is in NET-a, its port at the switch NET-x is va."""

    def __init__(self, net, hosts):
        self.net = net
        self.place = {host: host[-1] for host in hosts}

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True)

    def up(self, host):
        at = self.place[host]
        self.ip("-n", f"{self.net}-x", "link", "set", f"v{at}", "up")
        self.ip("-n", f"{self.net}-{at}", "link", "set", "e0", "up")
        self.rate(host, FAST_MBIT)

    def down(self, host):
        """The host's own interface: who sends from there is told at once."""
        self.ip("-n", f"{self.net}-{self.place[host]}", "link", "set", "e0", "down")

    def stall(self, host):
        """The switch's port, as when a cable is pulled: nothing arrives, nothing is refused."""
        self.ip("-n", f"{self.net}-x", "link", "set", f"v{self.place[host]}", "down")

    def slow(self, host):
        self.rate(host, SLOW_MBIT)

    def rate(self, host, mbit):
        at = self.place[host]
        for namespace, device in ((f"{self.net}-{at}", "e0"), (f"{self.net}-x", f"v{at}")):
            subprocess.run(["tc", "-n", namespace, "qdisc", "replace", "dev", device, "root", "tbf",
                            "rate", f"{mbit}mbit", "burst", "256kb", "latency", "50ms"], check=True)

    def end(self):
        pass  # the shell that made them takes them down


class Relays:
    """Each host's inbound ports and its way to the coordinator go through a process of its own."""

    def __init__(self, root, wires):
        self.root, self.wires = root, wires  # host -> ["FAR:NEAR", ...]
        self.running = {}

    def up(self, host, delay_ms=0, bits=4e9):
        self.down(host)
        relay = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "demo", "link.py")
        with open(f"{self.root}/{host}/link.log", "a") as log:
            self.running[host] = subprocess.Popen(
                [sys.executable, relay, str(delay_ms), str(bits), *self.wires[host]],
                stdout=log, stderr=log)

    def down(self, host):
        old = self.running.pop(host, None)
        if old:
            old.kill()
            old.wait()

    def stall(self, host):
        self.running[host].send_signal(signal.SIGSTOP)

    def slow(self, host):
        self.up(host, delay_ms=15, bits=SLOW_MBIT * 1e6)

    def end(self):
        for host in list(self.running):
            self.down(host)
