"""Links: each case is a spelling that people or models really use."""

import pytest

from judge.checks.links import canonical_url, emails, urls, without_links


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("См. https://a.ru/x.", ["https://a.ru/x"]),
        ("[тут](https://a.ru/x), и", ["https://a.ru/x"]),
        ("[тут]( https://a.ru/x )", ["https://a.ru/x"]),
        ("[https://a.ru](https://a.ru/x)", ["https://a.ru", "https://a.ru/x"]),
        ("**https://a.ru/x**", ["https://a.ru/x"]),
        ("(https://a.ru/x_(y))", ["https://a.ru/x_(y)"]),
        ("«https://a.ru/x»;", ["https://a.ru/x"]),
        ("https://a.ru/x,https://b.ru", ["https://a.ru/x", "https://b.ru"]),
        ("https://a.ru/x\\nПодробнее", ["https://a.ru/x"]),
        (r"[тут](https://a.ru/aid\_x\_1)", ["https://a.ru/aid_x_1"]),
        ("https://a.ruhttp://b.ru/sw .", ["https://a.ru", "http://b.ru/sw"]),
        ("на hse.ru/plan. Там", ["hse.ru/plan"]),
        ("на www.hse.ru!", ["www.hse.ru"]),
        ("пишите на a.b@hse.ru", []),
        ("и т.д. и т.п.", []),
    ],
)
def test_urls(text: str, expected: list[str]) -> None:
    assert urls(text) == expected


def test_one_link_in_many_spellings() -> None:
    spellings = [
        "https://www.HSE.ru/Plan/",
        "http://hse.ru/Plan",
        "hse.ru/Plan/",
        "HTTPS://HSE.RU/%50lan",
    ]
    assert {canonical_url(url) for url in spellings} == {"hse.ru/Plan"}
    assert canonical_url("hse.ru/plan") != canonical_url("hse.ru/Plan")  # a path has case
    assert canonical_url("a.ru/?x=1&amp;y=2") == canonical_url("a.ru/?x=1&y=2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://hse.ru@evil.example/x", ["https://hse.ru@evil.example/x"]),  # not an e-mail
        ("http://[2001:db8::7]/x", ["http://[2001:db8::7]/x"]),
        ("ftp://a.ru/x и hxxps://b.ru", ["ftp://a.ru/x", "hxxps://b.ru"]),
        ("hse[.]ru/x", ["hse.ru/x"]),
        ("bit.ly/x, main.py, Socket.io, ASP.NET", ["bit.ly/x"]),
        ("evil.ex\u200bample", ["evil.example"]),
    ],
)
def test_hosts_and_what_only_looks_like_one(text: str, expected: list[str]) -> None:
    assert urls(text) == expected


def test_emails_are_no_links_and_end_before_the_full_stop() -> None:
    text = "Пишите на help@hse.ru, a.b+c@uni.example."
    assert emails(text) == ["help@hse.ru", "a.b+c@uni.example"]
    assert without_links(text) == "Пишите на  ,  ."


def test_punycode_port_and_tracking_make_no_other_link() -> None:
    assert canonical_url("https://xn--e1afmkfd.xn--p1ai/да") == canonical_url("пример.рф/да")
    assert canonical_url("https://a.ru:443/x?utm_source=b") == canonical_url("a.ru/x")
    assert canonical_url("https://a.ru:8080/x") != canonical_url("a.ru/x")
    assert canonical_url("a.ru/x?page=1&utm_source=b#c") == "a.ru/x?page=1#c"
