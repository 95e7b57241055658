"""The cases of the worked examples: which of them show an answer of a row's kind."""

from collections.abc import Collection, Sequence

from data.rows import Context, Row
from judge.checks.check import check_context, normalised_answer
from judge.checks.kinds import run_check
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt, WorkedExample
from prompts.rules import RuleFile


class ExampleCases:
    """The case of each worked example: the conditional rules whose code check its answer passes."""

    def __init__(self, prompt: Prompt, rules: RuleFile) -> None:
        context = check_context(rules, prompt)
        checks = {
            rule.id: rule.check
            for rule in rules.conditional_rules
            if not isinstance(rule.check, LlmCheck)
        }

        def case(example: WorkedExample) -> frozenset[str]:
            row = _row(example)
            answer = normalised_answer(example.answer, rules.normalise)
            return frozenset(
                rule
                for rule, check in checks.items()
                if run_check(check, row, answer, context).passed
            )

        self._checked = frozenset(checks)
        self._cases = tuple(map(case, prompt.examples))

    def order(self, due: Collection[str], order: Sequence[int] | None) -> tuple[int, ...]:
        """The examples (in `order`; None: as written) of the case in which these rules are due.

        Without one, those of a part of the case: an ordinary answer shows at least the form.
        """
        indices = range(len(self._cases)) if order is None else order
        case = self._checked.intersection(due)
        same = tuple(index for index in indices if self._cases[index] == case)
        return same or tuple(index for index in indices if self._cases[index] < case)


def _row(example: WorkedExample) -> Row:
    contexts = tuple(Context(text=text) for text in example.contexts)
    return Row(id="example", question=example.question, contexts=contexts)
