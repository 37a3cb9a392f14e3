"""Joining a cluster that is not there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sweeper.cluster.ray_start import check_temporary_folder, start_ray
from sweeper.commands import doctor
from sweeper.errors import BadInput


def test_an_address_where_nobody_answers_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(BadInput, match=rf"RAY_ADDRESS: no cluster answers at 127\.0\.0\.1:{port} .*; correct it"):
        start_ray(f"127.0.0.1:{port}")


def test_a_port_that_can_be_none_is_refused_too() -> None:
    with pytest.raises(BadInput, match="no cluster answers at localhost:637999"):
        start_ray("localhost:637999")


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_temporary_folder_too_long_for_sockets_is_refused_at_once(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a long TMPDIR, as Slurm has, one line says so before Ray is tried; a short RAY_TMPDIR mends it."""
    folder = tmp_path / ("job" * 30)
    folder.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(variable, str(folder))

    with pytest.raises(BadInput, match=r"characters too long for Ray's sockets; set RAY_TMPDIR to a short folder"):
        start_ray("local")
    seen = doctor._temporary()
    assert not seen.ok
    assert "too long for Ray's sockets" in str(seen)

    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    check_temporary_folder()
