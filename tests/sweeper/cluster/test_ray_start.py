"""Joining a cluster that is not there."""

from __future__ import annotations

import socket

import pytest

from sweeper.cluster.ray_start import start_ray
from sweeper.errors import BadInput


def test_an_address_where_nobody_answers_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(BadInput, match=rf"RAY_ADDRESS: no cluster answers at 127\.0\.0\.1:{port} .*; correct it"):
        start_ray(f"127.0.0.1:{port}")


def test_a_port_that_can_be_none_is_refused_too() -> None:
    with pytest.raises(BadInput, match="no cluster answers at localhost:637999"):
        start_ray("localhost:637999")
