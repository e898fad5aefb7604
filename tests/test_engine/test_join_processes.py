"""Processes that do not come are named."""

import socket
from datetime import timedelta

import pytest
from gloo_processes import find_port
from messages import collect_warnings

from localsup_mm.engine import join_processes


@pytest.fixture
def become(monkeypatch):
    """Give this process the variables of torchrun."""

    def become(rank, port):
        variables = dict(
            RANK=rank,
            WORLD_SIZE=3,
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=port,
        )
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return become


def test_missing_processes(become):
    logged = collect_warnings()
    become(0, find_port())
    missing = r'all 3 .* but processes 1, 2 did not come within 0.05 minutes'
    with pytest.raises(ValueError, match=missing):
        join_processes(timedelta(seconds=3), patience=1.0)
    assert 'Waiting for processes 1, 2 of 3.' in logged


def test_process_0_is_missing(become):
    port = find_port()
    become(1, port)
    with pytest.raises(ValueError, match=f'listen at 127.0.0.1:{port}'):
        join_processes(timedelta(seconds=1))


def test_variables_of_the_launcher_are_missing(become, monkeypatch):
    become(0, find_port())
    monkeypatch.delenv('RANK')
    monkeypatch.delenv('MASTER_PORT')
    with pytest.raises(
        ValueError, match=r'by torchrun .* got no RANK, MASTER_PORT. Start'
    ):
        join_processes(timedelta(seconds=1))


def test_port_in_use(become):
    with socket.create_server(('', 0)) as server:
        port = server.getsockname()[1]
        become(0, port)
        with pytest.raises(ValueError, match=f'MASTER_PORT.* {port} is in'):
            join_processes(timedelta(seconds=1))
