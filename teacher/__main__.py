"""`python -m teacher CONFIG generate|select`: candidates of the prompted model, and the choice."""

from contextlib import nullcontext
from pathlib import Path

from config.command import add_changes, parser, run_command
from config.load import load_config
from config.schema import Config
from data.run import Run
from judge.scoring import judging_server
from prompts.library import load_prompt
from teacher.audit import RuleAudit, audit
from teacher.judged import stored_candidates
from teacher.select import select_all


def main() -> int:
    """Runs one action of the teacher."""
    made = parser("teacher", "The prompted model's answers, and the choice of those to learn.")
    made.add_argument(
        "action",
        choices=("generate", "select"),
        help="generate: ask the prompted model; select: choose by the rules, write audit.json",
    )
    add_changes(made)
    arguments = made.parse_args()
    config = load_config(Path(arguments.config), arguments.overrides)
    if arguments.action == "generate":
        _generate(config, arguments.accept_changes)
    else:
        _select(config)
    return 0


def _generate(config: Config, accept_changes: bool) -> None:
    from engine.vllm import VllmEngine  # heavy: only where it is used
    from teacher.generate import generate

    engine = VllmEngine(config.model.name, config.model.max_length)
    try:
        with judging_server(config) if config.teacher.judged else nullcontext() as judge:
            for arm, done in generate(config, engine, accept_changes, judge).items():
                print(
                    f"{arm}: {done.asked} asked, {done.reused} reused, "
                    f"{done.too_long} too long, {done.cut} cut"
                )
    finally:
        engine.close()


def _select(config: Config) -> None:
    prompt, rules = load_prompt(config.prompt, Path())
    found = stored_candidates(config, prompt, rules)
    selection = select_all(config, rules, found)
    for split, done in selection.items():
        print(
            f"{split}: {done.kept} answers kept for {done.rows_kept} of {done.rows} rows, "
            f"out of {done.candidates} candidates"
        )
        if done.left_out:
            reasons = ", ".join(f"{fate} {len(ids)}" for fate, ids in done.left_out.items())
            print(f"  rows left out: {reasons}; their ids are in {Run.of(config).audit}")
    made = audit(config, rules, found, selection)
    by = "code rules and the judge" if made.judged else "code rules"
    print(f"ceiling, strict on train by the {by}: {_ceiling(made.strict, config)}")


def _ceiling(strict: RuleAudit, config: Config) -> str:
    shares = {
        "base without the prompt": strict.base,
        "first candidate": strict.first,
        f"best of {config.teacher.candidates}": strict.best,
        "with repair": strict.repaired,
    }
    return ", ".join(
        f"{name} {one.value:.1%} of {one.n}"
        for name, one in shares.items()
        if one is not None and one.value is not None
    )


if __name__ == "__main__":
    run_command(main)
