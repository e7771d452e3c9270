"""Feast's feature server on PostgreSQL and on Redis beside Firn, the same rows and the same requests: Benchmarks/run feast-online."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet
from online import ENTITIES, FEATURES, Values, bodies, check, in_turns, median, rows, store, values_hash
from serving import HERE, Client, Load, Server, Store, free_port, head, micro, need, pin, row, title, wrk

PYTHON = Path(os.environ["FEAST_PYTHON"])


def feast_lookup(entities: list[int]) -> bytes:
    return json.dumps({"features": [f"rows_v1:{name}" for name in FEATURES], "entities": {"entity": entities}}, separators=(",", ":")).encode()


def feast(stack: ExitStack, made: Store, kind: str, address: str, workers: int) -> Server:
    """Feast's server over a filled online store."""
    directory = made.directory / kind
    directory.mkdir()
    done = subprocess.run([str(PYTHON), str(HERE / "feast_repository.py"), str(directory), kind, address], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    port = free_port()
    # A worker that begins anew after a thousand requests, as is Feast's default, would be away for seconds; no log of requests either.
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--no-access-log", "--max-requests", "0", "--max-requests-jitter", "0"]
    return stack.enter_context(Server([str(PYTHON.parent / "feast"), "-c", str(directory), "serve", *options], port, directory, patience=120))


def answered(server: Server) -> Values:
    """The values of all entities over Feast's route."""
    values: Values = []
    with Client(server.port) as client:
        for start in range(0, ENTITIES, 1000):
            answer = client.answer("/get-online-features", json.loads(feast_lookup(list(range(start, start + 1000)))))
            columns = dict(zip(answer["metadata"]["feature_names"], answer["results"]))
            assert all(status in ("PRESENT", "NULL_VALUE") for name in FEATURES for status in columns[name]["statuses"]), "an entity isn't found"
            values += [list(entity) for entity in zip(*(columns[name]["values"] for name in FEATURES))]
    return values


def print_loads(seen: dict[str, list[Load]], size: int) -> None:
    """Each beside both of Firn's routes."""
    own = list(seen.values())[:2]
    head("", "requests/s", "entities/s", "p50", "p99", "servers' CPU a request", "`/v1/lookup`: throughput", "p99", "`/get-online-features`: throughput", "p99")
    for name, loads in seen.items():
        rate, p50, p99, cpu = (median(loads, figure) for figure in ("rate", "p50", "p99", "cpu"))
        ratios = [cell for first in own for cell in (f"{median(first, 'rate') / rate:.1f} ×", f"1/{p99 / median(first, 'p99'):.1f}")]
        row(name, f"{rate:,.0f}", f"{rate * size:,.0f}", micro(p50), micro(p99), f"{cpu:.0f} µs", *ratios)


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run feast-online")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each measurement")
    parser.add_argument("--seconds", type=float, default=5, help="how long each takes")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="of Feast's server")
    parser.add_argument("--apart", action="store_true", help="servers on one core, clients on another")
    arguments = parser.parse_args()
    need(wrk="wrk", redis_server="redis-server")
    how = pin(arguments.apart)
    made, truth = store("feast-online")
    with made, ExitStack() as stack:
        pyarrow.parquet.write_table(rows()[0], made.directory / "rows.parquet")
        port = free_port()
        memory = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(made.directory)]
        stack.enter_context(Server(memory, port, made.directory))
        firn = stack.enter_context(made.serve("--materialize-every", "0"))
        servers = {
            "Feast 0.67 on PostgreSQL": feast(stack, made, "postgres", made.url, arguments.workers),
            "Feast 0.67 on Redis": feast(stack, made, "redis", f"127.0.0.1:{port}", arguments.workers),
        }
        hashes = {"Firn, `/v1/lookup`": check(firn, truth), "Firn, `/get-online-features`": values_hash(answered(firn))}
        hashes |= {name: values_hash(answered(server)) for name, server in servers.items()}
        assert len(set(hashes.values())) == 1, f"the values differ: {hashes}"
        for size in (1, 100):
            what = f"{size} {'entity' if size == 1 else 'entities'} × 10 features, 16 connections"
            title(f"{what}; {how}, Feast with {arguments.workers} workers; median of {arguments.runs} rounds")
            plain, other = bodies(made, size), bodies(made, size, feast_lookup, "feast")
            asked = {name: ("/v1/lookup", plain) if name == "Firn, `/v1/lookup`" else ("/get-online-features", other) for name in hashes}
            everyone = {name: servers.get(name, firn) for name in hashes}
            measure = lambda name, seconds: wrk(everyone[name], 16, seconds, path=asked[name][0], bodies=asked[name][1])  # noqa: E731
            in_turns(everyone, 1, lambda name: measure(name, 1))
            print_loads(in_turns(everyone, arguments.runs, lambda name: measure(name, arguments.seconds)), size)
        print(f"\nAll {ENTITIES:,} entities' values, by each of them: `{hashes.popitem()[1]}`.", flush=True)


if __name__ == "__main__":
    main()
