"""For a Python that starts with this folder in PYTHONPATH: no connection leaves the machine.

What was tried goes to the file that GUARD_LOG names, a line each.
"""

import ipaddress
import os
import socket
from typing import Any

_connect, _connect_ex, _lookup = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        found = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _refuse(what: str) -> None:
    with open(os.environ["GUARD_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{what}\n")
    raise OSError(f"guarded: {what}")


def _check(made: socket.socket, address: Any) -> None:
    if made.family == socket.AF_UNIX or _is_here(address[0]):
        return
    if made.type & socket.SOCK_DGRAM:  # how vLLM asks for its own address: nothing is sent
        raise OSError("guarded")
    _refuse(f"connect {address}")


def connect(self: socket.socket, address: Any) -> None:
    """As socket.connect, to this machine only."""
    _check(self, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    """As socket.connect_ex, to this machine only."""
    _check(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    """As socket.getaddrinfo, of this machine only."""
    if not _is_here(host.decode() if isinstance(host, bytes) else host):
        _refuse(f"look up {host}")
    return _lookup(host, *args, **options)


socket.socket.connect = connect  # type: ignore[assignment,method-assign]
socket.socket.connect_ex = connect_ex  # type: ignore[assignment,method-assign]
socket.getaddrinfo = getaddrinfo
