"""A longer way: what one side says reaches the other half a round trip later.

    python -m tests.bench.relay RTT LISTENER PORT [LISTENER PORT …]

`RTT` is in seconds; each listener is the file number of a socket that listens already, and
`PORT` is where its connections go. Only time is added: much may be on the way at once, so
the bandwidth is what it was.
"""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable

HOST = "127.0.0.1"
# Pieces on the way, of up to 256 KiB: enough for any bandwidth, and not all of the memory.
MOST = 1000


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
) -> None:
    """Pass on what comes, each piece `delay` seconds after it came, and the end too."""
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST)
    delivery = asyncio.create_task(deliver(on_the_way, writer))
    clock = asyncio.get_running_loop().time
    piece = b"any"
    while piece:
        try:
            piece = await reader.read(1 << 20)
        except ConnectionError:
            piece = b""
        await on_the_way.put((clock() + delay, piece))
    await delivery


async def deliver(
    on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    """Write each piece when its time has come."""
    clock = asyncio.get_running_loop().time
    while True:
        due, piece = await on_the_way.get()
        if due > clock():
            await asyncio.sleep(due - clock())
        if not piece:
            break
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def longer_way(
    port: int, rtt: float
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """What to do with a connection that is for `port`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The kernel has answered the client's SYN at once; this is the round trip it saved.
        await asyncio.sleep(rtt)
        there, back = await asyncio.open_connection(HOST, port, limit=1 << 20)
        ways = carry(reader, back, rtt / 2), carry(there, writer, rtt / 2)
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (back, writer):
            end.close()

    return connected


async def main(rtt: float, ways: list[int]) -> None:
    """Relay until the parent ends this process."""
    for listener, port in zip(ways[::2], ways[1::2], strict=True):
        await asyncio.start_server(
            longer_way(port, rtt), sock=socket.socket(fileno=listener), limit=1 << 20
        )
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), [int(word) for word in sys.argv[2:]]))
