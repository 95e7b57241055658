"""Arms of several runs: matched row by row, ranked, compared in pairs, refused where unlike."""

import json
from pathlib import Path

import pytest

from config.errors import DataError
from data.rows import Row
from data.run_paths import RunPaths
from judge.__main__ import main
from judge.compare_runs import RunComparison, compare_runs
from tests.judge.factories import llm_check, make_row, make_rule
from tests.judge.llm.server import serving, verdict
from tests.judge.run_folder import BRIEF, LINK, answer_val, make_run

POLITE = make_rule(llm_check(), id="polite")
ROWS = [make_row(f"r{n}", passages=(f"passage {n}",)) for n in range(20)]


def texts(spelt: str) -> list[str]:
    """p passes, f fails."""
    return ["a link" if letter == "p" else "nothing" for letter in spelt]


def judged_run(folder: Path, name: str, rows: list[Row], arms: dict[str, str]) -> RunPaths:
    """A run that has been judged; an arm's outcomes are spelt p and f, a letter a row."""
    run = make_run(folder, name=name)
    answer_val(run, rows, {arm: texts(spelt) for arm, spelt in arms.items()})
    assert main([str(run.config), "score"]) == 0
    return run


def renamed(rows: list[Row]) -> list[Row]:
    """The same rows as another run reads them: other ids, other case and dots, another order."""
    return [
        row.model_copy(update={"id": f"x{n}", "question": row.question.upper().strip("?")})
        for n, row in enumerate(rows)
    ][::-1]


class TestRows:
    def test_ids_and_order_do_not_matter(self, tmp_path: Path) -> None:
        """The same answers to the same rows, read differently: every difference is zero."""
        spelt = "ppfpfffpppfpfpfpffpp"
        first = judged_run(tmp_path, "one", ROWS, {"base": spelt})
        second = judged_run(tmp_path, "two", renamed(ROWS), {"base": spelt[::-1]})
        comparison = compare_runs([first.root, second.root])
        (behind,) = [ranked.against_first for ranked in comparison.arms if ranked.against_first]
        assert (comparison.rows, behind.n, behind.better, behind.worse) == (20, 20, 0, 0)
        assert comparison.arms[0].strict == comparison.arms[1].strict

    def test_only_common_rows_count(self, tmp_path: Path) -> None:
        """Rows 5 … 14 are in both runs; another passage makes another row."""
        first = judged_run(tmp_path, "one", ROWS[:15], {"base": "f" * 5 + "p" * 10})
        other = [*ROWS[5:], make_row("r0", passages=("changed",))]
        second = judged_run(tmp_path, "two", other, {"base": "p" * 5 + "f" * 11})
        comparison = compare_runs([first.root, second.root])
        assert comparison.rows == 10 and comparison.runs == {"one": 15, "two": 16}
        assert [(p.arm, p.strict.rate, p.strict.n) for p in comparison.arms] == [
            ("one/base", 1.0, 10),
            ("two/base", 0.5, 10),
        ]

    def test_rows_asked_twice_are_told_apart_by_id(self, tmp_path: Path) -> None:
        """Two rows alike in words, answered differently, in one order here and another there."""
        twice = [row.model_copy(update={"question": "Same?", "contexts": ()}) for row in ROWS[:2]]
        first = judged_run(tmp_path, "one", twice, {"base": "pf"})
        second = judged_run(tmp_path, "two", twice[::-1], {"base": "fp"})
        (behind,) = [
            ranked.against_first
            for ranked in compare_runs([first.root, second.root]).arms
            if ranked.against_first
        ]
        assert (behind.n, behind.better, behind.worse) == (2, 0, 0)

    def test_nothing_in_common(self, tmp_path: Path) -> None:
        first = judged_run(tmp_path, "one", ROWS[:5], {"base": "ppppp"})
        second = judged_run(tmp_path, "two", ROWS[5:10], {"base": "ppppp"})
        with pytest.raises(DataError, match="share no answered row"):
            compare_runs([first.root, second.root])


class TestTable:
    @pytest.fixture
    def runs(self, tmp_path: Path) -> list[RunPaths]:
        outcomes = {"base": "f" * 20, "student/a": "p" * 18 + "ff"}
        two = {"base": "f" * 19 + "p", "student/a": "f" * 4 + "p" * 16}
        return [
            judged_run(tmp_path, "one", ROWS, outcomes),
            judged_run(tmp_path, "two", renamed(ROWS), {a: s[::-1] for a, s in two.items()}),
        ]

    def test_ranks_and_holm(self, runs: list[RunPaths]) -> None:
        """Against 18 of 20: 16 (2 better, 4 worse), 1 (1 and 18), 0 (0 and 18)."""
        comparison = compare_runs([run.root for run in runs])
        assert [ranked.arm for ranked in comparison.arms] == [
            "one/student/a",
            "two/student/a",
            "two/base",
            "one/base",
        ]
        behind = [ranked.against_first for ranked in comparison.arms if ranked.against_first]
        assert [(b.better, b.worse) for b in behind] == [(2, 4), (1, 18), (0, 18)]
        p_values = [b.p for b in behind if b.p is not None]
        assert [b.p_holm for b in behind] == pytest.approx(
            [p_values[0], 2 * p_values[1], 3 * p_values[2]]
        )
        for b in behind:  # interval and p-value are of one procedure, with the same correction
            assert b.p is not None and b.low is not None and b.high is not None
            assert (b.p < 0.05) == (b.low > 0 or b.high < 0)

    def test_the_first_arm_is_corrected_for_being_the_first(self, runs: list[RunPaths]) -> None:
        """18 of 20, less what four arms of which two are close make of it; the others as measured,
        and all differences to the first shrink by it."""
        comparison = compare_runs([run.root for run in runs])
        rates = [ranked.strict.rate for ranked in comparison.arms]
        assert 0.01 < comparison.optimism < 0.1
        assert rates == pytest.approx([0.9 - comparison.optimism, 0.8, 0.05, 0.0])
        behind = [ranked.against_first for ranked in comparison.arms if ranked.against_first]
        differences = [-0.1, -0.85, -0.9]
        assert [b.difference for b in behind] == pytest.approx(
            [difference + comparison.optimism for difference in differences]
        )

    def test_command(self, runs: list[RunPaths], capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        out = runs[0].root / "comparison.json"
        assert main(["compare", *(str(run.root) for run in runs), "--json", str(out)]) == 0
        comparison = RunComparison.model_validate_json(out.read_bytes())
        assert comparison == compare_runs([run.root for run in runs])
        printed = capsys.readouterr().out.splitlines()
        assert "20 rows in common" in printed[0]
        points = 100 * comparison.optimism
        assert printed[2].split()[:3] == ["1", "one/student/a", f"{90 - points:.1f}%"]
        assert f"{points - 10:.1f} points" in printed[3] and "on 20 rows, p = " in printed[3]
        assert printed[-1] == (
            "The first arm is the best of 4 on these rows: for that choice "
            f"{points:.1f} points are taken off its rate and its lead."
        )

    def test_one_run_is_ranked_too(self, runs: list[RunPaths]) -> None:
        arms = compare_runs([runs[0].root]).arms
        assert [ranked.arm for ranked in arms] == ["one/student/a", "one/base"]

    def test_equal_names_are_told_apart(self, runs: list[RunPaths], tmp_path: Path) -> None:
        other = judged_run(tmp_path / "more", "one", ROWS, {"base": "p" * 20})
        comparison = compare_runs([runs[0].root, other.root])
        assert comparison.arms[0].arm == f"{other.root}/base"
        with pytest.raises(DataError, match="named twice"):
            compare_runs([runs[0].root, runs[0].root])


class TestJudges:
    def test_code_alone_is_one_judge(self, tmp_path: Path) -> None:
        runs = [judged_run(tmp_path, name, ROWS, {"base": "p" * 20}) for name in ("one", "two")]
        assert compare_runs([run.root for run in runs]).judge_differences == ()

    def test_what_differs_is_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The same model at another temperature is another judge."""
        runs = []
        with serving(lambda body: verdict("pass")) as served:
            llm = {"kind": "server", "base_url": served.url, "model": "m"}
            for name, judge in (("one", {}), ("two", {"temperature": 0.5})):
                run = make_run(tmp_path, (LINK, POLITE), name=name, llm=llm, **judge)
                answer_val(run, ROWS, {"base": texts("p" * 20)})
                assert main([str(run.config), "score"]) == 0
                runs.append(run)
        comparison = compare_runs([run.root for run in runs])
        assert comparison.judges == ("m",)
        assert comparison.judge_differences == ("temperature", "samples")
        capsys.readouterr()
        assert main(["compare", *(str(run.root) for run in runs)]) == 0
        assert "judged by m, with another temperature, samples: that may" in capsys.readouterr().out

    def test_scores_of_before_do_not_say(self, tmp_path: Path) -> None:
        runs = [judged_run(tmp_path, name, ROWS, {"base": "p" * 20}) for name in ("one", "two")]
        scores = json.loads(runs[1].scores.read_text("utf-8"))
        del scores["fingerprint"]
        runs[1].scores.write_text(json.dumps(scores), "utf-8")
        assert compare_runs([run.root for run in runs]).judge_differences == ("fingerprint",)


class TestRefusals:
    def test_other_rules(self, tmp_path: Path) -> None:
        first = judged_run(tmp_path, "one", ROWS, {"base": "p" * 20})
        second = make_run(tmp_path, (LINK, BRIEF), name="two")
        answer_val(second, ROWS, {"base": texts("p" * 20)})
        assert main([str(second.config), "score"]) == 0
        with pytest.raises(DataError, match=r"two was judged by rules \w{12}….*one rule file"):
            main(["compare", str(first.root), str(second.root)])

    def test_other_slices_are_the_same_rules(self, tmp_path: Path) -> None:
        first = judged_run(tmp_path, "one", ROWS, {"base": "p" * 20})
        second = make_run(tmp_path, name="two")
        path = second.root / "rules.yaml"
        path.write_text(path.read_text("utf-8").replace("slices: []", "slices: [labels]"))
        answer_val(second, ROWS, {"base": texts("p" * 20)})
        assert main([str(second.config), "score"]) == 0
        assert len(compare_runs([first.root, second.root]).arms) == 2

    def test_not_judged(self, tmp_path: Path) -> None:
        run = make_run(tmp_path)
        with pytest.raises(DataError, match="judge CONFIG score"):
            main(["compare", str(run.root)])

    @pytest.mark.parametrize("file", ["rules", "scores"])
    def test_torn_files(self, tmp_path: Path, file: str) -> None:
        run = judged_run(tmp_path, "one", ROWS, {"base": "p" * 20})
        path = getattr(run, file)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match="again"):
            compare_runs([run.root])

    def test_verdicts_on_rows_that_are_gone(self, tmp_path: Path) -> None:
        run = judged_run(tmp_path, "one", ROWS, {"base": "p" * 20})
        lines = run.split("val").read_text("utf-8").splitlines(keepends=True)
        run.split("val").write_text("".join(lines[1:]))
        with pytest.raises(DataError, match="'r0'"):
            compare_runs([run.root])
