"""Lookups of ten float features, from memory and not, beside static answers by the same kind of server and a SELECT: Benchmarks/run online."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import struct
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy
import pyarrow as pa
from serving import HERE, WORK, Client, Load, Server, Store, free_port, head, micro, need, pin, pinned, row, title, wrk

FEATURES = [f"f{number}" for number in range(10)]
DEFINITIONS = (
    f"""
entities: {{thing: {{keys: {{entity: int64}}}}}}
sources:
  events:
    columns: {{entity: int64, at: timestamp, {", ".join(f"{name}: float64" for name in FEATURES)}}}
    event_time: at
features:
"""
    + "".join(f"  {name}.v1: {{entity: thing, source: events, expression: latest({name})}}\n" for name in FEATURES)
    + f"sets:\n  rows.v1: {{features: [{', '.join(f'{name}.v1' for name in FEATURES)}]}}\n"
)
ENTITIES, EACH, START = 10_000, 20, 1_704_067_200_000_000

Values = list[list[float | None]]


def rows() -> tuple[pa.Table, Values]:
    """Twenty rows of each entity, sorted by time, no two at one; and the newest values of each. Half of the columns are amounts with two decimals, half are floats
    with all their digits; one value in a hundred is NULL.
    """
    generator = numpy.random.default_rng(7)
    count = ENTITIES * EACH
    entity = generator.permutation(numpy.repeat(numpy.arange(ENTITIES), EACH))
    at = START + numpy.arange(count) * 1_000_000 + generator.integers(0, 1_000_000, count)
    columns: dict[str, pa.Array] = {"entity": pa.array(entity, pa.int64()), "at": pa.array(at, pa.timestamp("us", "UTC"))}
    newest = numpy.zeros(ENTITIES, dtype="int64")
    newest[entity] = numpy.arange(count)
    for number, name in enumerate(FEATURES):
        values = numpy.round(generator.normal(100, 30, count), 2) if number < 5 else generator.normal(0, 1, count)
        columns[name] = pa.array(values, mask=generator.random(count) < 0.01)
    table = pa.table(columns)
    return table, [list(values) for values in zip(*(table[name].take(pa.array(newest)).to_pylist() for name in FEATURES))]


def values_hash(values: Iterable[list[float | None]]) -> str:
    digest = hashlib.sha256()
    for entity in values:
        digest.update(b"".join(b"-" if value is None else struct.pack("<d", value) for value in entity))
    return digest.hexdigest()[:12]


def write_arrow(table: pa.Table, path: Path) -> Path:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)
    return path


def store(name: str) -> tuple[Store, Values]:
    """A store of these rows, sealed, and what its lookups have to answer."""
    table, truth = rows()
    made = Store(name, DEFINITIONS)
    made.firn("import", "events", str(write_arrow(table, made.directory / "rows.arrow")))
    made.firn("materialize")
    made.sql("vacuum analyze")
    return made, truth


def lookup(entities: list[int]) -> bytes:
    return json.dumps({"set": "rows.v1", "entities": {"entity": entities}}, separators=(",", ":")).encode()


def bodies(store: Store, size: int, body: Callable[[list[int]], bytes] = lookup, name: str = "lookup") -> Path:
    """A file of requests for so many random entities each."""
    chosen = random.Random(size)
    path = store.directory / f"{name}-{size}.txt"
    many = [[entity] for entity in range(ENTITIES)] if size == 1 else [chosen.sample(range(ENTITIES), size) for _ in range(max(50, ENTITIES // size))]
    path.write_bytes(b"\n".join(body(entities) for entities in many) + b"\n")
    return path


def check(server: Server, truth: Values) -> str:
    """Asks for every entity, which has them all in memory afterwards; gives the answers' hash, and holds it against what the values have to be."""
    answered: Values = []
    with Client(server.port) as client:
        for start in range(0, ENTITIES, 1000):
            answer = client.answer("/v1/lookup", json.loads(lookup(list(range(start, start + 1000)))))
            assert answer["features"] == FEATURES
            answered += [row["values"] for row in answer["rows"]]
    assert answered == truth, "lookups answer something else than the newest rows"
    return values_hash(answered)


STATIC = {"hummingbird": "static answer, hummingbird", "handler": "static answer, handler in hummingbird's channel", "nio": "static answer, swift-nio"}


def build_static() -> None:
    command = ["swift", "build", "-c", "release", "--package-path", str(HERE / "Static"), "--scratch-path", str(WORK / "static")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


def static_answers(stack: ExitStack, store: Store, answer: bytes) -> dict[str, Server]:
    """Servers that give this answer to everything."""
    program = WORK / "static" / "release" / "static-answer"
    path = store.directory / f"answer-{len(answer)}.json"
    path.write_bytes(answer)
    servers = {}
    for kind, name in STATIC.items():
        port = free_port()
        servers[name] = stack.enter_context(Server([str(program), kind, str(port), str(path)], port, store.directory))
    return servers


def in_turns(servers: dict[str, Server], rounds: int, measure: Callable[[str], Load]) -> dict[str, list[Load]]:
    """Measures each by its name after the other, round after round, so that a noisy minute meets all of them; the others' servers stand still meanwhile."""
    seen: dict[str, list[Load]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            with ExitStack() as stack:
                for other in {id(other): other for other in servers.values() if other is not server}.values():
                    stack.enter_context(other.resting())
                seen[name].append(measure(name))
    return seen


def median(loads: list[Load], figure: str) -> float:
    return statistics.median(getattr(load, figure) for load in loads)


def print_loads(seen: dict[str, list[Load]], connections: int, size: int) -> None:
    """Each beside the first."""
    first = next(iter(seen.values()))
    for name, loads in seen.items():
        rate, p50, p99, cpu = (median(loads, figure) for figure in ("rate", "p50", "p99", "cpu"))
        row(
            name, connections, f"{rate:,.0f}", f"{rate * size:,.0f}", micro(p50), micro(p99), f"{cpu:.1f} µs", f"{median(first, 'rate') / rate:.2f}",
            f"{median(first, 'p50') / p50:.2f}", f"{median(first, 'p99') / p99:.2f}",
        )


COLUMNS = ("", "connections", "requests/s", "entities/s", "p50", "p99", "server's CPU a request", "Firn's throughput ÷ its", "p50 ÷", "p99 ÷")


def from_memory(store: Store, truth: Values, rounds: int, seconds: float, size: int, connections: list[int], how: str) -> None:
    title(f"Lookups from memory, {size:,} {'entity' if size == 1 else 'entities'} × 10 features; {how}; median of {rounds} rounds of {seconds:g} s")
    path = bodies(store, size)
    with ExitStack() as stack:
        firn = stack.enter_context(store.serve("--materialize-every", "0"))
        found = check(firn, truth)
        with Client(firn.port) as client:
            # The answer of middling length.
            answers = sorted((client.post("/v1/lookup", line)[1] for line in path.read_bytes().splitlines()[:101]), key=len)
        answer = answers[len(answers) // 2]
        servers = {"Firn": firn, **static_answers(stack, store, answer)}
        head(*COLUMNS)
        for count in connections:
            measure = lambda name, seconds: wrk(servers[name], count, seconds, path="/v1/lookup", bodies=path)  # noqa: E731
            in_turns(servers, 1, lambda name: measure(name, 1))
            print_loads(in_turns(servers, rounds, lambda name: measure(name, seconds)), count, size)
        with Client(firn.port) as client:
            counted = client.metrics()
        hits, misses = (counted.get(f'firn_memory_lookups_total{{outcome="{outcome}"}}', 0) for outcome in ("hit", "miss"))
        assert misses <= ENTITIES / 1000, f"{misses} lookups weren't answered from memory"
        print(f"\nAll {ENTITIES:,} entities' values: `{found}`, as computed from the rows. An answer has {len(answer):,} bytes; {hits:,.0f} lookups from memory.", flush=True)


def one_by_one(server: Server, requests: list[bytes]) -> tuple[list[float], list[bytes]]:
    """Latencies in microseconds of requests that are sent one after the other on one connection, and the answers."""
    taken, answers = [], []
    with Client(server.port) as client:
        for request in requests:
            began = time.perf_counter_ns()
            status, answer = client.ask(request)
            taken.append((time.perf_counter_ns() - began) / 1000)
            assert status == 200, answer
            answers.append(answer)
    return taken, answers


def selects(store: Store, count: int) -> list[float]:
    """Latencies in microseconds of prepared SELECTs of one row by its primary key, over the unix socket."""
    script, log = store.directory / "select.sql", store.directory / "pgbench"
    script.write_text(f"\\set id random(0, {ENTITIES - 1})\nselect {', '.join(FEATURES)} from public.bench_row where id = :id;\n")
    for old in store.directory.glob("pgbench.*"):
        old.unlink()
    command = ["pgbench", "-n", "-M", "prepared", "-c", "1", "-t", str(count), "-f", str(script), "-l", "--log-prefix", str(log), store.url]
    subprocess.run(pinned(command, "client"), cwd=store.directory, check=True, capture_output=True)
    return [float(line.split()[2]) for file in store.directory.glob("pgbench.*") for line in file.read_text().splitlines()]


def from_database(store: Store, truth: Values, rounds: int, how: str) -> None:
    """Entities that weren't asked for before, by a server that has just begun, against twice a SELECT and a static answer."""
    title(f"Lookups not in memory, 1 entity × 10 features, one connection, each entity once; {how}; {rounds} rounds")
    columns = ", ".join(f"{name} double precision" for name in FEATURES)
    newest = ", ".join(FEATURES)
    store.sql(f"create table public.bench_row (id bigint primary key, {columns})")
    store.sql(f'insert into public.bench_row select distinct on (entity) entity, {newest} from firn_source.events order by entity, "at" desc')
    store.sql("vacuum analyze public.bench_row")
    entities = random.Random(5).sample(range(ENTITIES), 3000)
    requests = [Client.request("/v1/lookup", lookup([entity])) for entity in entities]
    taken: dict[str, list[list[float]]] = {}
    found = ""
    for _ in range(rounds):
        with ExitStack() as stack:
            firn = stack.enter_context(store.serve("--materialize-every", "0"))
            # The set is compiled, and the connections are open.
            one_by_one(firn, [Client.request("/v1/lookup", lookup([-1 - number])) for number in range(100)])
            latencies, answers = one_by_one(firn, requests)
            values = [json.loads(answer)["rows"][0]["values"] for answer in answers]
            assert values == [truth[entity] for entity in entities], "lookups answer something else than the newest rows"
            found = values_hash(values)
            with Client(firn.port) as client:
                misses = client.metrics()['firn_memory_lookups_total{outcome="miss"}']
            assert misses >= len(entities), f"{misses} of {len(entities)} lookups were no misses"
            taken.setdefault("Firn, not in memory", []).append(latencies)
            taken.setdefault("Firn, the same again from memory", []).append(one_by_one(firn, requests)[0])
            with firn.resting():
                for name, server in static_answers(stack, store, answers[0]).items():
                    one_by_one(server, requests[:300])
                    taken.setdefault(name, []).append(one_by_one(server, requests)[0])
                taken.setdefault("prepared SELECT by primary key (pgbench)", []).append(selects(store, 10_000))
    head("", "p50", "p99", "mean")
    p50 = {}
    for name, rounds_taken in taken.items():
        figures = [(statistics.median(one), statistics.quantiles(one, n=100)[98], statistics.fmean(one)) for one in rounds_taken]
        p50[name], p99, mean = (statistics.median(figure) for figure in zip(*figures))
        row(name, micro(p50[name]), micro(p99), micro(mean))
    for name in STATIC.values():
        allowed = 2 * (p50["prepared SELECT by primary key (pgbench)"] + p50[name])
        print(f"\nNot in memory ÷ 2 × (SELECT + {name}), p50: {p50['Firn, not in memory']:.0f} ÷ {allowed:.0f} = {p50['Firn, not in memory'] / allowed:.2f}", end="", flush=True)
    print(f"\n\n{len(entities):,} entities' values: `{found}`, as computed from the rows.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run online")
    parser.add_argument("--runs", type=int, default=5, help="rounds of each measurement")
    parser.add_argument("--seconds", type=float, default=5, help="how long each takes")
    parser.add_argument("--apart", action="store_true", help="servers on one core, clients on another")
    parser.add_argument("--only", choices=["memory", "database"])
    arguments = parser.parse_args()
    need(wrk="wrk")
    build_static()
    how = pin(arguments.apart)
    made, truth = store("online")
    with made:
        if arguments.only != "database":
            for size, connections in ((1, [1, 16, 64]), (100, [16]), (1000, [16])):
                from_memory(made, truth, arguments.runs, arguments.seconds, size, connections, how)
        if arguments.only != "memory":
            from_database(made, truth, arguments.runs, how)


if __name__ == "__main__":
    main()
