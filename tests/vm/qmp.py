# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor: commands and events with QEMU's own times."""

import json
import select
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, seconds=20):
        deadline = time.monotonic() + seconds
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise QmpError(f"no monitor at {path}") from None
                time.sleep(0.02)
        self.buffer = b""
        self.events = []  # (seconds since the epoch, name, data), all of them
        self.seen = 0     # events that `wait` has looked at
        self.message(deadline)  # the greeting
        self.command("qmp_capabilities")

    def message(self, deadline):
        """The next message; None at the deadline."""
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            try:
                got = self.socket.recv(65536)
            except OSError as why:
                raise QmpError(f"QEMU has gone: {why}") from None
            if not got:
                raise QmpError("QEMU has gone")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        message = json.loads(line)
        if "event" in message:
            at = message["timestamp"]
            self.events.append((at["seconds"] + at["microseconds"] / 1e6, message["event"],
                                message.get("data", {})))
        return message

    def command(self, name, /, seconds=30, **arguments):
        request = {"execute": name}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): x for key, x in arguments.items()}
        try:
            self.socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as why:
            raise QmpError(f"QEMU has gone: {why}") from None
        deadline = time.monotonic() + seconds
        while True:
            got = self.message(deadline)
            if got is None:
                raise QmpError(f"{name}: no answer in {seconds} s")
            if "error" in got:
                raise QmpError(f"{name}: {got['error']['desc']}")
            if "return" in got:
                return got["return"]

    def wait(self, wanted, seconds=60):
        """The next event for which `wanted(name, data)`; (time, name, data)."""
        deadline = time.monotonic() + seconds
        while True:
            while self.seen < len(self.events):
                event = self.events[self.seen]
                self.seen += 1
                if wanted(event[1], event[2]):
                    return event
            if self.message(deadline) is None:
                raise QmpError(f"the event did not come in {seconds} s; last: {self.events[-3:]}")

    def forget(self):
        """`wait` looks only at events that come from now on."""
        self.command("query-status")
        self.seen = len(self.events)

    def wait_event(self, name, seconds=60):
        return self.wait(lambda event, _: event == name, seconds)

    def wait_migration(self, *statuses, seconds=60):
        return self.wait(lambda event, data: event == "MIGRATION" and data["status"] in statuses,
                         seconds)

    def migration(self):
        return self.command("query-migrate").get("status", "none")

    def status(self):
        return self.command("query-status")["status"]
