"""A server that answers every request with one of the hostile replies, by the path of its URL.

In its own process, so that what it spends is not taken for the client's.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote

from benchmarks.hostile.hostile_replies import PAUSES_S, REPLIES
from config.checkout import ROOT


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        name = unquote(head.split(b" ")[1].decode().split("/")[1])
        for piece in REPLIES[name]():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(PAUSES_S.get(name, 0.0))
    except OSError:  # the client has gone
        pass
    finally:
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving_hostile() -> Iterator[str]:
    """The address of the server, which runs within the block; `hostile_url` adds the reply."""
    command = [sys.executable, "-m", "benchmarks.hostile.hostile_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def hostile_url(server: str, name: str) -> str:
    """The base URL under which the server gives this reply."""
    return f"{server}/{quote(name)}/v1"


if __name__ == "__main__":
    asyncio.run(_serve())
