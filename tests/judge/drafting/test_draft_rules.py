"""The command: rule files drafted by a server that writes good and bad rules."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.checkout import ROOT
from config.errors import DataError, SetupError
from config.judging import ServerSettings
from config.load import load_config
from config.yaml_file import read_yaml
from data.run_paths import RunPaths
from judge.__main__ import main
from judge.drafting.draft_rules import draft_rules
from judge.drafting.offline_draft import write_offline_draft
from prompts.rules import RuleFile, load_rules
from tests.judge.drafting.draft_factory import LINK, drafted
from tests.judge.factories import SYSTEM
from tests.judge.llm.judge_factory import QUICK
from tests.judge.llm.server import Respond, Sent, Served, error, serving, verdict
from tests.judge.run_folder import make_run


def rules(*drafts: Any) -> Sent:
    return Sent(json.dumps({"rules": drafts}, ensure_ascii=False))


def part_of(body: dict[str, Any]) -> str:
    """The part of the prompt that a request asks about; empty for the probe of output modes."""
    first: str = body["messages"][0]["content"]
    if "[begin prompt" not in first:
        return ""
    return first.split("[begin prompt")[1].split("\n", 1)[1].rsplit("\n[end prompt", 1)[0]


def after_probe(respond: Callable[[dict[str, Any]], Sent]) -> Respond:
    return lambda body: respond(body) if part_of(body) else verdict()


def drafting(
    folder: Path, respond: Respond, system: str = SYSTEM, **judge: Any
) -> tuple[RuleFile, str, Served]:
    """The rules, the file's text, and what the server was asked."""
    with serving(respond) as served:
        llm = {"kind": "server", "base_url": served.url, "model": "m", "timeout_s": 2.0}
        run = make_run(folder, llm=llm, **judge)
        write_prompt(run, system)
        out = folder / "draft.yaml"
        config = load_config(run.config)
        assert isinstance(config.judge.llm, ServerSettings)
        rule_file = draft_rules(config, config.judge.llm, out, QUICK)
    assert load_rules(out, system) == rule_file  # what was written is what a run would read
    return rule_file, out.read_text("utf-8"), served


def norda_prompt() -> str:
    values = read_yaml(ROOT / "prompts/norda/system_prompt.yaml")
    return str(values["system_template"]).strip()


def write_prompt(run: RunPaths, system: str) -> None:
    values = {"system_template": system, "user_template": "{summaries}{question}"}
    (run.root / "prompt.yaml").write_text(json.dumps(values))


class TestServer:
    def test_good_and_bad_rules(self, tmp_path: Path) -> None:
        reply = rules(
            drafted(), drafted(source="Be brief."), drafted(check={"type": "x\nrules: []"}), "what"
        )
        rule_file, text, served = drafting(tmp_path, after_probe(lambda body: reply))
        assert [rule.id for rule in rule_file.rules] == ["links"]
        assert len(served.bodies) == 2 and part_of(served.bodies[1]) == SYSTEM
        assert "# rejected, quote not in the prompt: 1, the first links (Be brief.)\n" in text
        assert "# rejected, invalid check: 1," in text and "# rejected, not a rule: 1" in text
        assert "# demands of the prompt that no rule quotes: 3\n" in text
        assert "# - Answer in Russian only.\n" in text and f"# - {LINK}" not in text

    def test_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without --out the draft becomes the rule file of the settings, if there is none yet."""
        with serving(after_probe(lambda body: rules(drafted()))) as served:
            llm = {"kind": "server", "base_url": served.url, "model": "m"}
            run = make_run(tmp_path, llm=llm)
            path = run.root / "rules.yaml"
            before = path.read_bytes()
            with pytest.raises(DataError, match=r"rules\.yaml: exists and is not over"):
                main([str(run.config), "draft-rules"])
            assert path.read_bytes() == before and served.bodies == []
            path.unlink()
            assert main([str(run.config), "draft-rules"]) == 0
        assert [rule.id for rule in load_rules(path, SYSTEM).rules] == ["links"]
        printed = capsys.readouterr().out
        assert f"rules drafted: 1, in {path}; 2 requests" in printed
        assert "- Answer in Russian only." in printed

    def test_a_russian_prompt_is_asked_about_in_russian(self, tmp_path: Path) -> None:
        """The re-ask too; and the judge will ask in the language of the draft."""
        system = "Отвечай только по-русски. Не давай ссылок."
        replies = iter([Sent("Да!"), rules(drafted(source="Не давай ссылок."))])
        rule_file, text, served = drafting(
            tmp_path, after_probe(lambda body: next(replies)), system
        )
        assert rule_file.language == "ru" and "language: ru\n" in text
        first, again = (served.bodies[-1]["messages"][place]["content"] for place in (0, -1))
        assert first.startswith("Вы разбираете") and "не удалось прочитать" in again

    def test_malformed_twice_then_good(self, tmp_path: Path) -> None:
        replies = iter([Sent("Sure!"), Sent('{"rules": 3}'), rules(drafted())])
        rule_file, _, served = drafting(tmp_path, after_probe(lambda body: next(replies)))
        assert len(rule_file.rules) == 1 and len(served.bodies) == 4
        assert "could not be read" in served.bodies[-1]["messages"][-1]["content"]

    @pytest.mark.parametrize(
        "text", ["Sure!", "[]", "{}", '{"rules": {}}', '{"rules": [}', "{" * 9]
    )
    def test_malformed_for_good(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(DataError, match=r"no usable rule: .*characters \(malformed\)"):
            drafting(tmp_path, after_probe(lambda body: Sent(text)))
        assert not (tmp_path / "draft.yaml").exists()

    def test_no_rule_at_all(self, tmp_path: Path) -> None:
        """A small model writes an empty list, which is valid: the message must say so."""
        with pytest.raises(DataError, match=r"m drafted no usable rule: every list .* is empty"):
            drafting(tmp_path, after_probe(lambda body: rules()))

    def test_fenced_and_thought_over(self, tmp_path: Path) -> None:
        text = "<think>{}</think>\n```json\n" + str(rules(drafted()).text) + "\n```"
        rule_file, _, _ = drafting(tmp_path, after_probe(lambda body: Sent(text)))
        assert len(rule_file.rules) == 1

    def test_a_long_prompt_is_asked_in_parts(self, tmp_path: Path) -> None:
        lines = [f"Rule number {n} demands something of its own." * 4 for n in range(40)]
        system = "\n".join(lines)
        assert len(system) > 5300

        def respond(body: dict[str, Any]) -> Sent:
            quotes = part_of(body).splitlines()
            return rules(*(drafted(source=quote, id=quote[:14]) for quote in quotes))

        rule_file, text, served = drafting(tmp_path, after_probe(respond), system)
        assert [rule.source for rule in rule_file.rules] == lines
        assert len(served.bodies) == 5 and "that no rule quotes: 0\n" in text

    @pytest.mark.parametrize("fault", ["length", "overflow"])
    def test_too_long_is_asked_in_halves(self, tmp_path: Path, fault: str) -> None:
        """Parts of more than 60 characters fail, until whole sentences are left."""
        too_long = Sent("{", finish="length")
        if fault == "overflow":
            too_long = error(400, "This model's maximum context length is 60 tokens")

        def respond(body: dict[str, Any]) -> Sent:
            part = part_of(body)
            return too_long if len(part) > 60 else rules(drafted(source=part, id=part[:6]))

        rule_file, text, _ = drafting(tmp_path, after_probe(respond))
        sources = " ".join(rule.source for rule in rule_file.rules)
        assert "Answer in Russian only." in sources and LINK in sources
        reason = "truncated" if fault == "length" else "overflow"
        assert f"characters ({reason}): If it is off topic" in text

    def test_the_budget_holds(self, tmp_path: Path) -> None:
        system = "\n".join(f"Demand {n} is {chr(32).join([str(n)] * 600)}." for n in range(5))
        respond = after_probe(lambda body: rules(drafted(source="Demand 0 is")))
        _, text, served = drafting(tmp_path, respond, system, max_calls=2)
        assert len(served.bodies) == 2 and text.count("characters (budget)") == 4

    def test_a_wrong_key_stops(self, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match="HTTP 401"):
            drafting(tmp_path, lambda body: error(401))


class TestWithoutServer:
    @pytest.mark.parametrize("llm", ["none", "embedded"])
    def test_command(self, tmp_path: Path, llm: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Templates draft the rule file of the settings, which is not there yet."""
        run = make_run(tmp_path, llm=llm)
        path = run.root / "rules.yaml"
        path.unlink()
        assert main([str(run.config), "draft-rules"]) == 0
        kinds = [rule.check.type for rule in load_rules(path, SYSTEM).rules]
        assert kinds == ["script_share", "urls_from", "contains", "no_leak"]
        printed = capsys.readouterr().out
        assert (
            f"judge.llm: {llm}: no server" in printed and f"rules drafted: 4, in {path}" in printed
        )

    def test_labels_of_the_logs_decide(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On norda's logs every condition of the prompt has its label, so no rule needs a model."""
        monkeypatch.chdir(ROOT)
        out = tmp_path / "rules.yaml"
        assert main([str(ROOT / "config/norda.yaml"), "draft-rules", "--out", str(out)]) == 0
        conditions = {str(rule.applies) for rule in load_rules(out, norda_prompt()).rules}
        for label in ("off_topic", "danger", "not_in_manual", "vague", "claim"):
            assert any(f"'^{label}$'" in condition for condition in conditions)
        assert not any("llm='" in condition for condition in conditions)

    def test_an_existing_file_stays(self, tmp_path: Path) -> None:
        run = make_run(tmp_path)
        before = (run.root / "rules.yaml").read_bytes()
        with pytest.raises(DataError, match=r"rules\.yaml: exists and is not overwritten"):
            main([str(run.config), "draft-rules"])
        assert (run.root / "rules.yaml").read_bytes() == before

    def test_an_empty_prompt(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="prompt is empty"):
            write_offline_draft(" \n", tmp_path / "rules.yaml")
