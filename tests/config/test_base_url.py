"""Addresses of servers: a malformed one is one line at load, a secret in one is never repeated."""

import logging
from pathlib import Path

import pytest
import yaml

from config.errors import ConfigError, SetupError
from config.judging import ServerSettings
from config.load import load_config
from config.url_secrets import masked_settings, masked_urls

DEMO = Path(__file__).parent.parent.parent / "config/demo.yaml"
SECRET = "hunter2"
SETTINGS = {
    "judge.llm": "judge.llm={{kind: server, model: m, base_url: {0}}}",
    "judge.second": "judge.second={{model: n, base_url: {0}}}",
    "teacher.engine": "teacher.engine={{kind: openai, model: m, base_urls: [http://a/v1, {0}]}}",
}
FIRST = "judge.llm={kind: server, model: m, base_url: 'http://a.invalid/v1'}"


def refused(setting: str, url: str) -> str:
    override = SETTINGS[setting].format(f'"{url}"')
    with pytest.raises(ConfigError) as error:
        load_config(DEMO, [FIRST, "teacher.sampling.logprobs=null", override])
    line = str(error.value)
    assert "\n" not in line and setting in line and "base_url" in line
    return line


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "does not begin with http:// or https://"),
        ("host:8000/v1", "does not begin with http://"),
        ("//host/v1", "does not begin with http://"),
        ("ftp://host/v1", "does not begin with http://"),
        ("http//host/v1", "does not begin with http://"),
        ("http://my host/v1", "holds a space"),
        (" http://host/v1", "holds a space"),
        ("http://host/v1\\n", "holds a space or a control character"),
        ("http://ho\\u200bst/v1", "holds a space or a control character"),
        ("http:///v1", "has no valid host or port"),
        ("http://:8000/v1", "has no valid host or port"),
        ("http://a..b/v1", "has no valid host or port"),
        ("http://[::1/v1", "has no valid host or port"),
        ("http://[zz]/v1", "has no valid host or port"),
        ("https://…/v1", "has no valid host or port"),
        ("http://host:99999/v1", "has no valid host or port"),
        ("http://host:0/v1", "has no valid host or port"),
        ("http://host:80a/v1", "has no valid host or port"),
        ("http://host/v1/chat/completions", "which the program adds itself"),
        ("http://host/v1/chat/completions/", "which the program adds itself"),
    ],
)
def test_a_malformed_one_is_one_line(setting: str, url: str, problem: str) -> None:
    line = refused(setting, url)
    assert problem in line and "write it like http://host:8000/v1" in line


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("url", "fix"),
    [
        (f"http://user:{SECRET}@host/v1", "remove them up to the @"),
        (f"http://{SECRET}@host/v1", "remove them up to the @"),
        (f"http://user:a/{SECRET}@host/v1", "remove them up to the @"),
        (f"http://user:a {SECRET}@host/v1", "remove them up to the @"),
        (f"user:{SECRET}@host", "remove them up to the @"),
        (f"http://host/v1?key={SECRET}", "holds a query or a fragment; remove it"),
        (f"http://host/v1#{SECRET}", "holds a query or a fragment; remove it"),
    ],
)
def test_a_secret_is_not_repeated(setting: str, url: str, fix: str) -> None:
    line = refused(setting, url)
    assert SECRET not in line and fix in line and "api_key_env" in line


@pytest.mark.parametrize(
    "override",
    [
        f"judge.llm={{kind: server, base_url: 'http://u:{SECRET}@host/v1'}}",  # no model
        f"judge.llm={{kind: server, model: m, modle: n, base_url: 'http://u:{SECRET}@host/v1'}}",
        f"judge.llm={{kind: server, model: m, base_url: 'http://u:{SECRET}@host/v1'",  # no brace
        f"judge.llm.base_url 'http://u:{SECRET}@host/v1'",
        f"judge.second={{model: m, base_url: 'http://h/v1?k={SECRET}', kind: ftp}}",
        f"judge.llm=http://u:{SECRET}@host/v1",
        f"judge.arms.base_url=http://u:{SECRET}@host/v1",
        f"teacher.engine={{kind: openai, model: m, base_urls: 'http://u:{SECRET}@host/v1'}}",
    ],
)
def test_nor_by_any_other_error_of_the_settings(override: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(DEMO, [override])
    assert SECRET not in str(error.value) and "\n" not in str(error.value)


def test_a_file_with_a_secret_is_refused_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    llm = {"kind": "server", "model": "m", "base_url": f"http://u:{SECRET}@host/v1"}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"extends": str(DEMO), "judge": {"llm": llm}}), "utf-8")
    with pytest.raises(ConfigError, match=r"judge\.llm.*base_url = \*\*\*: ") as error:
        load_config(path)
    assert SECRET not in str(error.value) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:8000/v1", "https://api.example.com/v1", "http://[::1]:8000/v1"),
        *("HTTPS://API.Example/openai/deployments/x/", "http://vllm_1:8000", "http://сервер.рф/v1"),
        *("https://host/v1beta/openai", "https://host/a%40b/v1", "http://localhost"),
    ],
)
def test_addresses_of_servers_are_accepted(url: str) -> None:
    assert ServerSettings(base_url=url, model="m").base_url == url


def test_error_lines_hide_secrets_in_any_address() -> None:
    """Such as that of a proxy, which may well have a password."""
    line = f"no connection to http://u:{SECRET}@proxy:1/x?token={SECRET} or https://host/v1?"
    assert (
        str(SetupError(line)) == "no connection to http://***@proxy:1/x?*** or https://host/v1?***"
    )
    assert masked_urls("mail a@b, is it? yes") == "mail a@b, is it? yes"
    assert masked_settings({"a": [f"x://{SECRET}@y", 1]}) == {"a": ["***", 1]}
