"""The figures as SVG for the page: rules by arm, and training over time.

Every arm keeps its colour and mark. Colours are Okabe and Ito's, safe for colour-blind readers; the
marks distinguish the arms in print.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from markupsafe import Markup

from judge.records import RuleScore, StrictScore
from report.run_files import RunFiles, TrainingFiles

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = ("#6b6b6b", "#0072b2", "#d55e00", "#009e73")  # base, teacher, student, student+prompt
_MARKS = ("o", "s", "D", "^")
_OTHERS = ("#cc79a7", "#e69f00", "#56b4e9", "#000000")  # students that were not chosen
_STYLE = {
    "svg.fonttype": "none",  # text stays text: small, searchable, in the page's font
    "svg.hashsalt": "report",  # the same figure gives the same bytes
    "text.parse_math": False,  # a dollar sign in a name does not start a formula
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

Score = StrictScore | RuleScore


def draw_forest(material: RunFiles) -> Markup | None:
    """Strict adherence and every rule with a rate, by arm, with intervals; None without scores."""
    arms, names = material.arms, [scored.id for scored in material.rules.scored_rules()]
    name = material.strict_name.removesuffix(" adherence")
    rows: dict[str, list[Score | None]] = {name: [material.strict(arm) for arm in arms]}
    rows |= {name: [material.rule(arm, name) for arm in arms] for name in names}
    shown = {
        name: scores
        for name, scores in rows.items()
        if any(score and score.rate is not None for score in scores)
    }
    if not shown:
        return None
    suffix = {scored.id: ", by the judge" for scored in material.llm_checked}
    with matplotlib.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(10, 0.9 + 0.52 * len(shown)), layout="constrained")
        for index, arm in enumerate(arms):
            _draw_arm(axes, index, arm, [scores[index] for scores in shown.values()])
        labels = [f"{name}{suffix.get(name, '')} ({_n_of(row)})" for name, row in shown.items()]
        axes.set_yticks(range(len(shown)), labels)
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.axhline(0.5, color="#999999", linewidth=0.8)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("rows that obey, in %, with 95 % interval")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper left", ncols=len(arms), handletextpad=0.3)
        return _svg(figure)


def _n_of(scores: Sequence[Score | None]) -> str:
    decided = (s.n if isinstance(s, StrictScore) else s.scored for s in scores if s)
    counts = set(decided) - {0}
    return f"n = {min(counts)}" + (f"–{max(counts)}" if len(counts) > 1 else "")


def _draw_arm(axes: Any, index: int, arm: str, scores: Sequence[Score | None]) -> None:
    heights, rates, below, above = [], [], [], []
    for line, score in enumerate(scores):
        if score is None or score.rate is None or score.low is None or score.high is None:
            continue
        heights.append(line + 0.17 * (index - 1.5))
        rates.append(100 * score.rate)
        below.append(100 * max(0.0, score.rate - score.low))
        above.append(100 * max(0.0, score.high - score.rate))
    axes.errorbar(
        rates,
        heights,
        xerr=[below, above],
        fmt=_MARKS[index],
        color=COLOURS[index],
        markersize=5,
        elinewidth=1.4,
        label=arm,
    )


def draw_training_curves(material: RunFiles) -> Markup | None:
    """Loss, val loss and strict adherence over the steps of every student; None without any."""
    if not any(training.steps for training in material.training.values()):
        return None
    with matplotlib.rc_context(_STYLE):
        figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
        titles = ("train loss", "val loss", "strict adherence on the evaluated val rows")
        units = ("nats per answer token", "nats per answer token", "%")
        for axes, title, unit in zip(panels, titles, units, strict=True):
            axes.set_title(title, fontsize=9.5, loc="left")
            axes.set_ylabel(unit)
            axes.set_xlabel("optimiser step")
            axes.xaxis.get_major_locator().set_params(integer=True)
        for name, colour in _student_colours(material).items():
            _draw_training(panels, name, material.training[name], colour)
        panels[2].set_ylim(-2, 102)
        for axes in panels[:2]:
            axes.set_ylim(0, 1.08 * axes.get_ylim()[1])  # space for the topmost mark
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=4)
        return _svg(figure)


def _student_colours(material: RunFiles) -> Mapping[str, str]:
    """The best student has its arm's colour."""
    best = material.choice.best if material.choice else None
    others = [name for name in material.training if name != best]
    colours = {name: _OTHERS[at % len(_OTHERS)] for at, name in enumerate(others)}
    if best in material.training:
        colours[str(best)] = COLOURS[2]  # drawn last, on top
    return {name: colour for name, colour in colours.items() if material.training[name].steps}


def _draw_training(panels: Any, name: str, training: TrainingFiles, colour: str) -> None:
    steps = training.steps
    series = (
        [(step.step, step.loss) for step in steps if step.loss is not None],
        [(step.step, step.val_loss) for step in steps if step.val_loss is not None],
        [(step.step, 100 * step.strict) for step in steps if step.strict is not None],
    )
    best_step = training.result.best_step if training.result else None
    for axes, pairs, mark in zip(panels, series, ("", "o", "o"), strict=True):
        places, values = [step for step, _ in pairs], [value for _, value in pairs]
        axes.plot(places, values, color=colour, marker=mark, linewidth=1.6, label=name)
        best = [value for step, value in pairs if mark and step == best_step]
        if best:
            ring = {"markersize": 12, "markerfacecolor": "none", "markeredgecolor": colour}
            axes.plot([best_step] * len(best), best, "o", **ring)


def _svg(figure: Any) -> Markup:
    """The figure without the XML declaration, which is invalid inside a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata=_METADATA)
    plt.close(figure)
    text = out.getvalue()
    return Markup(text[text.index("<svg") :])  # matplotlib escapes what it writes
