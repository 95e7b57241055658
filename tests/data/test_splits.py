"""Splitting by question, and leakage between splits."""

import random
from collections.abc import Callable

import pytest

from data.readers.logs import read_logs
from data.rows import Row, question_key
from data.splits import Leakage, RowKey, held_out_questions
from data.splits import measure_leakage as measure_leakage_of_keys
from tests.data.hse_logs import HSE, LOGS, needs_hse

TEXT = """
как где когда можно получить оформить справку стипендию общежитие расписание экзамен
пересдача куратор диплом практика библиотека пропуск корпус оплатить обучение договор перевод
программа конкурс заявление деканат преподаватель семинар лекция зачёт ведомость академический
отпуск восстановление грант проект курсовая научный руководитель кафедра лаборатория спортзал
столовая медпункт страховка виза иностранный студент магистратура аспирантура бакалавриат майнор
английский уровень олимпиада скидка рейтинг апелляция срок документы паспорт военный билет
"""
WORDS = TEXT.split()


def _rows(questions: list[str], prefix: str) -> list[Row]:
    return [Row(id=f"{prefix}{at}", question=text) for at, text in enumerate(questions)]


def measure_leakage(train: list[Row], other: list[Row], threshold: float) -> Leakage:
    """Of whole rows."""
    left, right = ([RowKey(row.id, question_key(row)) for row in rows] for rows in (train, other))
    return measure_leakage_of_keys(left, right, threshold)


def split_by_question(rows: list[Row], fraction: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Train and val."""
    val = held_out_questions(map(question_key, rows), fraction, seed)
    train = [row for row in rows if question_key(row) not in val]
    return train, [row for row in rows if question_key(row) in val]


def _questions(count: int, rng: random.Random) -> list[str]:
    questions: dict[str, None] = {}
    while len(questions) < count:
        questions[" ".join(rng.sample(WORDS, rng.randint(6, 11))).capitalize() + "?"] = None
    return list(questions)


def _changed(text: str, at: int) -> str:
    ways: list[Callable[[str], str]] = [
        str.upper,
        lambda text: text.replace("е", "ё").replace("Е", "Ё"),
        lambda text: "«" + text.rstrip("?") + "» — …!",
        lambda text: "  " + text.replace(" ", " \u00a0\t ") + "\n",
    ]
    return ways[at % len(ways)](text)


def _near(text: str, at: int) -> str:
    """A typo, another ending, an added word, a removed word, two swapped words."""
    words = text.rstrip("?").split()
    long = max(range(len(words)), key=lambda place: len(words[place]))
    match at % 5:
        case 0:
            words[long] = words[long][:3] + words[long][4:]
        case 1:
            words[long] = words[long][:-1] + "ах"
        case 2:
            words.append("пожалуйста")
        case 3:
            words.remove(min(words, key=len))
        case _:
            words[1:3] = words[2:0:-1]
    return " ".join(words) + "?"


def _planted(other: list[str], unrelated: list[str]) -> list[Row]:
    changed = [_changed(text, at) for at, text in enumerate(other[40:60])]
    near = [_near(text, at) for at, text in enumerate(other[60:80])]
    return _rows(other[:40] + changed + near + unrelated, "t")


def _assert_found(train: list[Row], other: list[Row]) -> None:
    leaks = measure_leakage(train, other, threshold=0.8)

    assert [(pair.train, pair.other) for pair in leaks.exact if int(pair.train[1:]) < 60] == [
        (f"t{at}", f"o{at}") for at in range(60)
    ]
    pairs = {(pair.train, pair.other) for pair in leaks.near}
    assert len(pairs & {(f"t{at}", f"o{at}") for at in range(60, 80)}) >= 18
    false = [pair for pair in (*leaks.exact, *leaks.near) if int(pair.train[1:]) >= 80]
    assert len(false) <= 0.01 * len(train)


@pytest.mark.reliability(line=13)
@pytest.mark.parametrize("seed", range(5))
def test_60_of_60_exact_and_18_of_20_near_are_found(seed: int) -> None:
    questions = _questions(1220, random.Random(seed))
    _assert_found(_planted(questions[:300], questions[300:]), _rows(questions[:300], "o"))


@needs_hse
def test_real_questions_leak_likewise() -> None:
    questions = list(
        {question_key(row): row.question for row in read_logs(LOGS, HSE).rows}.values()
    )
    questions.sort(key=lambda text: -len(text.split()))  # one-word questions have no near form
    unrelated = questions[80:]
    _assert_found(_planted(questions[:80], unrelated), _rows(questions[:80], "o"))


@pytest.mark.parametrize("at_a_time", [1, 10**6])
@pytest.mark.parametrize("near", [0.0, 0.3, 0.6, 0.8, 1.0])
def test_the_index_finds_what_comparing_all_pairs_finds(
    near: float, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many texts and pairs are handled at a time."""
    monkeypatch.setattr("data.near_duplicates._PRODUCTS", at_a_time)
    monkeypatch.setattr("data.feature_sets._CHUNK", at_a_time)
    rng = random.Random(1)
    few = WORDS[:12]  # so that many pairs are alike
    train = _rows([" ".join(rng.sample(few, rng.randint(1, 6))) for _ in range(60)], "t")
    other = _rows([" ".join(rng.sample(few, rng.randint(1, 6))) for _ in range(40)], "o")

    def alike(left: Row, right: Row) -> float:
        best = 0.0
        for cut in (str.split, lambda text: [f" {text} "[at : at + 3] for at in range(len(text))]):
            a, b = set(cut(question_key(left))), set(cut(question_key(right)))
            best = max(best, len(a & b) / len(a | b))
        return best

    held_out = {question_key(row) for row in other}
    questions: set[str] = set()
    expected = []
    for row in train:
        if question_key(row) in held_out | questions:
            continue
        questions.add(question_key(row))
        best = max(alike(row, candidate) for candidate in other)
        if best >= near and best > 0:  # sets that share nothing are never near
            expected.append((row.id, round(best, 4)))
    pairs_by_index = [
        (pair.train, pair.similarity) for pair in measure_leakage(train, other, near).near
    ]
    assert pairs_by_index == expected


def test_split_by_question() -> None:
    rng = random.Random(0)
    rows = _rows(
        [rng.choice(("Где", "где", "Где же")) + f" касса {at % 100}" for at in range(500)], "r"
    )

    train, val = split_by_question(rows, 0.2, seed=7)

    sides = [{question_key(row) for row in side} for side in (train, val)]
    assert not sides[0] & sides[1]
    assert len(sides[1]) == round(0.2 * len(sides[0] | sides[1]))
    assert sorted(train + val, key=lambda row: int(row.id[1:])) == rows
    shuffled = rng.sample(rows, len(rows))
    assert {row.id for row in split_by_question(shuffled, 0.2, seed=7)[1]} == {
        row.id for row in val
    }
    assert {row.id for row in split_by_question(rows, 0.2, seed=0)[1]} != {row.id for row in val}


@pytest.mark.parametrize(("fraction", "held_out"), [(0.0, 0), (0.01, 1), (0.99, 4), (1.0, 5)])
def test_neither_side_is_empty_unless_asked_for(fraction: float, held_out: int) -> None:
    rows = _rows(["один", "два", "три", "четыре", "пять"], "r")
    train, val = split_by_question(rows, fraction, seed=0)
    assert (len(train), len(val)) == (5 - held_out, held_out)
