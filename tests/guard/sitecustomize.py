"""Loaded by a Python with this folder in PYTHONPATH: refuses connections to other machines.

Each refused attempt is a line in the file that GUARD_LOG names.
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


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(attempt: str) -> None:
    with open(os.environ["GUARD_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{attempt}\n")
    raise OSError(f"guarded: {attempt}")


def _check(connecting: socket.socket, address: Any) -> None:
    if connecting.family == socket.AF_UNIX or _is_local(address[0]):
        return
    if connecting.type & socket.SOCK_DGRAM:  # vLLM's way to find its own address; sends nothing
        raise OSError("guarded")
    _refuse(f"connect {address}")


def connect(self: socket.socket, address: Any) -> None:
    """socket.connect, to this machine only."""
    _check(self, address)
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any) -> int:
    """socket.connect_ex, to this machine only."""
    _check(self, address)
    return _connect_ex(self, address)


def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
    """socket.getaddrinfo, of this machine only."""
    if not _is_local(host.decode() if isinstance(host, bytes) else host):
        _refuse(f"look up {host}")
    return _lookup(host, *args, **options)


socket.socket.connect = connect  # type: ignore[assignment,method-assign]
socket.socket.connect_ex = connect_ex  # type: ignore[assignment,method-assign]
socket.getaddrinfo = getaddrinfo
