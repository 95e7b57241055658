"""The address of an OpenAI-compatible server and the name of its key, checked as they are read."""

import re
from ipaddress import IPv6Address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

SECRET_IN_URL = "secret_in_url"  # type of an error whose value must not be shown
_EXAMPLE = "write it like http://host:8000/v1"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[\w.-]+")
_KEY = "a key belongs into the environment variable that api_key_env names"


def _checked(url: str) -> str:
    if "@" in url:
        raise PydanticCustomError(
            SECRET_IN_URL,
            f"the address holds a user or a password; remove them up to the @, {_KEY}; "
            "an @ in the path is written as %40",
        )
    if "?" in url or "#" in url:
        raise PydanticCustomError(
            SECRET_IN_URL, f"the address holds a query or a fragment; remove it, {_KEY}"
        )
    if problem := _problem(url):
        raise ValueError(f"the address {problem}; {_EXAMPLE}")
    return url


def _problem(url: str) -> str | None:
    """What is wrong with an address without user, query and fragment; None: nothing is."""
    if any(char.isspace() or not char.isprintable() for char in url):
        return "holds a space or a control character"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has no valid host or port (1 to 65535)"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not _is_host(parts.hostname or "") or port == 0:
        return "has no valid host or port (1 to 65535)"
    if parts.path.rstrip("/").endswith("/completions"):
        return "ends in /completions, which the program adds itself"
    return None


def _is_host(host: str) -> bool:
    try:
        if ":" in host:
            return bool(IPv6Address(host))
        return bool(_HOST.fullmatch(host) and host.encode("idna"))
    except ValueError:  # labels that are empty or too long, colons that are no address
        return False


def _named(variable: str) -> str:
    if variable and not _VARIABLE.fullmatch(variable):
        raise PydanticCustomError(
            SECRET_IN_URL,
            "write the name of an environment variable, such as OPENAI_API_KEY; the key itself "
            "belongs into that variable",
        )
    return variable


EnvironmentVariable = Annotated[str, AfterValidator(_named)]  # its name; empty: there is none
BaseUrl = Annotated[str, AfterValidator(_checked)]
