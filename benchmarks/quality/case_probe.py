"""`python -m benchmarks.quality.case_probe`: can the base tell the cases of a row apart at all?

A linear probe (logistic regression, Alain & Bengio 2016, arXiv 1610.01644) reads the base's hidden
states at the last token of the unprompted view, and predicts from them which conditional rules are
due. It learns from every train row, with its true case. Where it is no better than chance on val,
a linear function of the base's states does not tell the case.
Prints the table and, on the last line, the figures as JSON. The table replaces
results/case-probe.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.quality.guided_runs import EXPERIMENTS, load_experiment
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.schema import Config
from data.records import Record
from data.rows import Row
from data.run_paths import RunPaths
from engine.models import load_base, resolve_base
from engine.request_builder import RequestBuilder, View
from judge.checks.cases import due_by_code

PROBE_RESULTS = ROOT / "benchmarks" / "results" / "case-probe.md"
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)  # of the squared weights, on standardised states
FOLDS = 5
FALSE_ALARMS = 0.05  # share of the rows where the rule is not due; the threshold is set on train


class CaseProbe(Record):
    """How well the probe tells whether one rule is due."""

    rule: str
    train_due: int
    val_due: int
    val_undue: int
    layer: int  # chosen by cross-validation on train
    auc: float  # on val; 0.5: no better than chance
    recall: float  # on val, at the threshold of FALSE_ALARMS on held-out train rows
    false_alarms: float  # on val, at that threshold


class CaseProbeFigures(Record):
    """The figures of this benchmark, by experiment."""

    experiments: dict[str, tuple[CaseProbe, ...]]


class ProbeRows(NamedTuple):
    """The rows of one split as the base sees them."""

    states: torch.Tensor  # [rows, layers, D] at the last token, standardised by train
    due: dict[str, torch.Tensor]  # rule → [rows] 0 or 1


def auc(scores: torch.Tensor, due: torch.Tensor) -> float:
    """The share of pairs of a due and an undue row in which the due one has the higher score."""
    pairs = scores[due == 1, None] - scores[None, due == 0]  # [due, undue]
    return float(((pairs > 0).double() + 0.5 * (pairs == 0).double()).mean())


def fit_logistic(states: torch.Tensor, due: torch.Tensor, penalty: float) -> torch.Tensor:
    """The weights of a logistic regression with a bias, [D + 1]; both classes weigh the same."""
    inputs = _with_bias(states)
    weights = torch.zeros(inputs.shape[1], dtype=inputs.dtype, requires_grad=True)
    balance = (len(due) - due.sum()) / due.sum()
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            inputs @ weights, due, pos_weight=balance
        )
        loss = loss + penalty * weights[:-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach()


def held_out_scores(states: torch.Tensor, due: torch.Tensor, penalty: float) -> torch.Tensor:
    """Each train row's score by a probe that did not see it, [rows]; folds hold every class."""
    fold = torch.empty(len(due), dtype=torch.long)
    for value in (0, 1):
        places = torch.nonzero(due == value).flatten()
        fold[places] = torch.arange(len(places)) % FOLDS
    scores = torch.empty_like(due)
    for number in range(FOLDS):
        weights = fit_logistic(states[fold != number], due[fold != number], penalty)
        scores[fold == number] = _with_bias(states[fold == number]) @ weights
    return scores


def probe_case(rule: str, train: ProbeRows, val: ProbeRows) -> CaseProbe:
    """Fits on train, with layer and penalty by cross-validation there, and scores val once."""
    due = train.due[rule]
    choices = [
        (layer, penalty, held_out_scores(train.states[:, layer], due, penalty))
        for layer in range(train.states.shape[1])
        for penalty in PENALTIES
    ]
    layer, penalty, train_scores = max(choices, key=lambda choice: auc(choice[2], due))
    threshold = torch.quantile(train_scores[due == 0], 1 - FALSE_ALARMS)
    weights = fit_logistic(train.states[:, layer], due, penalty)
    scores, val_due = _with_bias(val.states[:, layer]) @ weights, val.due[rule]
    alarms = scores > threshold
    return CaseProbe(
        rule=rule,
        train_due=int(due.sum()),
        val_due=int(val_due.sum()),
        val_undue=int((1 - val_due).sum()),
        layer=layer,
        auc=auc(scores, val_due),
        recall=float(alarms[val_due == 1].double().mean()),
        false_alarms=float(alarms[val_due == 0].double().mean()),
    )


def probe_experiment(config: Config) -> tuple[CaseProbe, ...]:
    """The probe of every conditional rule of a prepared experiment."""
    builder, run = RequestBuilder(config), RunPaths.of(config)
    splits = {split: run.rows(split) for split in ("train", "val")}
    states = {split: _last_states(config, builder, rows) for split, rows in splits.items()}
    mean, scale = states["train"].mean(0), states["train"].std(0).clamp_min(1e-6)
    rules = [rule.id for rule in builder.rules.conditional_rules]
    train, val = (
        ProbeRows(
            (states[split] - mean) / scale,
            {
                rule: torch.tensor(
                    [float(rule in due_by_code(builder.rules, row)) for row in rows]
                ).double()
                for rule in rules
            },
        )
        for split, rows in splits.items()
    )
    return tuple(probe_case(rule, train, val) for rule in rules)


def _last_states(config: Config, builder: RequestBuilder, rows: Sequence[Row]) -> torch.Tensor:
    """The hidden states at the last token of each unprompted view, [rows, layers, D]."""
    model, states = load_base(resolve_base(config.model)), []
    for row in rows:
        ids = torch.tensor([builder.view_ids(row, View(prompted=False))])  # [1, T]
        with torch.no_grad():
            hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        states.append(torch.stack([layer[0, -1] for layer in hidden]))  # [layers, D]
    return torch.stack(states).double()


def _with_bias(states: torch.Tensor) -> torch.Tensor:
    return torch.cat([states, torch.ones(len(states), 1, dtype=states.dtype)], 1)


def case_probe_table(probes: Sequence[CaseProbe]) -> str:
    """The probes of one experiment in Markdown."""
    lines = [
        "| rule | due in train | due in val | AUC on val | recall | false alarms | layer |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {probe.rule} | {probe.train_due} | {probe.val_due} of {probe.val_due + probe.val_undue}"
        f" | {probe.auc:.2f} | {probe.recall:.0%} | {probe.false_alarms:.0%} | {probe.layer} |"
        for probe in probes
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Probes, and prints the tables. `guided_effect generate` prepares the experiments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.case_probe", description=__doc__
    )
    parser.add_argument("--config", type=Path, nargs="+", default=EXPERIMENTS)
    configs = [load_experiment(path) for path in parser.parse_args(argv).config]
    setting = conditions(("torch", "transformers"))
    figures = CaseProbeFigures(
        experiments={config.name: probe_experiment(config) for config in configs}
    )
    tables = "\n\n".join(
        f"## {name}\n\n{case_probe_table(probes)}" for name, probes in figures.experiments.items()
    )
    text = (
        "# What the base's hidden states tell of a row's case\n\n"
        f"{setting}\n\nLogistic regression on the state at the last token of the view without the "
        "prompt. Layer and penalty are chosen by cross-validation on train; the threshold gives "
        f"{FALSE_ALARMS:.0%} false alarms on held-out train rows.\n\n{tables}\n"
    )
    publish(text, figures, PROBE_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
