"""Several samples of one verdict, and what the majority of them says."""

from collections import Counter
from collections.abc import Sequence

from judge.llm.reask import Ruling


def majority(samples: Sequence[Ruling]) -> Ruling:
    """The verdict of most samples; missing unless more than half of them decided, `tie` at a draw.

    With too few decided, the reason is the most frequent of the others', the first of equals.
    """
    if len(samples) == 1:
        return samples[0]
    votes = Counter(sample.verdict for sample in samples if sample.verdict is not None)
    if 2 * votes.total() <= len(samples):
        undecided = [sample for sample in samples if sample.verdict is None]
        reason = Counter(sample.reason for sample in undecided).most_common(1)[0][0]
        first = next(sample for sample in undecided if sample.reason == reason)
        return first._replace(note=f"{votes.total()} of {len(samples)} decided; {first.note}")
    (best, most), *others = votes.most_common()
    if others and others[0][1] == most:
        return Ruling(None, "tie", f"{most} of {len(samples)} samples on either side")
    first = next(sample for sample in samples if sample.verdict == best)
    return first._replace(note=f"{most} of {len(samples)}; {first.note}")
