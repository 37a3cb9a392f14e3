"""Google's storage, as far as one can go without Google: a server that only refuses, and no server at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sweeper.errors import BadInput
from sweeper.storage import filesystem
from sweeper.storage.filesystem import RetryingFileSystem, StorageError


class Refusing(ThreadingHTTPServer):
    """Answers every request with one status; what was asked of it is kept."""

    status = 404
    asked: list[str]


class Answer(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        assert isinstance(self.server, Refusing)
        self.server.asked.append(self.command)
        body = json.dumps({"error": {"code": self.server.status, "message": "as the test wants it"}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that the server looks for

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    with Refusing(("127.0.0.1", 0), Answer) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def uri(port: int) -> str:
    return f"gs://anonymous@sweeps/store?scheme=http&endpoint_override=127.0.0.1:{port}"


def test_a_mistyped_bucket_is_refused_and_not_made(refusing: Refusing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somebody-s")

    with pytest.raises(BadInput, match=r"gs://sweeps/store: .*there is no such bucket"):
        RetryingFileSystem(uri(refusing.server_port)).make_root()

    assert set(refusing.asked) == {"GET"}


def test_who_may_not_is_told_so_at_once(refusing: Refusing) -> None:
    refusing.status = 403

    with pytest.raises(StorageError, match=r"access is denied: check the credentials") as raised:
        RetryingFileSystem(uri(refusing.server_port)).write("ledger.jsonl", b"one")

    assert "\n" not in str(raised.value)
    assert len(refusing.asked) == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_endpoint_where_nobody_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "TRIES", 2)
    monkeypatch.setattr(filesystem, "FIRST_WAIT_S", 0.02)

    with pytest.raises(StorageError, match=r"cannot be read after 2 tries: .*Could not connect") as raised:
        RetryingFileSystem(uri(1)).read("ledger.jsonl")

    assert len(str(raised.value)) < 500
