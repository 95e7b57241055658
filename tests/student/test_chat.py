"""A chat with trained students: their view, their answers, the terminal and the pipe."""

import io
import re
from pathlib import Path

import pytest

from config.checkout import ROOT
from config.errors import ConfigError, DataError
from config.load import load_config
from config.schema import Config
from data.rows import Context, Row, Turn
from engine.base import Completion, Request
from engine.hf_generation import greedy_answers
from engine.request_builder import RequestBuilder, View
from prompts.serving_template import serving_template
from student.chat import answer_lines, main, talk
from student.chat_model import OnText, open_chat_model
from student.chat_session import ChatSession
from tests.judge.llm.server import Sent, serving
from tests.student.chat_settings import LIMIT, chat_settings
from tests.student.conftest import TrainStudent
from tests.student.trained_students import ANSWER, END

QUESTIONS = ("Say hi.", "Name a colour.")


@pytest.fixture
def config(
    small: str, learn: TrainStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Config:
    """A run with a LoRA student that answers ANSWER to everything."""
    monkeypatch.chdir(ROOT)
    return load_config(chat_settings(tmp_path, small, learn("lora").served))


@pytest.mark.parametrize("name", ["lora", "p_tuning", "prefix_tuning"])
def test_the_streamed_answer_is_that_of_a_run(
    name: str, small: str, learn: TrainStudent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `predict` and the evaluation generate it, virtual tokens included."""
    monkeypatch.chdir(ROOT)
    student = learn(name)
    config = load_config(chat_settings(tmp_path, small, student.served))
    model, parts = open_chat_model(config, "student/s"), list[str]()
    question = ChatSession(config, prompted=False).ask(QUESTIONS[0])
    completion = model.answer(question.request, parts.append)
    prompt = question.request.prompt_ids
    (expected,) = greedy_answers(student.model, [prompt], END, LIMIT)
    assert [token for token in completion.token_ids if token != END] == expected
    assert "".join(parts) == completion.text
    if name == "lora":
        assert (completion.text, completion.finish) == (ANSWER, "stop")
        assert len(parts) > 1  # word by word


def test_a_student_with_weights_of_its_own(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After full fine-tuning there is no adapter: its folder holds a whole model, here the base."""
    monkeypatch.chdir(ROOT)
    config = load_config(chat_settings(tmp_path, small, Path(small)))
    request = ChatSession(config, prompted=False).ask(QUESTIONS[0]).request
    texts = {
        open_chat_model(config, arm).answer(request, lambda text: None).text
        for arm in ("student/s", "base", "teacher")
    }
    assert len(texts) == 1 and texts != {""}


def test_the_student_sees_the_view_that_it_was_trained_on(config: Config) -> None:
    """Passages and earlier turns included, and the same as behind the serving template."""
    conversation, builder = ChatSession(config, prompted=False), RequestBuilder(config)
    assert conversation.add_context("The desk opens at 9.") == 1
    first = conversation.ask("When?")
    conversation.add_answer(first, "At 9.")
    second = conversation.ask("And on Sunday?")
    passage = (Context(text="The desk opens at 9."),)
    turn = Turn(question="When?", answer="At 9.", contexts=passage)
    rows = [
        Row(id="1", question="When?", contexts=passage),
        Row(id="2", question="And on Sunday?", history=(turn,)),
    ]
    for question, row in zip((first, second), rows, strict=True):
        assert question.request.prompt_ids == builder.view_ids(row, View(prompted=False))
        served = builder.renderer.tokenizer.apply_chat_template(
            builder.renderer.messages(row, prompted=True),  # a client that goes on sending it
            chat_template=serving_template(builder.renderer),
            add_generation_prompt=True,
            return_dict=False,
        )
        assert question.request.prompt_ids == tuple(served)
    conversation.reset()
    alone = Row(id="3", question="Hello?")
    ids = builder.view_ids(alone, View(prompted=False))
    assert conversation.ask("Hello?").request.prompt_ids == ids
    prompted = ChatSession(config, prompted=True).ask("Hello?")
    assert prompted.request.prompt_ids == builder.view_ids(alone, View(prompted=True))


def test_one_question_a_line_has_one_answer_a_line(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line stands alone, so the same question has the same answer wherever it stands."""
    settings = str(Path(config.runs) / "c.yaml")
    lines = f"{QUESTIONS[0]}\n\n/context A passage.\n{QUESTIONS[1]}\n{QUESTIONS[0]}"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert main([settings]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [ANSWER, ""]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{QUESTIONS[0]}\n/quit\nnever asked"))
    assert main([settings, "--arm", "base", "predict.sampling.max_tokens=2"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and ANSWER not in captured.out
    assert "line 1: cut at predict.sampling.max_tokens" in captured.err


def test_input_that_is_no_text(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, no traceback. The mark that Windows writes in front of UTF-8 is no text."""
    settings = str(Path(config.runs) / "c.yaml")
    stdin = io.TextIOWrapper(io.BytesIO(b"caf\xe9?\n"), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(DataError, match=r"standard input: .*; questions are read as UTF-8"):
        main([settings])
    model = Scripted(["a", "b"])
    answer_lines(model, ChatSession(config, prompted=False), ["\ufeffone\n", "one\n"])
    assert model.requests[0] == model.requests[1]


class Scripted:
    """A model that answers with the number of its request."""

    place = "here"

    def __init__(self, answers: list[str]) -> None:
        self.requests: list[tuple[int, ...]] = []
        self._answers = answers

    def answer(self, request: Request, on_text: OnText) -> Completion:
        """The next answer, in two parts."""
        self.requests.append(request.prompt_ids)
        text = self._answers.pop(0)
        on_text(text[:1])
        on_text(text[1:])
        return Completion(request.key, text, (5,), "stop")


def test_line_breaks_stay_in_their_line(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the third answer could not be told from the second line of the second."""
    model = Scripted(["a\nb\\n", "\x1b[2Jc"])
    answer_lines(model, ChatSession(config, prompted=False), ["one\n", "two\n"])
    assert capsys.readouterr().out == "a\\nb\\\\n\n\\x1b[2Jc\n"


def test_a_terminal_keeps_the_turns(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """Until /reset; mistakes are told and nothing is asked."""
    model = Scripted(["first", "second", "third"])
    typed = ["one", "", "/rest", "two", "/context", "/tag a=b", "/reset", "one", "/quit", "never"]
    lines = iter(typed)
    with pytest.raises(EOFError):
        talk(model, ChatSession(config, prompted=False), lambda: next(lines))
    first, second, third = model.requests
    assert first == third != second and len(second) > len(first) + 5
    output = capsys.readouterr().out
    assert output.startswith("first\nno such command: /rest\n")
    assert "second\n/context: no text; write the passage behind it\n" in output
    assert "/tag a: no tag of the user turn; prompt.tags is empty\n" in output
    assert output.endswith("third\n")


def test_a_chat_that_is_too_long_says_what_to_do(config: Config) -> None:
    conversation = ChatSession(config, prompted=False)
    with pytest.raises(DataError, match=r"model\.max_length = 2048 .* /reset forgets"):
        conversation.ask("word " * 3000)
    for _ in range(40):
        conversation.add_context("passage " * 100)
    assert conversation.ask("Short?").dropped > 0  # as in a run: from the end


def test_tags_of_the_user_turn(config: Config) -> None:
    """A student trained with tags is asked with them."""
    prompt = config.prompt.model_copy(update={"tags": ("campus",)})
    conversation = ChatSession(config.model_copy(update={"prompt": prompt}), prompted=False)
    plain = conversation.ask("When?").request.messages[-1]["content"]
    conversation.set_tag("campus", "north")
    tagged = conversation.ask("When?").request.messages[-1]["content"]
    assert tagged == f"campus: north\n{plain}"
    with pytest.raises(DataError, match="/tag city: no tag of the user turn; it has campus"):
        conversation.set_tag("city", "x")


@pytest.mark.parametrize(
    ("arm", "line"),
    [
        ("student/t", "--arm student/t: no such arm; did you mean student/s?"),
        (
            "s",
            "--arm s: no such arm; did you mean student/s? It is one of base, teacher, student/s",
        ),
        ("xyzzy", "--arm xyzzy: no such arm; it is one of base, teacher, student/s"),
    ],
)
def test_an_unknown_arm_is_one_line(config: Config, arm: str, line: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(line)):
        open_chat_model(config, arm)


def test_without_a_trained_student_the_way_out_is_a_run(small: str, tmp_path: Path) -> None:
    settings = chat_settings(tmp_path, small)
    with pytest.raises(DataError, match=r"choice\.json: not there"):
        main([str(settings)])
    with pytest.raises(DataError, match="not trained yet; run `unprompted run CONFIG` first"):
        open_chat_model(load_config(settings), "student/s")
    batch = load_config(
        settings, ["teacher.engine={kind: batch, model: m}", "teacher.sampling.logprobs=null"]
    )
    with pytest.raises(ConfigError, match=r"teacher\.engine = batch answers in files"):
        open_chat_model(batch, "teacher")


def test_a_teacher_behind_a_server(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent the chat with the prompt; its answer comes whole."""
    monkeypatch.chdir(ROOT)
    settings = chat_settings(tmp_path, small)
    with serving(lambda body: Sent("From afar.")) as served:
        engine = f"{{kind: openai, base_urls: [{served.url}], model: m, api_key_env: NO_KEY}}"
        words = [f"teacher.engine={engine}", "teacher.sampling.logprobs=null"]
        config = load_config(settings, words)
        model, parts = open_chat_model(config, "teacher"), list[str]()
        question = ChatSession(config, prompted=True).ask("When?")
        assert model.answer(question.request, parts.append).text == "From afar."
        (body,) = served.bodies
    assert parts == ["From afar."] and model.place == "m on its server"
    assert body["messages"][0]["role"] == "system" and "When?" in body["messages"][-1]["content"]
