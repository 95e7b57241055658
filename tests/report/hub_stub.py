"""A local server that speaks the part of the hub's protocol that a push needs, over real sockets.

Repositories, preupload, LFS batches, xet tokens, and commits as NDJSON. It keeps the bytes, counts
the commits, and can fail a chosen request a chosen number of times.
"""

import base64
import hashlib
import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

TOKEN = "hf_canary4711canary4711canary4711ca"
CUT = 0  # in place of a status: the connection ends without an answer


@dataclass
class StubRepo:
    """One repository."""

    private: bool
    files: dict[str, bytes | str] = field(default_factory=dict)  # str: SHA-256 of large files
    commits: int = 0

    @property
    def sha(self) -> str:
        """The commit that main is at."""
        return hashlib.sha1(f"commit {self.commits}".encode()).hexdigest()


@dataclass
class StubHub:
    """What the server knows and what it should get wrong."""

    repos: dict[str, StubRepo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)  # by SHA-256, sent by LFS
    failures: dict[str, list[int]] = field(default_factory=dict)  # end of a path → statuses
    requests: Counter[str] = field(default_factory=Counter)
    owner: str = "me"
    xet: str = ""  # the address of the store of large files; local://FOLDER is one of the client's

    def serve(self) -> ThreadingHTTPServer:
        """The server, not started; its address is in `server_address`."""
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: StubHub

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""

    def _answer(self) -> None:
        body = self._body()
        path = self.path.split("?")[0]
        name = path.rsplit("/", 1)[-1] if "preupload" not in path else "preupload"
        name = "commit" if "/commit/" in path else name
        name = "lfs" if path.startswith("/lfs/") else name
        name = "xet" if "/xet-write-token/" in path else name
        self.hub.requests[name] += 1
        planned = self.hub.failures.get(name)
        if planned:
            status = planned.pop(0)
            if status == CUT:
                self.close_connection = True
                self.connection.close()
                return
            self._send(status, {"error": f"planned {status}"})
            return
        if not path.startswith("/lfs/") and self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, {"error": "Invalid username or password."})
            return
        self._send(*self._route(path, body))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def _route(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/validate-yaml":
            text = json.loads(body)["content"]
            yaml.safe_load(text.split("---\n")[1])
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.startswith("/lfs/"):
            sha256 = path.removeprefix("/lfs/")
            if hashlib.sha256(body).hexdigest() != sha256:
                return 400, {"error": "other bytes than announced"}
            self.hub.large[sha256] = body
            return 200, {}
        match = re.match(r"(?:/api/models)?/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?$", path)
        repo = self.hub.repos.get(match[1]) if match else None
        if match is None or repo is None:
            return 404, {"error": "Repository not found"}
        return self._of_repo(repo, match[1], match[2] or "", body)

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        owner, name = wanted.get("organization") or self.hub.owner, wanted["name"]
        repo_id = f"{owner}/{name}"
        url = {"url": f"{self._address}/{repo_id}"}
        if repo_id in self.hub.repos:
            return 409, {"error": "You already created this model repo"} | url
        if owner != self.hub.owner:
            return 403, {"error": f"You don't have the rights to create a model under {owner}"}
        self.hub.repos[repo_id] = StubRepo(wanted.get("visibility") == "private")
        return 200, url

    @property
    def _address(self) -> str:
        return f"http://{self.headers['Host']}"

    def _of_repo(self, repo: StubRepo, repo_id: str, rest: str, body: bytes) -> tuple[int, Any]:
        if rest == "" or rest.startswith("revision/"):
            return 200, {
                "id": repo_id,
                "sha": repo.sha,
                "private": repo.private,
                "siblings": [],
                "tags": [],
            }
        if rest.startswith("tree/"):
            return 200, [_entry(path, data) for path, data in repo.files.items()]
        if rest.startswith("preupload/"):
            files = json.loads(body)["files"]
            return 200, {"files": [self._mode(repo, file["path"]) for file in files]}
        if rest == "info/lfs/objects/batch":
            return 200, {"objects": [self._upload(item) for item in json.loads(body)["objects"]]}
        if rest.startswith("xet-write-token/"):
            token = {"accessToken": "xet", "exp": int(time.time()) + 3600}
            return 200, token | {"casUrl": self.hub.xet}
        if rest.startswith("commit/"):
            return self._commit(repo, repo_id, [json.loads(line) for line in body.splitlines()])
        return 404, {"error": f"no such route: {rest}"}

    def _mode(self, repo: StubRepo, path: str) -> dict[str, Any]:
        mode = "lfs" if path.endswith(".safetensors") else "regular"
        known = repo.files.get(path)
        oid = None if known is None else _entry(path, known)["oid"]
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _upload(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["oid"] in self.hub.large:
            return item
        return item | {"actions": {"upload": {"href": f"{self._address}/lfs/{item['oid']}"}}}

    def _commit(self, repo: StubRepo, repo_id: str, lines: list[Any]) -> tuple[int, Any]:
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = value["oid"]
            else:
                del repo.files[value["path"]]
        repo.commits += 1
        url = f"{self._address}/{repo_id}/commit/{repo.sha}"
        return 200, {"success": True, "commitOid": repo.sha, "commitUrl": url}


def _entry(path: str, data: bytes | str) -> dict[str, Any]:
    """A file as a listing shows it, with the hash that git or LFS give it."""
    if isinstance(data, str):
        lfs = {"oid": data, "size": 1, "pointerSize": 1}
        return {"type": "file", "path": path, "size": 1, "oid": data, "lfs": lfs}
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return {"type": "file", "path": path, "size": len(data), "oid": oid}
