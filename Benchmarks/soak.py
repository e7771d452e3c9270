"""Pushes, lookups and training sets for a while: what memory they take, how long they take, and that none fails: Benchmarks/run soak --minutes 10."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from serving import Client, Server, Store, finish_wrk, head, micro, need, pin, row, start_wrk, title

# Windows are short and entities few, so that from some minutes on memory has nothing to grow for: it holds what windows reach, and at most some hundred rows of each
# entity beside.
DEFINITIONS = """
entities: {thing: {keys: {entity: int64}}}
sources:
  events: {columns: {entity: int64, amount: float64, at: timestamp}, event_time: at}
features:
  count_1m.v1: {entity: thing, source: events, expression: count(*) over last_1m}
  sum_1m.v1: {entity: thing, source: events, expression: sum(amount) over last_1m}
  avg_2m.v1: {entity: thing, source: events, expression: avg(amount) over last_2m}
  max_2m.v1: {entity: thing, source: events, expression: max(amount) over last_2m}
  newest.v1: {entity: thing, source: events, expression: latest(amount)}
sets:
  mixed.v1: {features: [count_1m.v1, sum_1m.v1, avg_2m.v1, max_2m.v1, newest.v1]}
"""


def body(entities: list[int], **more: object) -> bytes:
    return json.dumps({"set": "mixed.v1", "entities": {"entity": entities}, **more}, separators=(",", ":")).encode()


def failures(metrics: dict[str, float]) -> int:
    """What was answered with anything but success, or not at all."""
    answered = sum(value for name, value in metrics.items() if name.startswith("firn_http_requests_total") and 'status="2' not in name)
    return round(answered + metrics.get("firn_http_refused_total", 0) + metrics.get("firn_http_cut_off_total", 0))


def spine(path: Path, entities: int) -> None:
    """A thousand random entities, each at some instant of the last two minutes."""
    now = datetime.now(timezone.utc)
    instants = (now - timedelta(seconds=random.uniform(0, 120)) for _ in range(1000))
    path.write_text("entity,event_timestamp\n" + "".join(f"{random.randrange(entities)},{instant.isoformat()}\n" for instant in instants))


def same_as_computed(port: int, entities: int) -> str:
    """Asks memory for all entities, ten at a time, and for the same at the same instant again, which is computed from the database; gives the values' hash."""
    digest = hashlib.sha256()
    with Client(port) as client:
        for start in range(0, entities, 10):
            asked = list(range(start, min(start + 10, entities)))
            status, text = client.post("/v1/lookup", body(asked))
            assert status == 200, text
            answer = json.loads(text)
            again = client.answer("/v1/lookup", json.loads(body(asked, as_of=answer["as_of"])))
            assert answer == again, f"memory and the database differ:\n{answer}\n{again}"
            digest.update(json.dumps(answer["rows"]).encode())
    return digest.hexdigest()[:12]


def watch(store: Store, server: Server, loads: list[subprocess.Popen[str]], snapshot_every: float, entities: int) -> tuple[list[tuple[float, float, float, int]], int]:
    """Samples each 10 s until the load ends: seconds, the process' memory, what it counts of it, errors so far. Makes a training set now and then."""
    samples: list[tuple[float, float, float, int]] = []
    began, snapshots = time.monotonic(), 0
    head("seconds", "resident MiB", "entities' MiB", "entities", "lookups", "pushes", "errors", "training sets")
    with Client(server.port) as client:
        while any(load.poll() is None for load in loads):
            passed = time.monotonic() - began
            if passed >= 10 * len(samples):
                metrics = client.metrics()
                samples.append((passed, server.memory, metrics.get("firn_memory_bytes", 0) / 1048576, failures(metrics)))
                held, lookups, pushes = (
                    metrics.get(name, 0)
                    for name in ("firn_memory_entities", 'firn_http_request_duration_seconds_count{method="POST",route="/v1/lookup"}', 'firn_push_requests_total{source="events"}')
                )
                row(f"{passed:.0f}", f"{samples[-1][1]:.0f}", f"{samples[-1][2]:.1f}", f"{held:,.0f}", f"{lookups:,.0f}", f"{pushes:,.0f}", samples[-1][3], snapshots)
            if passed >= snapshot_every * (snapshots + 1):
                spine(store.directory / "spine.csv", entities)
                store.firn("snapshot", "create", "--set", "mixed.v1", "--spine", "spine.csv", "--name", f"soak-{snapshots}", "--out", "training.arrow")
                (store.directory / "training.arrow").unlink()
                snapshots += 1
            time.sleep(0.2)
    return samples, snapshots


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pushes", type=int, default=500, help="a second, of one row")
    parser.add_argument("--lookups", type=int, default=5000, help="a second, of one entity")
    parser.add_argument("--entities", type=int, default=500)
    parser.add_argument("--snapshot-every", type=float, default=60, help="seconds")
    parser.add_argument("--apart", action="store_true", help="servers on one core, clients on another")
    arguments = parser.parse_args()
    need(wrk="wrk")
    how = pin(arguments.apart)
    seconds = 60 * arguments.minutes
    title(f"{arguments.pushes:,} pushes and {arguments.lookups:,} lookups a second of {arguments.entities:,} entities for {arguments.minutes:g} minutes; {how}")
    with Store("soak", DEFINITIONS) as store, store.serve("--materialize-every", "10") as server:
        lookups = store.directory / "lookups.txt"
        lookups.write_bytes(b"\n".join(body([entity]) for entity in range(arguments.entities)) + b"\n")
        # So many connections, each resting between an answer and its next request, make about this rate. In the last two seconds nothing is sent.
        rests, options = 20, {"seconds": seconds + 2, "stop": seconds}
        loads = [
            start_wrk(server.port, max(1, round(rate * rests / 1000)), delay=rests, threads=1, path=path, **source, **options)
            for rate, path, source in (
                (arguments.lookups, "/v1/lookup", {"bodies": lookups}),
                (arguments.pushes, "/v1/sources/events/rows", {"events": arguments.entities}),
            )
        ]
        try:
            samples, snapshots = watch(store, server, loads, arguments.snapshot_every, arguments.entities)
            asked, pushed = (finish_wrk(load) for load in loads)
        finally:
            for load in loads:
                load.kill()
        rows = store.number("select count(*) from firn_source.events")
        assert rows == pushed.requests, f"{pushed.requests} pushes were acknowledged, {rows} rows found"
        with Client(server.port) as client:
            errors = failures(client.metrics()) + sum(load.refused + load.failed for load in (asked, pushed))
        found = same_as_computed(server.port, arguments.entities)
        for number in range(snapshots):
            store.firn("snapshot", "verify", f"soak-{number}")
    print()
    head("", "a second", "p50", "p99", "p99.9", "most")
    for name, seen in (("lookups", asked), ("pushes", pushed)):
        row(name, f"{seen.requests / seconds:,.0f}", micro(seen.p50), micro(seen.p99), micro(seen.p999), micro(seen.most))
    settled = [sample for sample in samples if sample[0] >= 150]
    start, middle, end = (statistics.median(sample[1] for sample in part) for part in (samples[:3], samples[len(samples) // 2 - 1 : len(samples) // 2 + 2], samples[-3:]))
    print(f"\nResident memory at the start, in the middle, at the end: {start:.0f}, {middle:.0f}, {end:.0f} MiB", end="")
    print(f"; once windows are full, from {settled[0][1]:.0f} to {settled[-1][1]:.0f} MiB" if settled else "", end=f". {errors} errors.\n")
    print(f"{rows:,} rows pushed, all there; {snapshots} training sets, all computed again alike; memory's values as computed from the database: `{found}`.", flush=True)
    assert errors == 0, "there were errors"


if __name__ == "__main__":
    main()
