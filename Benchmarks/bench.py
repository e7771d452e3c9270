"""Measures whole processes and prints a table with medians and ratios."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pyarrow as pa
import pyarrow.parquet
from generate import SIZES, generate

HERE = Path(__file__).parent
WORK = HERE.parent / ".build" / "benchmarks"
FIRN = os.environ["FIRN_BINARY"]
OPERATORS, WINDOWS = ("sum", "count", "avg", "max"), ("1h", "1d", "7d", "30d")

DEFINITIONS = (
    """
entities: {thing: {keys: {entity: int64}}}
sources:
  events:
    columns: {entity: int64, at: timestamp, %s}
    event_time: at
features:
"""
    % ", ".join(f"f{number}: float64" for number in range(10))
    + "".join(f"  f{number}.v1: {{entity: thing, source: events, expression: latest(f{number})}}\n" for number in range(10))
    + "".join(f"  {operator}_{window}.v1: {{entity: thing, source: events, expression: {operator}(f0) over last_{window}}}\n" for window in WINDOWS for operator in OPERATORS)
    + f"sets:\n  asof.v1: {{features: [{', '.join(f'f{number}.v1' for number in range(10))}]}}\n"
    + f"  windows.v1: {{features: [{', '.join(f'{operator}_{window}.v1' for window in WINDOWS for operator in OPERATORS)}]}}\n"
)


@dataclass
class Measured:
    """One tool's runs: wall and CPU seconds, peak memory in MiB, and what came out."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    hash: str = ""

    def row(self, best: "Measured") -> str:
        wall, cpu, memory = (statistics.median(values) for values in (self.wall, self.cpu, self.memory))
        times, sizes = wall / statistics.median(best.wall), memory / statistics.median(best.memory)
        return f"| {self.name} | {wall:.2f} s | {cpu:.2f} s | {memory:.0f} MiB | {times:.1f} × | {sizes:.1f} × | {self.hash} |"


def measure(command: list[str], directory: Path) -> tuple[float, float, float]:
    done = subprocess.run([sys.executable, "-S", str(HERE / "measure.py"), *command], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    wall, cpu, memory = (float(figure) for figure in done.stdout.split())
    return wall, cpu, memory


def result(path: Path) -> dict[str, tuple[numpy.ndarray, numpy.ndarray]]:
    """Each output's values and where they aren't NULL. A count of nothing is 0 in some tools and NULL in others."""
    table = pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    outputs = {}
    for name in sorted(set(table.column_names) - {"entity", "event_timestamp"}):
        column = table[name].combine_chunks().cast(pa.float64())
        column = column.fill_null(0) if name.startswith("count") else column
        outputs[name] = (numpy.asarray(column.fill_null(0)), numpy.asarray(column.is_valid()))
    return outputs


def verdict(own: dict, other: dict) -> str:
    """How another tool's result differs: floats that are summed in another order differ in their last digits."""
    assert own.keys() == other.keys(), f"{own.keys()} and {other.keys()}"
    rows, others = (len(next(iter(outputs.values()))[0]) for outputs in (own, other))
    if rows != others:
        return f"{others:,} rows for {rows:,}"
    nulls = sum(int((own[name][1] != other[name][1]).sum()) for name in own)
    worst = max(float((numpy.abs(own[name][0] - other[name][0]) / numpy.maximum(1, numpy.abs(own[name][0]))).max(initial=0)) for name in own)
    rows = max(int((numpy.abs(own[name][0] - other[name][0]) > 1e-9 * numpy.maximum(1, numpy.abs(own[name][0]))).sum()) for name in own)
    if nulls or rows:
        return f"differs in {max(nulls, rows)} rows"
    return "the same bits" if worst == 0 else f"the same to {worst:.0e}"


def result_hash(outputs: dict) -> str:
    digest = hashlib.sha256()
    for name, (values, valid) in outputs.items():
        digest.update(name.encode() + numpy.where(valid, values, 0).tobytes() + valid.tobytes())
    return digest.hexdigest()[:12]


def compare(title: str, tools: dict[str, tuple[list[str], Path, Callable[[], None] | None]], runs: int, *, alike: bool = True) -> None:
    """Runs every tool once to warm it, then in turns, so that a noisy minute meets all of them."""
    print(f"\n### {title}\n", flush=True)
    measured = {name: Measured(name) for name in tools}
    own = None
    for turn in range(runs + 1):
        for name, (command, out, before) in tools.items():
            out.unlink(missing_ok=True)
            if before:
                before()
            figures = measure(command, out.parent)
            if turn == 0:
                outputs = result(out)
                if own is None or not alike:
                    own = outputs
                    measured[name].hash = f"`{result_hash(outputs)}`"
                else:
                    measured[name].hash = verdict(own, outputs)
                continue
            for values, figure in zip((measured[name].wall, measured[name].cpu, measured[name].memory), figures):
                values.append(figure)
    print("| | wall | CPU | peak memory | time | memory | result |\n|---|---|---|---|---|---|---|")
    first = next(iter(measured.values()))
    for tool in measured.values():
        print(tool.row(first), flush=True)


def prepare(data: Path) -> Path:
    """A store of the size's rows, sealed; gives its directory."""
    store = data / "firn"
    if not (store / "sealed").exists():
        if store.exists():
            subprocess.run([FIRN, "stop"], cwd=store, check=False, capture_output=True)
            shutil.rmtree(store)
        store.mkdir()
        (store / "definitions.yaml").write_text(DEFINITIONS)
        for command in (["apply", "definitions.yaml"], ["import", "events", str(data / "rows.arrow")], ["materialize"]):
            subprocess.run([FIRN, *command], cwd=store, check=True, stdout=subprocess.DEVNULL)
        (store / "sealed").touch()
    return store


def firn(data: Path, work: str) -> tuple[list[str], Path, None]:
    out = prepare(data) / f"{work}.arrow"
    return [FIRN, "snapshot", "create", "--set", f"{work}.v1", "--spine", str(data / "spine.arrow"), "--out", str(out)], out, None


def peer(data: Path, tool: str, work: str) -> tuple[list[str], Path, None]:
    out = data / f"{tool}-{work}.{'parquet' if tool == 'duckdb' else 'arrow'}"
    return [sys.executable, str(HERE / "peers.py"), tool, work, str(data), str(out)], out, None


def asof(data: Path, runs: int) -> None:
    first = firn(data, "asof")

    def fresh() -> None:
        # Another directory each time: ext4 is slow to make files where many were just deleted.
        os.environ["FIRN_CACHE_DIR"] = str(WORK / f"cache-{time.monotonic_ns()}")

    tools = {
        "Firn, segments on this machine": first,
        "Polars `join_asof`": peer(data, "polars", "asof"),
        "DuckDB `ASOF`, ties by chance": peer(data, "duckdb", "asof"),
        "DuckDB `ASOF`, ties settled": peer(data, "duckdb", "ties"),
    }
    compare(f"As-of join, {data.name}: 10 features", tools, runs)
    parquet = {"Polars `join_asof`, from Parquet": peer(data, "polars", "parquet")}
    compare(f"The same, first read from PostgreSQL, {data.name}", {"Firn, keeping copies": (first[0], first[1], fresh), **parquet}, runs)
    os.environ["FIRN_CACHE_GIB"] = "0"
    compare(f"The same without keeping copies, {data.name}", {"Firn, keeping none": (first[0], first[1], fresh), **parquet}, runs)
    del os.environ["FIRN_CACHE_GIB"]
    os.environ["FIRN_CACHE_DIR"] = str(WORK / "cache")
    for copies in WORK.glob("cache-*"):
        shutil.rmtree(copies)


def windows(data: Path, runs: int) -> None:
    tools = {"Firn": firn(data, "windows"), "Polars `rolling`": peer(data, "polars", "windows")}
    if data.name == "S":
        tools["DuckDB range join"] = peer(data, "duckdb", "windows")
    compare(f"16 window aggregates, {data.name}", tools, runs)


def feast(data: Path, runs: int) -> None:
    """Feast's stores with the same rows: a table with an index on key and time in the PostgreSQL that Firn uses, and a Parquet file for DuckDB.

    Both make every pair of a spine row and an earlier row of its entity: with the keys of S they filled 50 GB of disk and gave up.
    """
    first = firn(data, "asof")
    uri = subprocess.run([FIRN, "url"], cwd=first[1].parent, check=True, capture_output=True, text=True).stdout.strip()
    os.environ["FEAST_POSTGRES"] = uri
    columns = ", ".join(f"f{number}" for number in range(10))
    table = f"""
        create table if not exists public.feast_rows as select entity, "at", {columns} from firn_source.events;
        create index if not exists feast_rows_key on public.feast_rows (entity, "at"); analyze public.feast_rows;
    """
    subprocess.run(["psql", uri, "-Xqc", table], check=True, capture_output=True)
    tool = [os.environ["FEAST_PYTHON"], str(HERE / "feast_peer.py")]
    tools = {"Firn, segments on this machine": first}
    for kind, name in (("duckdb", "Feast 0.67, DuckDB store"), ("postgres", "Feast 0.67, PostgreSQL store")):
        subprocess.run([*tool, "prepare", str(data), kind], check=True, capture_output=True)
        out = data / f"feast-{kind}.parquet"
        tools[name] = ([*tool, kind, str(data), str(out)], out, None)
    compare(f"As-of join against Feast, {data.name}", tools, runs)


def growth(_: Path, runs: int) -> None:
    for work in ("asof", "windows"):
        compare(f"Ten times the rows: {work}", {f"Firn, {size}": firn(generate(WORK / "data", size), work) for size in ("S", "M")}, runs, alike=False)


def load(data: Path, runs: int) -> None:
    """An import against a bare COPY of the same rows into the same table with its indexes, both from Firn's own binary form."""
    store = data / "import"
    rates: dict[str, list[float]] = {}
    rows = 1_000_000
    subset = data / "million.arrow"
    table = pa.ipc.open_file(pa.memory_map(str(data / "rows.arrow"))).read_all().slice(0, rows)
    table = table.append_column("event", pa.array(range(rows), pa.int64()))
    definitions = DEFINITIONS.replace("columns: {", "columns: {event: int64, ", 1)
    with pa.OSFile(str(subset), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=65_536)
    for kind, id in (("without id", ""), ("with id", "\n    id: [event]")):
        for _ in range(runs):
            if store.exists():
                subprocess.run([FIRN, "stop"], cwd=store, check=False, capture_output=True)
                shutil.rmtree(store)
            store.mkdir()
            (store / "definitions.yaml").write_text(definitions.replace("event_time: at", "event_time: at" + id))
            subprocess.run([FIRN, "apply", "definitions.yaml"], cwd=store, check=True, capture_output=True)
            uri = subprocess.run([FIRN, "url"], cwd=store, check=True, capture_output=True, text=True).stdout.strip()
            wall, _, _ = measure([FIRN, "import", "events", str(subset)], store)
            rates.setdefault(f"Firn, {kind}", []).append(rows / wall)
            copy = ["psql", uri, "-Xqc", "create table public.bare (like firn_source.events including all)"]
            subprocess.run(copy, check=True)
            dump = subprocess.run(["psql", uri, "-Xqc", "copy firn_source.events to stdout (format binary)"], check=True, capture_output=True).stdout
            start = time.perf_counter()
            subprocess.run(["psql", uri, "-Xqc", "copy public.bare from stdin (format binary)"], input=dump, check=True)
            rates.setdefault(f"bare COPY, {kind}", []).append(rows / (time.perf_counter() - start))
        ratio = statistics.median(rates[f"Firn, {kind}"]) / statistics.median(rates[f"bare COPY, {kind}"])
        print(f"{kind}: {statistics.median(rates[f'Firn, {kind}']):,.0f} rows/s, bare COPY {statistics.median(rates[f'bare COPY, {kind}']):,.0f}, ratio {ratio:.2f}", flush=True)
    subprocess.run([FIRN, "stop"], cwd=store, check=False, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run")
    parser.add_argument("work", choices=["asof", "windows", "feast", "growth", "import"])
    parser.add_argument("--size", choices=list(SIZES), default=None)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    os.environ["FIRN_CACHE_DIR"] = str(WORK / "cache")
    data = generate(WORK / "data", arguments.size or ("S-mild" if arguments.work == "feast" else "M"))
    try:
        {"asof": asof, "windows": windows, "feast": feast, "growth": growth, "import": load}[arguments.work](data, arguments.runs)
    finally:
        for store in (WORK / "data").glob("*/firn"):
            subprocess.run([FIRN, "stop"], cwd=store, check=False, capture_output=True)


if __name__ == "__main__":
    main()
