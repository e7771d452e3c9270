"""Rows and spines of any size, the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy
import pyarrow as pa
import pyarrow.parquet

# Rows, spine rows, entities, and how much the first of them have: the exponent of a power law.
SIZES = {"S": (1_000_000, 100_000, 10_000, 1.1), "M": (10_000_000, 1_000_000, 100_000, 1.1), "S-mild": (1_000_000, 100_000, 10_000, 0.8)}
START = 1_704_067_200_000_000
SPAN = 90 * 86_400 * 1_000_000


def keys(random: numpy.random.Generator, count: int, entities: int, exponent: float) -> numpy.ndarray:
    """Entities by a power law: few have much, most have little (zipf over the ranks)."""
    weights = 1 / numpy.arange(1, entities + 1) ** exponent
    ends = numpy.cumsum(weights / weights.sum())
    ranks = numpy.minimum(numpy.searchsorted(ends, random.random(count)), entities - 1)
    return (ranks * 2_654_435_761 % entities).astype("int64")


def generate(directory: Path, size: str) -> Path:
    """Writes `rows.arrow`, `rows.parquet`, `spine.arrow` and `spine.parquet` of a size; gives their directory.

    Rows are sorted by time. One in fifty has the time of the row before and its entity: a tie. Half of the columns are amounts with two decimals,
    half are floats with all their digits; one value in a hundred is NULL.
    """
    target = directory / size
    if (target / "spine.parquet").exists():
        return target
    target.mkdir(parents=True, exist_ok=True)
    rows, spine, entities, exponent = SIZES[size]
    random = numpy.random.default_rng(7)
    entity = keys(random, rows, entities, exponent)
    at = numpy.sort(random.integers(0, SPAN, rows)) + START
    ties = numpy.flatnonzero(random.random(rows) < 0.02)
    ties = ties[ties > 0]
    entity[ties], at[ties] = entity[ties - 1], at[ties - 1]
    columns: dict[str, pa.Array] = {"entity": pa.array(entity), "at": pa.array(at, pa.timestamp("us", "UTC"))}
    for number in range(10):
        values = numpy.round(random.normal(100, 30, rows), 2) if number < 5 else random.normal(0, 1, rows)
        columns[f"f{number}"] = pa.array(values, mask=random.random(rows) < 0.01)
    table = pa.table(columns)
    asked = pa.table({"entity": keys(random, spine, entities, exponent), "event_timestamp": pa.array(random.integers(0, SPAN, spine) + START, pa.timestamp("us", "UTC"))})
    for name, whole in (("rows", table), ("spine", asked)):
        with pa.OSFile(str(target / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
            writer.write_table(whole, max_chunksize=65_536)
        pa.parquet.write_table(whole, target / f"{name}.parquet", compression="zstd")
    return target
