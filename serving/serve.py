"""`unprompted serve CONFIG`: the best student behind an address that OpenAI clients know.

Starts vLLM with the students of a run, and before it the proxy that takes the system prompt out of
requests.
"""

import argparse
import importlib.util
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.cli import load_arguments, parse_arguments
from config.command_parser import CommandParser, command_parser
from config.console import print
from config.errors import SetupError, UsageError

if TYPE_CHECKING:  # heavy: imported by the action, so `--help` is fast
    from config.schema import Config
    from prompts.renderer import Renderer
    from serving.known_prompt import KnownPrompt
    from serving.serving_app import ServingPlan


def serve_parser() -> CommandParser:
    """The parser of `unprompted serve`."""
    parser = command_parser(
        "serve",
        "Serves the best student of a run to OpenAI clients. A client that goes on sending the "
        "system prompt needs no change: the proxy takes it out. Model `prompted` is the base "
        "behind the prompt.",
        "my.yaml",
        "my.yaml --port 9000 --shadow 0.05 --log traffic.jsonl",
        "my.yaml --backend http://gpu-box:8001",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0: a free one")
    parser.add_argument(
        "--backend", metavar="URL", help="a vLLM server that runs already, instead of a new one"
    )
    parser.add_argument(
        "--with-base", action="store_true", help="also serve the base behind the prompt"
    )
    parser.add_argument(
        "--prompted-share",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the requests that the base answers behind the prompt, from 0 to 1",
    )
    parser.add_argument(
        "--shadow",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the requests that are asked of the other model too, for the log alone",
    )
    parser.add_argument(
        "--log",
        metavar="FILE",
        type=Path,
        help="append questions and answers, which `data: {train: FILE}` reads",
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Serves until Ctrl-C or SIGTERM. Raises UsageError and SetupError before vLLM starts."""
    arguments = parse_arguments(serve_parser(), words)
    _check(arguments)
    _check_packages()
    config = load_arguments(arguments)
    with _listener(arguments.host, arguments.port) as listener, ExitStack() as stack:
        plan = stack.enter_context(_plan(config, arguments))
        print(_banner(plan, arguments.host, listener.getsockname()[1]), flush=True)
        with suppress(KeyboardInterrupt):
            _run(plan, listener)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    for option in ("prompted_share", "shadow"):
        share = getattr(arguments, option)
        if not 0 <= share <= 1:
            name = option.replace("_", "-")
            raise UsageError(f"--{name} {share}: is no share; write a number from 0 to 1")
    if arguments.shadow and arguments.log is None:
        raise UsageError(
            f"--shadow {arguments.shadow}: the second answers are for the log; add --log FILE"
        )


def _check_packages() -> None:
    for package in ("prometheus_client", "starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise SetupError(
                f"unprompted serve needs {package}; run `pip install 'unprompted[serve]'`"
            )


def _listener(host: str, port: int) -> socket.socket:
    """The open socket, before anything is started. Raises SetupError where it is taken."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise SetupError(
            f"--host {host} --port {port}: cannot listen: {error.strerror or error}; "
            "name another one"
        ) from None


@contextmanager
def _plan(config: "Config", arguments: argparse.Namespace) -> Iterator["ServingPlan"]:
    from engine.request_builder import make_renderer
    from prompts.prompt_file import read_prompt
    from serving.pair_log import PairLog
    from serving.routing import PROMPTED, Router
    from serving.serving_app import ServedModel, ServingPlan
    from serving.student_servers import served_students, student_servers

    names = served_students(config)
    renderer = make_renderer(config, read_prompt(config.prompt, Path()))
    kwargs = renderer.template.kwargs
    with_base = bool(arguments.with_base or arguments.prompted_share or arguments.shadow)
    with ExitStack() as stack:
        log = stack.enter_context(PairLog(arguments.log)) if arguments.log else None
        targets: Mapping[str, ServedModel]
        if arguments.backend is None:
            targets = stack.enter_context(student_servers(config, names, with_base, kwargs))
        else:
            url = arguments.backend.rstrip("/").removesuffix("/v1")
            served = {name: name for name in names}
            served |= {PROMPTED: config.model.name} if with_base else {}
            targets = {name: ServedModel(url, model, kwargs) for name, model in served.items()}
        router = Router(known_prompt_of(renderer), names, arguments.prompted_share)
        yield ServingPlan(router, targets, arguments.shadow, log)


def known_prompt_of(renderer: "Renderer") -> "KnownPrompt":
    """The prompt that a run's students do without."""
    from data.rows import Row
    from serving.known_prompt import KnownPrompt, PromptTokens

    row = Row(id="question", question="?")
    unprompted = len(renderer.view_ids(row, prompted=False))
    tokens = PromptTokens(
        len(renderer.view_ids(row, prompted=True, order=())) - unprompted,
        len(renderer.view_ids(row, prompted=True)) - unprompted,
    )
    prompt, examples = renderer.prompt, renderer.example_turns()
    return KnownPrompt(prompt.system, examples, renderer.system_role, tokens)


def _banner(plan: "ServingPlan", host: str, port: int) -> str:
    address, models = f"http://{host}:{port}", ", ".join(plan.targets)
    return (
        f"{address}/v1 serves {models}; a request that begins with the prompt goes to "
        f"{plan.router.students[0]} without it\ncounters: {address}/metrics; Ctrl-C ends"
    )


def _run(plan: "ServingPlan", listener: socket.socket) -> Any:
    import uvicorn

    from serving.serving_app import make_app

    settings = uvicorn.Config(make_app(plan), log_level="warning", access_log=False)
    uvicorn.Server(settings).run(sockets=[listener])
