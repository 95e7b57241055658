"""What is quoted of a server: its message, short, without keys."""

import pytest

from wire.server_words import error_words, quoted

SECRET = "my-company-key-0815"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "No such model.", "type": "x"}}', "No such model."),
        ('[{"error": {"code": 400, "message": "API key not valid."}}]', "API key not valid."),
        ('{"error": "overloaded"}', "overloaded"),
        ('{"object": "error", "message": "too long"}', "too long"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}', "Extra inputs"),
        (
            '{"error": {"message": "Provider error", "metadata": {"raw": "busy"}}}',
            "Provider error (busy)",
        ),
        ("<html><title>502</title>\n\n</html>", "<html><title>502</title> </html>"),
        ("", ""),
        ('{"status": 400}', '{"status": 400}'),
    ],
)
def test_the_message_in_every_form(body: str, words: str) -> None:
    assert error_words(body) == words


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect key {SECRET}",
        f"Incorrect key {SECRET[:10]}…",
        f"Incorrect key …{SECRET[-8:]}",
        "Incorrect key sk-proj-abcdef0815",
        "Bearer abcdef0815",
        "AIzaSyAbcdef0815xyz is invalid",
        "https://user:pass-0815@host/v1 refused",
    ],
)
def test_keys_are_masked(text: str) -> None:
    shown = quoted(text, SECRET)
    assert "***" in shown and "0815" not in shown and "company" not in shown


def test_plain_words_are_not_masked() -> None:
    text = (
        "Unsupported parameter: 'max_tokens'. Bearer token missing; basic information: task-based."
    )
    assert quoted(text, SECRET) == text


def test_one_short_line() -> None:
    shown = quoted("a\r\nb\x1b[31m\u2028\x00" + "x" * 9999)
    assert shown.startswith("a b [31m x") and len(shown) < 250 and shown.isprintable()
