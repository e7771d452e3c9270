"""Pushes of one row and of a thousand, as JSON, NDJSON and Arrow, each row counted in the database afterwards: Benchmarks/run push."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from serving import Client, Load, Server, Store, head, micro, need, pin, row, title, wrk

COLUMNS = "{number: int64, place: int64, entity: int64, amount: float64, status: string, at: timestamp}"
DEFINITIONS = f"""
entities: {{thing: {{keys: {{entity: int64}}}}}}
sources:
  plain: {{columns: {COLUMNS}, event_time: at}}
  facts: {{columns: {COLUMNS}, event_time: at, id: [number, place]}}
features:
  plain_sum.v1: {{entity: thing, source: plain, expression: sum(amount) over last_7d}}
  facts_sum.v1: {{entity: thing, source: facts, expression: sum(amount) over last_7d}}
sets:
  sums.v1: {{features: [plain_sum.v1, facts_sum.v1]}}
"""
# Stands where each push has a number of its own; as an int64 in Arrow, its bytes do.
MARK = b"NUMBER8"
TYPES = {"JSON": "application/json", "NDJSON": "application/x-ndjson", "Arrow": "application/vnd.apache.arrow.stream"}


def template(directory: Path, form: str, rows: int) -> Path:
    """A body of so many rows, all of them of one push's number."""
    began = int(time.time()) * 1_000_000 - rows
    records: list[dict[str, Any]] = [
        {"number": 0, "place": place, "entity": place * 7919 % 10_000, "amount": place % 1000 + 0.25, "status": ("open", "settled")[place % 2], "at": began + place}
        for place in range(rows)
    ]
    path = directory / f"{form}-{rows}.body"
    if form == "Arrow":
        number = int.from_bytes(MARK + b"\0", "little")
        columns = {name: [record[name] for record in records] for name in records[0]}
        columns["number"] = [number] * rows
        types = {"number": pa.int64(), "place": pa.int64(), "entity": pa.int64(), "amount": pa.float64(), "status": pa.string(), "at": pa.timestamp("us", "UTC")}
        table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
        assert body.count(MARK + b"\0") == rows
        path.write_bytes(body.replace(MARK + b"\0", MARK))
        return path
    texts = []
    for record in records:
        record["at"] = datetime.fromtimestamp(record["at"] / 1e6, timezone.utc).isoformat().replace("+00:00", "Z")
        texts.append(json.dumps(record, separators=(",", ":")).replace('"number":0', f'"number":{MARK.decode()}'))
    path.write_text("[" + ",".join(texts) + "]" if form == "JSON" else "\n".join(texts) + "\n")
    return path


def push(server: Server, source: str, form: str, body: Path, connections: int, seconds: float, first: int) -> Load:
    """Nothing is sent in the last two seconds, so that every push that was sent is answered."""
    what: dict[str, Any] = {"path": f"/v1/sources/{source}/rows", "type": TYPES[form], "template": body, "form": "int64" if form == "Arrow" else "text", "first": first}
    load = wrk(server, connections, seconds + 2, stop=seconds, **what)
    load.seconds = seconds
    return load


def check(store: Store, server: Server, source: str, rows: int, acknowledged: int) -> None:
    """Every acknowledged push's rows are there, each once, and nothing else; the server's own count says the same."""
    table = f"firn_source.{source}"
    found = store.sql(f"select count(*), count(distinct (number, place)), count(distinct number), count(distinct firn_batch) from {table}")[0]
    expected = [acknowledged * rows, acknowledged * rows, acknowledged, acknowledged]
    assert [int(figure) for figure in found] == expected, f"{acknowledged} pushes of {rows} rows were acknowledged, found: {found}"
    logged = store.number(f"select coalesce(sum(count - duplicates), 0) from firn.batches where source = '{source}'")
    with Client(server.port) as client:
        counted = client.metrics()[f'firn_push_rows_total{{source="{source}"}}']
    assert logged == counted == acknowledged * rows, f"{logged} rows in the log, {counted} counted, {acknowledged * rows} acknowledged"


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run push")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each measurement")
    parser.add_argument("--seconds", type=float, default=5, help="how long each takes")
    parser.add_argument("--apart", action="store_true", help="servers on one core, clients on another")
    arguments = parser.parse_args()
    need(wrk="wrk")
    how = pin(arguments.apart)
    title(f"Pushes, acknowledged after commit; {how}; median of {arguments.runs} rounds of {arguments.seconds:g} s, each into an empty source")
    seen: dict[tuple[str, int, str], list[Load]] = {}
    database: dict[tuple[str, int, str], list[float]] = {}
    rows_checked = 0
    for _ in range(arguments.runs):
        for rows, connections, form in ((1, 64, "JSON"), (1000, 16, "JSON"), (1000, 16, "NDJSON"), (1000, 16, "Arrow")):
            with Store("push", DEFINITIONS) as store, store.serve() as server:
                body = template(store.directory, form, rows)
                for source in ("plain", "facts"):
                    # The first pushes open connections and prepare statements.
                    warm = push(server, source, form, body, connections, 0.5, first=1 << 31)
                    before = store.database_cpu
                    load = push(server, source, form, body, connections, arguments.seconds, first=0)
                    database.setdefault((form, rows, source), []).append((store.database_cpu - before) * 1e6 / (load.requests * rows))
                    check(store, server, source, rows, warm.requests + load.requests)
                    rows_checked += (warm.requests + load.requests) * rows
                    seen.setdefault((form, rows, source), []).append(load)
    head("", "rows a push", "connections", "pushes/s", "rows/s", "p50", "p99", "most", "server's CPU a row", "PostgreSQL's")
    for (form, rows, source), loads in seen.items():
        rate, p50, p99, most, cpu = (statistics.median(getattr(load, figure) for load in loads) for figure in ("rate", "p50", "p99", "most", "cpu"))
        name = f"{form}, {'with' if source == 'facts' else 'without'} `id`"
        others = f"{statistics.median(database[form, rows, source]):.1f} µs"
        row(name, f"{rows:,}", 64 if rows == 1 else 16, f"{rate:,.0f}", f"{rate * rows:,.0f}", micro(p50), micro(p99), micro(most), f"{cpu / rows:.1f} µs", others)
    print(f"\n{rows_checked:,} rows were acknowledged; each of them was found once, and no other.", flush=True)


if __name__ == "__main__":
    main()
