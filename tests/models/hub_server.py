"""A Hugging Face hub on the loopback: as much of its HTTP interface as pushing and fetching take.

Repositories of models live in memory, one branch each. Who writes, or reads a private one, must
bear `TOKEN`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "hf_of_the_tests"


@dataclass
class Repository:
    """A repository: whether it is private, its files, and the messages of its commits."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        """Name of the last commit."""
        return hashlib.sha1(repr((self.files, self.messages)).encode()).hexdigest()


class Hub(ThreadingHTTPServer):
    """The server; `repositories` is what it holds, `requests` what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[Hub]:
    """Yield a hub that answers until the block ends."""
    with Hub() as hub:
        thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"POST {self.path}")
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._refuse(401, "Invalid credentials in Authorization header")
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", self.path):
            files = json.loads(body)["files"]
            modes = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files
            ]
            self._answer({"files": modes})
        elif match := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
            self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._refuse(404, f"no such endpoint: {self.path}")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if not (api or file):  # of no repository: what the client asks for itself
            self._answer({})
            return
        self.server.requests.append(f"{self.command} {self.path}")
        name, revision = (api[1], api[3] or "main") if api else (file[1], file[2])
        repository = self.server.repositories.get(name)
        hidden = repository and repository.private
        if repository is None or (hidden and self.headers["Authorization"] != f"Bearer {TOKEN}"):
            self._refuse(404, "Repository not found", "RepoNotFound")
        elif revision not in ("main", repository.sha):
            self._refuse(404, "Invalid rev id", "RevisionNotFound")
        elif api and api[2] != "tree":
            self._answer({"id": name, "sha": repository.sha, "siblings": [], "tags": []})
        elif api:
            self._answer(
                [
                    {"type": "file", "path": path, "size": len(data), "oid": _oid(data)}
                    for path, data in repository.files.items()
                ]
            )
        elif file and file[3] in repository.files:
            data = repository.files[file[3]]
            headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": repository.sha}
            self._send(200, data, headers)
        else:
            self._refuse(404, "Entry not found", "EntryNotFound")

    do_HEAD = do_GET

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        answer = {"url": f"{self.server.url}/{name}", "name": name}
        if name in self.server.repositories:
            self._answer({"error": "You already created this model repo", **answer}, 409)
            return
        self.server.repositories[name] = Repository(wanted.get("visibility") == "private")
        self._answer(answer)

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        repository = self.server.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                repository.messages.append(value["summary"])
            else:
                assert (line["key"], value["encoding"]) == ("file", "base64")
                repository.files[value["path"]] = base64.b64decode(value["content"])
        sha = repository.sha
        self._answer({"commitOid": sha, "commitUrl": f"{self.server.url}/{name}/commit/{sha}"})

    def _answer(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, why: str, code: str = "") -> None:
        headers = {"X-Error-Message": why, **({"X-Error-Code": code} if code else {})}
        self._send(status, json.dumps({"error": why}).encode(), headers)

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
