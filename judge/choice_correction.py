"""What the choice of the best student on the rows that score it took off its scores."""

from data.records import Record


class ChoiceCorrection(Record):
    """The choice of the best student on the rows that score it, and what that took off its scores.

    Its strict scores, its differences to other arms and its gap closed are stored corrected.
    """

    student: str  # arm
    tried: int  # students that it was chosen from, itself included
    # during its training, from which its checkpoint was chosen; 1: there was one, or they are not
    # on record and the choice of the checkpoint is not corrected
    evaluations: int = 1
    optimism: float  # share of rows; 0 where nothing was chosen
    trials: int = 0  # of the search that it won; 0: it won none
    # ids of the val rows that no trial was evaluated on, which alone score the winner of a search;
    # None: all rows do
    unseen: tuple[str, ...] | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was tried and what the correction took off, in words; none where one was trained."""
        name, sentences = self.student.removeprefix("student/"), []
        choices = []
        if self.tried > 1:
            choices.append(f"{name} is the best of {self.tried} students on these rows")
        if self.evaluations > 1 and self.unseen is None:
            whose = "its checkpoint is" if choices else f"the checkpoint of {name} is"
            choices.append(
                f"{whose} the best of {self.evaluations} evaluations on some of these rows"
            )
        if choices:
            sentences.append(
                f"{' and '.join(choices)}: for that choice "
                f"{100 * self.optimism:.1f} points are taken off its strict rate and its "
                "differences, and its share of the gap is reduced accordingly."
            )
        if self.trials > 1 and self.unseen is not None:
            sentences.append(
                f"{name} won a search of {self.trials} trials: it is scored on the "
                f"{len(self.unseen)} val rows that no trial looked at."
            )
        elif self.trials > 1:
            sentences.append(
                f"{name} won a search of {self.trials} trials, which looked at all val rows: its "
                "number is too high, by how much is not known. Give val at least 20 questions and "
                "search again: half of them are then held out."
            )
        return tuple(s[:1].upper() + s[1:] if s.startswith("the ") else s for s in sentences)
