"""Small bodies that come to much, deep and wide ones, and such as never end: what memory they take from a server, and whether it gives it back: Benchmarks/run hostile.

Nothing in them is harmful but their size. Beside the server that gets them another one idles on the same database; a minute later both are to take the same.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import socket
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from serving import Client, Server, Store, head, row, title

ARROW, CSV, NDJSON, JSON, YAML = "application/vnd.apache.arrow.stream", "text/csv", "application/x-ndjson", "application/json", "application/yaml"
DEFINITIONS = """
entities: {thing: {keys: {entity: int64}}}
sources:
  events: {columns: {entity: int64, note: string, amount: float64, at: timestamp}, event_time: at}
features:
  count.v1: {entity: thing, source: events, expression: count(*)}
  total.v1: {entity: thing, source: events, request: {factor: float64}, expression: sum(amount) over last_7d * request.factor}
sets:
  things.v1: {features: [count.v1, total.v1]}
"""
SPINE, PUSH, IMPORT, LOOKUP, PLAN = "/v1/snapshots?set=things.v1&record=false", "/v1/sources/events/rows", "/v1/sources/events/import", "/v1/lookup", "/v1/definitions/plan"
# What somebody asks who means no harm: another entity than that of all rows below.
KNOWN = {"set": "things.v1", "entities": {"entity": [2]}, "request": {"factor": [1]}}


@dataclass
class Body:
    """What is sent, and what it comes to."""

    name: str
    path: str
    type: str
    bytes: bytes
    unpacked: int
    encoding: str = ""

    @property
    def request(self) -> bytes:
        return Client.request(self.path, self.bytes, self.type, f"Content-Encoding: {self.encoding}\r\n" if self.encoding else "")


def packed(name: str, path: str, type: str, plain: bytes) -> list[Body]:
    """The same body as zstd and as gzip."""
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    gzip = squeezed.compress(plain) + squeezed.flush()
    zstd = pa.Codec("zstd", compression_level=9).compress(plain, asbytes=True)
    return [Body(f"{name}, zstd", path, type, zstd, len(plain), "zstd"), Body(f"{name}, gzip", path, type, gzip, len(plain), "gzip")]


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def equal_rows(count: int, **columns: tuple[object, pa.DataType]) -> pa.Table:
    return pa.table({name: pa.repeat(pa.scalar(value, type), count) for name, (value, type) in columns.items()})


def filled(line: bytes, size: int) -> bytes:
    return line * (size // len(line))


def bodies(size: int) -> list[Body]:
    """Each comes to some `size` bytes."""
    time_type, text = pa.timestamp("us", "UTC"), "x" * 1000
    spine = equal_rows(size // 24, entity=(1, pa.int64()), factor=(1.0, pa.float64()), event_timestamp=(0, time_type))
    rows = equal_rows(size // 32, entity=(1, pa.int64()), note=("", pa.string()), amount=(1.0, pa.float64()), at=(0, time_type))
    few = spine.slice(0, size // 1000)
    # A dictionary's text stands once in the stream, and in each row where it is written out.
    said = few.append_column("note", pa.DictionaryArray.from_arrays(pa.array([0] * few.num_rows, pa.int32()), pa.array([text])))
    found = packed("spine, Arrow", SPINE, ARROW, arrow(spine))
    found += [Body(f"spine, Arrow's own {codec}", SPINE, ARROW, arrow(spine, codec), spine.nbytes) for codec in ("zstd", "lz4")]
    dictionary = arrow(said)
    found += [Body("spine, a dictionary's long text", SPINE, ARROW, dictionary, few.num_rows * len(text))]
    found += packed("spine, CSV", SPINE, CSV, b"entity,factor,event_timestamp\n" + filled(b"1,1,2025-01-01\n", size))
    found += packed("spine, NDJSON", SPINE, NDJSON, filled(b'{"entity":1,"factor":1,"event_timestamp":"2025-01-01"}\n', size))
    found += packed("push, Arrow", PUSH, ARROW, arrow(rows))
    found += [Body(f"push, Arrow's own {codec}", PUSH, ARROW, arrow(rows, codec), rows.nbytes) for codec in ("zstd", "lz4")]
    found += packed("push, NDJSON", PUSH, NDJSON, filled(b'{"entity":1,"amount":1,"at":"2025-01-01"}\n', size))
    # All of a file or nothing: its last row is wrong.
    found += packed("import, CSV", IMPORT, CSV, b"entity,amount,at\n" + filled(b"1,1,2025-01-01\n", size) + b"wrong,wrong,wrong\n")
    found += packed("lookup of many", LOOKUP, JSON, b'{"set":"things.v1","request":{"factor":1},"entities":{"entity":[1' + filled(b",1", size) + b"]}}")
    depth = min(size // 2, 4 << 20)
    for name, plain in (
        ("deep lists", b"[" * depth + b"]" * depth),
        ("deep objects", b'{"a":' * (depth // 4) + b"1" + b"}" * (depth // 4)),
        ("a wide object", b"{" + b",".join(b'"k%d":1' % number for number in range(min(size // 12, 1_000_000))) + b"}"),
        ("a long text", b'{"set":"' + filled(b"\\u0041", size) + b'"}'),
        ("a long number", b'{"set":"things.v1","entities":{"entity":[' + filled(b"1", size) + b"]}}"),
    ):
        found += packed(f"lookup, {name}", LOOKUP, JSON, plain)
        found.append(Body(f"lookup, {name}, plain", LOOKUP, JSON, plain[: 1 << 20], min(1 << 20, len(plain))))
    found += packed("push, deep lists", PUSH, JSON, b"[" * depth)
    aliases = b"\n".join([b"a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"] + [b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 10)) for level in range(1, 6)]) + b"\n"
    found.append(Body("definitions, aliases of aliases", PLAN, YAML, aliases, 10**6))
    found += packed("definitions, deep", PLAN, YAML, b"[" * min(depth, 100_000))
    found += packed("definitions, wide", PLAN, YAML, b"entities:\n" + b"".join(b"  e%d: {keys: {k: int64}}\n" % number for number in range(min(size // 30, 100_000))))
    return found


class Memory:
    """What a process takes."""

    def __init__(self, server: Server) -> None:
        self.pid = server.process.pid

    def _mebibytes(self, field: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        return 0

    @property
    def now(self) -> float:
        return self._mebibytes("VmRSS:")

    @property
    def peak(self) -> float:
        """The most since `forget`."""
        return self._mebibytes("VmHWM:")

    def forget(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def send(port: int, request: bytes) -> str:
    """Sends all, though the server may have answered before; gives the answer's status and code."""
    try:
        with socket.create_connection(("127.0.0.1", port), 180) as connection:
            try:
                connection.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                pass  # It has said enough, perhaps.
            answer = http.client.HTTPResponse(connection, method="POST")
            answer.begin()
            status, body = str(answer.status), answer.read(1 << 16)
            # The rest, such as a training set's, isn't looked at, but taken.
            while answer.read(1 << 18):
                pass
            try:
                return f"{status} {json.loads(body)['code']}"
            except (ValueError, KeyError, TypeError):
                return status
    except TimeoutError:
        return "no answer in 180 s"
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"


@contextmanager
def lookups(port: int) -> Iterator[list[float]]:
    """Somebody who wants nothing but a value now and then; gives how long each took."""
    took: list[float] = []
    ends = threading.Event()
    request = Client.request(LOOKUP, json.dumps(KNOWN).encode())

    def run() -> None:
        while not ends.is_set():
            began = time.monotonic()
            try:
                with Client(port, timeout=180) as client:
                    status, _ = client.ask(request)
            except (OSError, ValueError):
                status = 0
            if status == 200:
                took.append(time.monotonic() - began)
            time.sleep(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield took
    finally:
        ends.set()
        thread.join()


def all_at_once(port: int, what: list[Body], clients: int) -> Counter[str]:
    """Each client sends all bodies, beginning with another."""
    said: Counter[str] = Counter()

    def run(number: int) -> None:
        begin = number * len(what) // clients
        for body in what[begin:] + what[:begin]:
            said[send(port, body.request)] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def half_sent(port: int, count: int) -> Counter[str]:
    """Senders who say that 16 MB come, send four, and stop; some of them in chunks, which say nothing. How they were got rid of."""
    piece, connections = b"[" + b" " * 3_900_000, []
    for number in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        try:
            length = "Transfer-Encoding: chunked" if number % 4 == 0 else "Content-Length: 16000000"
            connection.sendall(f"POST {(PUSH, SPINE, LOOKUP)[number % 3]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode())
            connection.sendall(f"{len(piece) + 1:x}\r\n".encode() + piece if number % 4 == 0 else piece)
        except OSError:
            pass
        connections.append(connection)
    said: Counter[str] = Counter()
    ends = time.monotonic() + 120
    for connection in connections:
        connection.settimeout(max(0.1, ends - time.monotonic()))
        try:
            said[connection.recv(1 << 16)[9:12].decode() or "cut off"] += 1
        except TimeoutError:
            said["still open after 120 s"] += 1
        except OSError:
            said["cut off"] += 1
        connection.close()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run hostile")
    parser.add_argument("--size", type=int, default=128, help="MiB that a body comes to")
    parser.add_argument("--clients", type=int, default=6, help="that send all bodies at once")
    parser.add_argument("--half", type=int, default=300, help="bodies that never end")
    parser.add_argument("--bound", type=int, default=2048, help="MiB that the server may take at most")
    parser.add_argument("--only", nargs="*", default=[], help="bodies whose names begin so, such as spine lookup")
    arguments = parser.parse_args()
    what = [body for body in bodies(arguments.size << 20) if not arguments.only or body.name.startswith(tuple(arguments.only))]
    title(f"Hostile: {len(what)} bodies that come to {arguments.size} MiB or less, alone, by {arguments.clients} at once, and {arguments.half} that never end")
    faults = []

    def judge(name: str, said: str, count: int = 1) -> None:
        if said[:3] == "500" or not said[:1].isdigit():
            faults.append(f"{name}: {count} × {said}")

    with Store("hostile", DEFINITIONS) as store, store.serve() as server, store.serve("--materialize-every", "0") as idle:
        attacked, idling = Memory(server), Memory(idle)
        for each in (server, idle):
            with Client(each.port) as client:
                client.answer(PUSH, [{"entity": 2, "amount": 1, "at": "2025-01-01"}])
                client.answer(LOOKUP, KNOWN)
        time.sleep(2)
        head("body", "sent", "comes to", "answer", "s", "resident MiB before", "at most", "after")
        most = 0.0
        for body in what:
            attacked.forget()
            before, began = attacked.now, time.monotonic()
            said = send(server.port, body.request)
            assert server.process.poll() is None, f"the server ended with {server.process.returncode} over {body.name}"
            judge(body.name, said)
            row(
                body.name, f"{len(body.bytes):,}", f"{body.unpacked:,}", said, f"{time.monotonic() - began:.1f}", f"{before:.0f}", f"{attacked.peak:.0f}", f"{attacked.now:.0f}"
            )  # fmt: skip
            most = max(most, attacked.peak)
        print()
        attacked.forget()
        with lookups(server.port) as took:
            said_all = all_at_once(server.port, what, arguments.clients)
        for said, count in said_all.items():
            judge("all at once", said, count)
        most = max(most, attacked.peak)
        took.sort()
        print(f"All at once: {', '.join(f'{count} × {said}' for said, count in said_all.most_common())}; at most {attacked.peak:.0f} MiB, then {attacked.now:.0f}.")
        print(f"Meanwhile {len(took)} lookups of one known key: p50 {1000 * took[len(took) // 2]:.0f} ms, the slowest {took[-1]:.1f} s." if took else "Meanwhile no lookup was answered.")
        attacked.forget()
        said_half = half_sent(server.port, arguments.half)
        most = max(most, attacked.peak)
        print(f"{arguments.half} that never end: {', '.join(f'{count} × {said}' for said, count in said_half.most_common())}; at most {attacked.peak:.0f} MiB, then {attacked.now:.0f}.")
        if said_half["still open after 120 s"]:
            faults.append(f"half-sent bodies: {said_half['still open after 120 s']} are still open after 120 s")
        assert server.process.poll() is None, f"the server ended with {server.process.returncode}"
        passed, began = [], time.monotonic()
        while (seconds := time.monotonic() - began) <= 60:
            passed.append(f"{attacked.now:.0f}")
            time.sleep(min(10, max(0.1, 60.1 - seconds)))
        after, beside = attacked.now, idling.now
        with Client(server.port) as client:
            client.answer(LOOKUP, KNOWN)
            internal = sum(value for name, value in client.metrics().items() if name.startswith("firn_http_requests_total") and 'status="500"' in name)
    print(f"\nResident MiB in the minute afterwards: {' '.join(passed)}.")
    print(f"At most {most:.0f} MiB (bound: {arguments.bound}); a minute later {after:.0f}, beside {beside:.0f} of a server that only idled: {after / beside:.2f} times; {internal:.0f} × 500", flush=True)
    for fault in faults:
        print(f"  {fault}", file=sys.stderr)
    sys.exit(1 if faults or internal or most > arguments.bound or after > 1.1 * beside else 0)


if __name__ == "__main__":
    main()
