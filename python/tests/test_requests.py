"""What the client asks again, and what it doesn't: against the real server, behind a connection that fails as it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

import firn

DEFINITIONS = """
entities: {caller: {keys: {caller_id: int64}}}
sources: {calls: {columns: {caller_id: int64, at: timestamp}, event_time: at}}
features: {calls.v1: {entity: caller, source: calls, expression: count(*)}}
sets: {calling.v1: {features: [calls.v1]}}
"""


class Line:
    """Between client and server. ``faults`` are taken one for each connection: ``refuse`` answers 503 itself, ``lose`` passes the request on and cuts the answer
    off, ``tear`` cuts it in half, ``cut`` does so before the server has the request, ``hang`` never answers; without one all passes.
    """

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._server = (server.hostname, server.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.faults: list[str] = []
        self.requests: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self.faults.pop(0) if self.faults else ""), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str) -> None:
        with client:
            request = self._request(client)
            self.requests.append(request)
            if fault == "cut":
                return
            if fault == "hang":
                time.sleep(5)
                return
            if fault.startswith("refuse"):
                body = b'{"code": "overloaded", "detail": "too much"}'
                head = f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {fault.partition(' ')[2] or 1}\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                client.sendall(head.encode() + body)
                return
            with socket.create_connection(self._server) as server:
                server.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
                answer = b"".join(iter(lambda: server.recv(1 << 16), b""))
            if fault == "tear":
                client.sendall(answer[: len(answer) // 2])
            elif fault != "lose":
                client.sendall(answer.replace(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"))

    def _request(self, client: socket.socket) -> bytes:
        whole = b""
        while b"\r\n\r\n" not in whole:
            whole += client.recv(1 << 16)
        head, _, body = whole.partition(b"\r\n\r\n")
        lines = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n")[1:])}
        length = int(lines.get(b"content-length", b"0"))
        while len(body) < length or b"transfer-encoding" in lines and not body.endswith(b"0\r\n\r\n"):
            body += client.recv(1 << 16)
        return head + b"\r\n\r\n" + body


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    with firn.connect(url) as store:
        store.apply(DEFINITIONS)
    line = Line(url)
    yield line
    line.close()


def count(url: str, caller: int) -> int:
    with firn.connect(url) as store:
        found: int = store.lookup("calling.v1", {"caller_id": caller}).rows[0][0]
        return found


def rows(caller: int) -> list[dict[str, object]]:
    return [{"caller_id": caller, "at": "2024-01-01"}, {"caller_id": caller, "at": "2024-01-02"}]


@pytest.mark.parametrize(("caller", "faults"), [(1, []), (2, ["lose"]), (3, ["cut"]), (4, ["refuse 0"]), (5, ["lose", "refuse 0", "lose"])])
def test_a_push_that_is_sent_again_counts_once(url: str, line: Line, caller: int, faults: list[str]) -> None:
    line.faults = list(faults)
    with firn.connect(line.url) as store:
        assert store.push("calls", rows(caller)).accepted == 2
        assert len(line.requests) == 1 + len(faults)
        assert count(url, caller) == 2
        # The same rows again are another push.
        store.push("calls", rows(caller))
    assert count(url, caller) == 4


def test_a_server_that_is_busy_is_asked_when_it_says(line: Line) -> None:
    line.faults = ["refuse 1"]
    began = time.monotonic()
    with firn.connect(line.url) as store:
        store.lookup("calling.v1", {"caller_id": 1})
    assert 1 <= time.monotonic() - began < 5 and len(line.requests) == 2


@pytest.mark.parametrize(("ask", "times"), [
    (lambda store: store.lookup("calling.v1", {"caller_id": 1}), 4), (lambda store: store.catalog.sets(), 4), (lambda store: store.plan(DEFINITIONS), 4),
    # What may have been recorded isn't recorded twice.
    (lambda store: store.snapshot("calling.v1", {"caller_id": [1], "event_timestamp": ["2024-01-02"]}), 1),
])
def test_retries_end(line: Line, ask: Callable[[firn.Client], object], times: int) -> None:
    line.faults = ["lose"] * 9
    with firn.connect(line.url) as store, pytest.raises(firn.FirnError, match="doesn't answer") as refused:
        ask(store)
    assert refused.value.code == "unreachable" and len(line.requests) == times
    assert ("whether it was done isn't known" in str(refused.value)) == (times == 1)


def test_retries_can_be_left_out_and_never_outlast_the_call(line: Line) -> None:
    line.faults = ["refuse 0"]
    with firn.connect(line.url, retries=0) as store, pytest.raises(firn.FirnError, match="too much") as refused:
        store.lookup("calling.v1", {"caller_id": 1})
    assert refused.value.status == 503
    line.faults = ["refuse 3600"]
    with firn.connect(line.url) as store, pytest.raises(firn.FirnError, match="too much"):
        store.catalog.sets()
    assert len(line.requests) == 2


def test_a_refusal_that_was_put_off_is_made_of_the_whole_body(url: str, line: Line) -> None:
    line.faults = ["refuse 0"]
    spine = {"caller_id": list(range(3)), "event_timestamp": ["2024-01-02"] * 3}
    with firn.connect(line.url) as there, firn.connect(url) as here:
        assert there.snapshot("calling.v1", spine).digest == here.snapshot("calling.v1", spine).digest
    assert len(line.requests) == 2


@pytest.mark.parametrize("fault", ["tear", "lose", "cut"])
def test_rows_whose_stream_breaks_off_are_asked_for_again(url: str, line: Line, fault: str) -> None:
    spine = {"caller_id": list(range(5000)), "event_timestamp": ["2024-01-02"] * 5000}
    line.faults = [fault]
    with firn.connect(line.url) as there, firn.connect(url) as here:
        assert there.compute("calling.v1", spine).equals(here.compute("calling.v1", spine))
    assert len(line.requests) == 2
    line.faults = ["tear"] * 9
    with firn.connect(line.url) as there, pytest.raises(firn.FirnError) as refused:
        there.compute("calling.v1", spine)
    assert refused.value.code == "unreachable"


def test_a_call_has_its_own_time(line: Line) -> None:
    line.faults = ["hang"]
    began = time.monotonic()
    with firn.connect(line.url) as store, pytest.raises(firn.FirnError, match="within 0.2 seconds; 'timeout'") as refused:
        store.lookup("calling.v1", {"caller_id": 1}, timeout=0.2)
    assert refused.value.code == "timed_out" and time.monotonic() - began < 3
