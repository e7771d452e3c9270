"""Embeddings in memory: import, seal, and a similarity at lookup: Benchmarks/run embeddings."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from serving import FIRN, Client, Server, free_port, head, row, title

DEFINITIONS = """
entities: {{item: {{keys: {{item_id: int64}}}}}}
sources: {{items: {{columns: {{item_id: int64, at: timestamp, embedding: vector({width})}}, event_time: at}}}}
features:
  similarity.v1: {{entity: item, source: items, request: {{query: vector({width})}}, expression: "cosine_similarity(request.query, latest(embedding))"}}
sets: {{near.v1: {{features: [similarity.v1]}}}}
"""


def generate(path: Path, count: int, width: int) -> None:
    """Vectors of normally distributed components, which don't compress."""
    numbers = np.random.default_rng(1)
    schema = pa.schema([("item_id", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("embedding", pa.list_(pa.float32(), width))])
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for start in range(0, count, 10_000):
            rows = min(10_000, count - start)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(numbers.standard_normal(rows * width, dtype=np.float32)), width)
            times = pa.array(np.full(rows, 1_714_521_600_000_000), pa.timestamp("us", "UTC"))
            writer.write_batch(pa.record_batch([pa.array(np.arange(start, start + rows)), times, vectors], schema=schema))


def timed(project: Path, *arguments: str) -> float:
    start = time.monotonic()
    subprocess.run([FIRN, *arguments], cwd=project, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - start


def body(ids: list[int], query: list[float]) -> bytes:
    text = json.dumps({"set": "near.v1", "entities": {"item_id": ids}, "request": {"query": query}}).encode()
    lines = ["POST /v1/lookup HTTP/1.1", "host: localhost", "content-type: application/json", f"content-length: {len(text)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def resident(pid: int) -> int:
    """The most memory that the process had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return 0


def asked(project: Path, count: int, width: int, memory: int) -> None:
    port, shuffle = free_port(), random.Random(2)
    query = [shuffle.uniform(-1, 1) for _ in range(width)]
    with Server([FIRN, "serve", "--port", str(port), "--memory", str(memory)], port, project) as server:
        client, digest = Client(port), hashlib.sha256()
        for start in range(0, count, 1000):
            digest.update(json.dumps(json.loads(client.ask(body(list(range(start, min(count, start + 1000))), query))[1])["rows"]).encode())
        times = []
        for _ in range(2000):
            request = body([shuffle.randrange(count)], query)
            start_time = time.perf_counter()
            client.ask(request)
            times.append(time.perf_counter() - start_time)
        times.sort()
        share = resident(server.process.pid) / (4 * count * width)
        row(str(memory), f"{resident(server.process.pid) / 2**20:,.0f} MiB", f"{share:.2f}", f"{times[1000] * 1e3:.2f} ms", f"{times[1980] * 1e3:.2f} ms", f"`{digest.hexdigest()[:12]}`")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--memory", type=int, nargs="*", default=[2500, 1024], help="the bounds of --memory to serve with, in MiB")
    arguments = parser.parse_args()
    project = Path(tempfile.mkdtemp(prefix="firn-embeddings-"))
    try:
        generate(project / "items.arrow", arguments.count, arguments.width)
        (project / "near.yaml").write_text(DEFINITIONS.format(width=arguments.width))
        timed(project, "init")
        timed(project, "apply", "near.yaml")
        title(f"{arguments.count:,} embeddings of {arguments.width} float32s, {4 * arguments.count * arguments.width / 1e9:.2f} GB")
        imported, sealed = timed(project, "import", "items", "items.arrow"), timed(project, "materialize")
        print(f"import {imported:.1f} s, seal {sealed:.1f} s\n")
        head("--memory", "most memory", "÷ vectors", "one lookup, p50", "p99", "values")
        for memory in arguments.memory:
            asked(project, arguments.count, arguments.width, memory)
    finally:
        subprocess.run([FIRN, "stop"], cwd=project, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(project, ignore_errors=True)


if __name__ == "__main__":
    main()
