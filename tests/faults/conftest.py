"""What the tests of faults have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.storage.s3_server import CREDENTIALS, S3Server, s3_server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with an empty bucket, and its credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as server:
        yield server
