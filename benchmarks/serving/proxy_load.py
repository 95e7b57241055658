"""`python -m benchmarks.serving.proxy_load`: what the proxy of `unprompted serve` costs a request.

A stand-in for vLLM answers after 100 ms, whole or as a stream of 20 events, in a process of its
own; the proxy runs in another. The same requests, with a prompt of 5,300 characters, go to the
stand-in and through the proxy in turns. Prints a table and, on the last line, the figures as JSON;
the table replaces results/proxy.md.
"""

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.result_page import Limit, conditions, limits_table, publish
from config.checkout import ROOT
from data.records import Record
from serving.known_prompt import KnownPrompt, PromptTokens
from serving.routing import Router
from serving.serving_app import ServedModel, ServingPlan, make_app

PROXY_RESULTS = ROOT / "benchmarks" / "results" / "proxy.md"
ANSWER_S = 0.1  # of the stand-in, before its answer
PROMPT = "Answer as the help desk of Lakeside University does. " * 100  # 5,300 characters


class ProxyFigures(Record):
    """Milliseconds are medians: through the proxy, less without it."""

    overhead_ms: float  # one request at a time
    overhead_stream_ms: float  # to the first event
    overhead_32_ms: float  # 32 at a time
    lost_of_200: int  # of 200 requests at once


PROXY_LIMITS = {
    "overhead_ms": Limit("≤", 5.0, "a whole answer, one request at a time"),
    "overhead_stream_ms": Limit("≤", 5.0, "the first event of a stream, one at a time"),
    "overhead_32_ms": Limit("≤", None, "a whole answer, 32 at a time: waiting included"),
    "lost_of_200": Limit("≤", 0, "requests without their answer, of 200 at once"),
}


async def _chat(request: Request) -> Response:
    body = await request.json()
    await asyncio.sleep(ANSWER_S)
    choice = {"index": 0, "message": {"role": "assistant", "content": "At nine."}}
    if not body.get("stream"):
        return JSONResponse({"model": body["model"], "choices": [choice]})
    return StreamingResponse(_events(), media_type="text/event-stream")


async def _events() -> AsyncIterator[bytes]:
    event = {"choices": [{"index": 0, "delta": {"content": " word"}}]}
    for _ in range(20):
        yield b"data: " + json.dumps(event).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _stand_in(_: str) -> Starlette:
    return Starlette(routes=[Route("/v1/chat/completions", _chat, methods=["POST"])])


def _proxy(url: str) -> Starlette:
    known = KnownPrompt(PROMPT, (), "system", PromptTokens(1000, 1000))
    return make_app(ServingPlan(Router(known, ("desk",)), {"desk": ServedModel(url, "desk")}))


def _serve(make: Callable[[str], Starlette], url: str, listener: socket.socket) -> None:
    import uvicorn

    settings = uvicorn.Config(make(url), log_level="critical", access_log=False)
    uvicorn.Server(settings).run(sockets=[listener])


@contextmanager
def _process(make: Callable[[str], Starlette], url: str = "") -> Iterator[str]:
    """Runs an application in a process of its own; yields its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_serve, args=(make, url, listener), daemon=True)
        process.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        process.terminate()
        process.join()


async def _ask(session: aiohttp.ClientSession, url: str, stream: bool) -> float:
    """Seconds until the whole answer, or until the first event of a stream."""
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "When?"}]
    body: dict[str, Any] = {"model": "desk", "messages": messages, "stream": stream}
    start = time.perf_counter()
    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        if stream:
            await response.content.readany()
            seconds = time.perf_counter() - start
            await response.read()
            return seconds
        await response.read()
    return time.perf_counter() - start


async def _median_ms(urls: list[str], stream: bool, at_once: int, rounds: int) -> list[float]:
    """The median milliseconds of each address, asked in turns."""
    seconds: dict[str, list[float]] = {url: [] for url in urls}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(rounds):
            for url in urls:
                requests = [_ask(session, url, stream) for _ in range(at_once)]
                seconds[url] += await asyncio.gather(*requests)
    return [1000 * statistics.median(seconds[url][at_once:]) for url in urls]


async def _lost(url: str) -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        requests = [_ask(session, url, False) for _ in range(200)]
        replies = await asyncio.gather(*requests, return_exceptions=True)
    return sum(isinstance(reply, BaseException) for reply in replies)


def measure_proxy(rounds: int) -> ProxyFigures:
    """The figures, from `rounds` requests of each kind at a time."""
    with _process(_stand_in) as direct, _process(_proxy, direct) as proxied:
        _wait_for(direct, proxied)
        urls = [direct, proxied]
        overheads = []
        for stream, at_once, count in ((False, 1, rounds), (True, 1, rounds), (False, 32, 10)):
            without, through = asyncio.run(_median_ms(urls, stream, at_once, count))
            overheads.append(through - without)
        lost = asyncio.run(_lost(proxied))
    return ProxyFigures(
        overhead_ms=overheads[0],
        overhead_stream_ms=overheads[1],
        overhead_32_ms=overheads[2],
        lost_of_200=lost,
    )


def _wait_for(*urls: str) -> None:
    for url in urls:
        port = int(url.rpartition(":")[2])
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)


def main(argv: list[str] | None = None) -> int:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.proxy_load", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=100, help="requests of each kind")
    arguments = parser.parse_args(argv)
    setting = conditions(("starlette", "uvicorn", "aiohttp"))
    figures = measure_proxy(arguments.rounds)
    table = "\n".join(limits_table(figures, PROXY_LIMITS))
    text = (
        f"# What the proxy adds to a request\n\n{setting}\nA stand-in for vLLM answers after "
        f"{1000 * ANSWER_S:.0f} ms; the prompt has {len(PROMPT):,} characters.\n\n{table}\n"
    )
    publish(text, figures, PROXY_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
