"""A real S3 protocol server on loopback (moto's), that can be told to fail as S3 does: throttle, break, cut, refuse."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "sweeps"

# What the clients of this server must have in their environment.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Kind = Literal["throttled", "broken", "expired", "cut"]

ANSWERS = {
    "throttled": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "broken": ("500 Internal Server Error", "InternalError", "We encountered an internal error."),
    "expired": ("400 Bad Request", "ExpiredToken", "The provided token has expired."),
}


@dataclass
class Fault:
    """The next `times` requests with this method and this text in their path fail."""

    kind: Kind
    times: int
    method: str
    path: str
    met: int = 0


@dataclass
class S3Server:
    """Its address, and the faults it still has in store."""

    address: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    def uri(self, path: str) -> str:
        """The URI by which pyarrow.fs finds a path of its bucket."""
        return f"s3://{BUCKET}/{path}?scheme=http&endpoint_override={self.address}&region=us-east-1"

    def fail(self, kind: Kind, times: int = 10**6, method: str = "", path: str = "") -> Fault:
        """Fail requests from now on."""
        self.faults.append(Fault(kind, times, method, path))
        return self.faults[-1]

    def mend(self) -> None:
        """Fail no more."""
        self.faults.clear()

    def objects(self, prefix: str = "") -> list[str]:
        """The objects of its bucket."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def get(self, key: str) -> bytes:
        """An object's bytes."""
        return bytes(self._client().get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def put(self, key: str, body: bytes) -> None:
        """Replace an object behind everybody's back."""
        self._client().put_object(Bucket=BUCKET, Key=key, Body=body)

    def make_bucket(self) -> None:
        """The bucket that URIs lie in."""
        self._client().create_bucket(Bucket=BUCKET)

    def _client(self) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client("s3", endpoint_url=f"http://{self.address}", region_name="us-east-1", **keys)

    def _fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.met < fault.times and fault.method in method and fault.path in path:
                fault.met += 1
                return fault
        return None


def _application(server: S3Server, real: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path, length = environ["REQUEST_METHOD"], environ["PATH_INFO"], int(environ.get("CONTENT_LENGTH") or 0)
        server.requests.append((method, path, length))
        fault = server._fault(method, path)
        if fault is None:
            return real(environ, start_response)
        if fault.kind == "cut":
            environ["wsgi.input"].read(length // 2)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            start_response("200 OK", [])
            return []
        environ["wsgi.input"].read(length)
        status, code, message = ANSWERS[fault.kind]
        start_response(status, [("Content-Type", "application/xml")])
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return [] if method == "HEAD" else [body.encode()]

    return application


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket, on a free port."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = S3Server("")
    real = DomainDispatcherApplication(create_backend_app)
    http = make_server("127.0.0.1", 0, _application(server, real), threaded=True)
    server.address = f"127.0.0.1:{http.port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.make_bucket()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        # moto keeps its buckets in this process.
        import moto.backends

        moto.backends.get_backend("s3").reset()
