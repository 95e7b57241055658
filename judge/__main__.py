"""`unprompted judge CONFIG ACTION …`: the judge's actions and their arguments.

Light on purpose: each action imports its own module when it runs, so `--help` is fast.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from config.cli import add_run_arguments, load_arguments, parse_arguments, run_command
from config.command_parser import CommandParser, command_parser, plain_parser
from config.console import print

if TYPE_CHECKING:
    from config.schema import Config

COMPARE = "unprompted judge compare"
COMPARE_HELP = "compare arms of several judged runs on the rows that all of them share"


def main(words: Sequence[str] | None = None) -> int:
    """Runs one action and returns its exit code; `words` None: the process's own arguments."""
    words = sys.argv[1:] if words is None else words
    if list(words[:1]) == ["compare"]:  # reads several runs, so it takes no CONFIG
        return _compare(words[1:])
    arguments = parse_arguments(judge_parser(), words)
    config = load_arguments(arguments)
    from data.file_lock import claim
    from data.run_paths import RunPaths

    # every other action writes into the judge's folder, or reads there what another one writes
    is_outside = arguments.action in ("try-rules", "accept-prompt")
    parts = () if is_outside or getattr(arguments, "dry_run", False) else ("judge",)
    with claim(RunPaths.of(config).root, *parts):
        return _run_action(config, arguments)


def judge_parser() -> CommandParser:
    """The parser of all actions that take a CONFIG."""
    parser = command_parser(
        "judge",
        "Scores answers by the rules and calibrates the scores.",
        "my.yaml score",
        "my.yaml calibrate --code",
        "my.yaml gate",
        "compare runs/a runs/b  (without CONFIG)",
    )
    actions = parser.add_actions(
        {
            "score": "score every arm's answers; exit code 3: too many missing verdicts",
            "calibrate": "compare the judge with human labels, mutated answers and attacks",
            "draft-rules": "draft rules of the system prompt, by judge.llm or by templates",
            "try-rules": "run the rules on the logged answers; needs no model and no earlier run",
            "accept-prompt": "write the hash of a changed prompt into its rule file",
            "gate": "check the best student against judge.gate: 0 passed, 1 failed, "
            "3 inconclusive, 4 not calibrated",
            "export-for-labelling": "write a random sample of an arm's answers as a CSV sheet",
            "import-labels": "read a labelled sheet and estimate the arm's rate of good answers",
        }
    )
    _add_score_options(actions["score"])
    actions["calibrate"].add_argument(
        "--code", action="store_true", help="code rules only; asks no model"
    )
    actions["draft-rules"].add_argument(
        "--out", metavar="FILE", help="where to write; default: prompt.rules of CONFIG"
    )
    export = actions["export-for-labelling"]
    export.add_argument("--arm", required=True, help="base, teacher, student/NAME, logged/NAME, …")
    export.add_argument("--rows", required=True, type=int, metavar="N", help="answers to label")
    export.add_argument(
        "--rule", metavar="RULE", help="a rule to judge the answers by; default: good or bad"
    )
    actions["import-labels"].add_argument(
        "sheet", metavar="SHEET", type=Path, help="the filled-in CSV file"
    )
    for action in actions.values():
        add_run_arguments(action)
    return parser


def _add_score_options(score: CommandParser) -> None:
    score.add_argument(
        "--split",
        choices=("val", "hidden"),
        default="val",
        help="rows to score; rules that need labels are left out on hidden (default: val)",
    )
    asks = score.add_mutually_exclusive_group()
    asks.add_argument(
        "--reparse",
        action="store_true",
        help="only parse the stored replies again; needs no server",
    )
    asks.add_argument(
        "--retry-missing",
        action="store_true",
        help="also ask again where a stored reply gave no verdict",
    )
    score.add_argument("--max-calls", type=int, metavar="N", help="same as judge.max_calls=N")
    score.add_argument("--max-cost", type=float, metavar="X", help="same as judge.max_cost=X")
    score.add_argument(
        "--dry-run", action="store_true", help="print calls, tokens and cost; ask nothing"
    )


def _run_action(config: "Config", arguments: argparse.Namespace) -> int:
    match arguments.action:
        case "score":
            from judge.score import score_command as command
        case "calibrate":
            from judge.calibration.calibrate import calibrate_command as command
        case "draft-rules":
            from judge.drafting.draft_rules import draft_rules_command as command
        case "try-rules":
            from judge.try_rules.try_rules import try_rules_command as command
        case "accept-prompt":
            from prompts.accept_prompt import accept_prompt

            print(accept_prompt(config))
            return 0
        case "gate":
            from judge.gate.command import gate_command as command
        case "export-for-labelling":
            from judge.annotation.export import export_command as command
        case _:
            from judge.annotation.import_labels import import_labels_command as command
    return command(config, arguments)


def _compare(words: Sequence[str]) -> int:
    parser = plain_parser("judge compare", COMPARE_HELP, "runs/a runs/b --json ab.json")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a judged run")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers there")
    arguments = parser.parse_intermixed_args(words)
    from judge.compare_runs import compare_command

    return compare_command(arguments)


if __name__ == "__main__":
    run_command(main)
