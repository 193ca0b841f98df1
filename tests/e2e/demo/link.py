# SPDX-License-Identifier: Apache-2.0
"""A slow link: relays TCP with a delay each way and a rate. A relay and not nbdkit's delay filter,
because a link delays bytes, not one request after the other, and outlives clients.

usage: link.py DELAY_MS BITS_PER_SECOND [ADDRESS:]LISTEN_PORT:PORT...    (else on loopback)"""

import asyncio
import sys

CHUNK = 1 << 18
CHUNKS_IN_FLIGHT = 32


class Wire:
    """One direction of a host's link, shared by its connections."""

    def __init__(self, delay, rate):
        self.delay, self.rate = delay, rate
        self.free_at = 0.0

    def due(self, size):
        """When bytes that are sent now arrive."""
        now = asyncio.get_running_loop().time()
        self.free_at = max(self.free_at, now) + size * 8 / self.rate
        return self.free_at + self.delay


async def deliver(queue, writer):
    try:
        while (item := await queue.get()) is not None:
            due, data = item
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def pump(reader, writer, wire):
    queue = asyncio.Queue(CHUNKS_IN_FLIGHT)
    out = asyncio.create_task(deliver(queue, writer))
    try:
        while not out.done() and (data := await reader.read(CHUNK)):
            await asyncio.wait({out, asyncio.ensure_future(queue.put((wire.due(len(data)), data)))},
                               return_when=asyncio.FIRST_COMPLETED)
    except OSError:
        pass
    if not out.done():
        await asyncio.wait({out, asyncio.ensure_future(queue.put(None))},
                           return_when=asyncio.FIRST_COMPLETED)
    await out


async def serve(address, listen, port, delay, rate):
    there, back = Wire(delay, rate), Wire(delay, rate)

    async def connected(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, far_writer, there), pump(far_reader, writer, back))

    server = await asyncio.start_server(connected, address, listen, limit=CHUNK)
    await server.serve_forever()


async def main():
    delay, rate = float(sys.argv[1]) / 1000, float(sys.argv[2])
    ends = (["127.0.0.1", *pair.split(":")][-3:] for pair in sys.argv[3:])
    await asyncio.gather(*(serve(address, int(listen), int(port), delay, rate)
                           for address, listen, port in ends))


if __name__ == "__main__":
    asyncio.run(main())
