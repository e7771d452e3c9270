"""What a connection does below the client: words that HTTP has for slow bodies."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

import firn

DEFINITIONS = """
entities: {walker: {keys: {walker_id: int64}}}
sources: {steps: {columns: {walker_id: int64, at: timestamp}, event_time: at}}
"""


@pytest.mark.parametrize("path", ["/v1/lookup", "/v1/sources/steps/rows"])
def test_a_body_that_waits_is_asked_for(url: str, path: str) -> None:
    with firn.connect(url) as store:
        store.apply(DEFINITIONS)
    server = urlsplit(url)
    body = b'[{"walker_id": 1, "at": "2024-01-01"}]'
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        # Nothing of the body was sent yet.
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200" if path.endswith("rows") else b"HTTP/1.1 400"), answer
