"""Firn's Arrow against pyarrow's, in both directions: what pyarrow writes passes through unchanged, and pyarrow finds no fault with it."""

from __future__ import annotations

import io
import random
import subprocess
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pytest

DEFINITIONS = """
entities: {thing: {keys: {k: int64}}}
sources: {s: {columns: {k: int64, b: bool, i: int64, f: float64, t: string, u: timestamp, at: timestamp}, event_time: at}}
features:
  b.v1: {entity: thing, source: s, expression: latest(b)}
  i.v1: {entity: thing, source: s, expression: latest(i)}
  f.v1: {entity: thing, source: s, expression: latest(f)}
  t.v1: {entity: thing, source: s, expression: latest(t)}
  u.v1: {entity: thing, source: s, expression: latest(u)}
sets: {all.v1: {features: [{feature: b.v1, as: out_b}, {feature: i.v1, as: out_i}, {feature: f.v1, as: out_f}, {feature: t.v1, as: out_t}, {feature: u.v1, as: out_u}]}}
"""


def columns(count: int, seed: int) -> dict[str, pa.Array]:
    draw = random.Random(seed)

    def some(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array([draw.choice(values) for _ in range(count)], kind)

    return {
        "i8": some([0, -128, 127, None], pa.int8()),
        "i16": some([0, -32768, 32767, None], pa.int16()),
        "i32": some([0, -(2**31), None], pa.int32()),
        "i64": some([0, 2**63 - 1, -(2**63), None], pa.int64()),
        "u8": some([0, 255, None], pa.uint8()),
        "u16": some([0, 65535, None], pa.uint16()),
        "u32": some([0, 2**32 - 1, None], pa.uint32()),
        "u64": some([0, 2**64 - 1, None], pa.uint64()),
        "f16": pa.array([draw.choice([0.5, -0.0, 65504.0, None]) for _ in range(count)], pa.float16()),
        "f32": some([0.1, float("inf"), None], pa.float32()),
        "f64": some([0.1, -0.0, float("-inf"), None], pa.float64()),
        "bool": some([True, False, None], pa.bool_()),
        "text": some(["", "é", "🙂" * 20, None], pa.string()),
        "large": some(["", "é", None], pa.large_string()),
        "bytes": some([b"", b"\x00\xff", None], pa.binary()),
        "day": some([date(1960, 2, 29), None], pa.date32()),
        "day64": some([date(2020, 2, 29), None], pa.date64()),
        "s": some([0, -1, 2**31, None], pa.timestamp("s")),
        "ms": some([0, -1, None], pa.timestamp("ms", "Europe/Paris")),
        "us": some([0, -1, None], pa.timestamp("us", "UTC")),
        "ns": some([1, -1, None], pa.timestamp("ns")),
        "nothing": pa.nulls(count),
    }


def write(table: pa.Table, path: Path, compression: str | None, rows: int) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)


def read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all() if path.suffix == ".arrow" else pa.ipc.open_stream(source).read_all()
    table.validate(full=True)
    return table


@pytest.fixture
def run(binary: str, tmp_path: Path):
    (tmp_path / "d.yaml").write_text(DEFINITIONS)

    def run(rows: str, spine: str, out: str) -> subprocess.CompletedProcess[str]:
        arguments = [binary, "eval", "d.yaml", "--set", "all.v1", "--rows", f"s={rows}", "--spine", spine, "--out", out]
        return subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("suffix", ["arrow", "arrows"])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_every_type_passes_through_unchanged(run, tmp_path: Path, suffix: str, compression: str | None, count: int) -> None:
    spine = pa.table({"k": pa.array(range(count), pa.int32()), "event_timestamp": pa.array([0] * count, pa.timestamp("s")), **columns(count, 1)})
    # A slice has offsets of its own.
    padded = pa.concat_tables([spine.slice(0, min(3, count)), spine]).combine_chunks().slice(min(3, count))
    write(padded, tmp_path / f"spine.{suffix}", compression, 300)
    (tmp_path / "rows.csv").write_text("k,b,i,f,t,u,at\n")
    done = run("rows.csv", f"spine.{suffix}", f"out.{suffix}")
    assert done.returncode == 0, done.stderr
    out = read(tmp_path / f"out.{suffix}")
    for name in spine.column_names:
        assert out.schema.field(name).type == spine.schema.field(name).type
        assert out[name].combine_chunks().to_pylist() == spine[name].combine_chunks().to_pylist() or name == "f16", name
    assert out.num_rows == count and out["out_f"].null_count == count


@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string())])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_values_come_back_as_they_went_in(run, tmp_path: Path, text: pa.DataType, unit: str) -> None:
    draw = random.Random(unit)
    count = 200
    values = {
        "b": pa.array([draw.choice([True, False, None]) for _ in range(count)]),
        "i": pa.array([draw.choice([2**63 - 1, -(2**63), 0, None]) for _ in range(count)], pa.int64()),
        "f": pa.array([draw.choice([0.1, -0.0, float("inf"), None]) for _ in range(count)], pa.float64()),
        "t": pa.array([draw.choice(["", "é", "north", None]) for _ in range(count)]).cast(pa.string()).dictionary_encode().cast(text)
        if pa.types.is_dictionary(text)
        else pa.array([draw.choice(["", "é", "north", None]) for _ in range(count)], text),
        "u": pa.array([draw.choice([0, -1, 10**6, None]) for _ in range(count)], pa.timestamp("s")).cast(pa.timestamp(unit)),
    }
    rows = pa.table({"k": pa.array(range(count), pa.uint16()), **values, "at": pa.array([0] * count, pa.timestamp(unit, "UTC"))})
    write(rows, tmp_path / "rows.arrow", "zstd", 64)
    write(pa.table({"k": range(count), "event_timestamp": pa.array([1] * count, pa.timestamp("s"))}), tmp_path / "spine.arrows", None, 64)
    done = run("rows.arrow", "spine.arrows", "out.arrow")
    assert done.returncode == 0, done.stderr
    out = read(tmp_path / "out.arrow")
    for name in ("b", "i", "f", "t"):
        assert out[f"out_{name}"].to_pylist() == rows[name].to_pylist(), name
    assert out["out_u"].cast(pa.int64()).to_pylist() == values["u"].cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()
    assert [out.schema.field(f"out_{name}").type for name in "biftu"] == [pa.bool_(), pa.int64(), pa.float64(), pa.string(), pa.timestamp("us", "UTC")]


@pytest.mark.parametrize("suffix", ["arrow", "arrows"])
@pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_what_polars_writes_is_read(run, tmp_path: Path, suffix: str, compression: Literal["uncompressed", "zstd"], count: int) -> None:
    # Polars' texts are views, its categories dictionaries of views, which files have after the rows; and files begin with a message of no length.
    draw = random.Random(count)
    texts = [draw.choice(["", "é", "twelve bytes", "more than twelve bytes", "🙂" * 20, None]) for _ in range(count)]
    spine = pl.DataFrame({"k": range(count), "event_timestamp": [datetime(2024, 1, 1)] * count, "text": texts}, {"k": pl.Int32, "event_timestamp": pl.Datetime("us"), "text": pl.String})
    spine = spine.with_columns(raw=pl.col("text").cast(pl.Binary), kind=pl.col("text").cast(pl.Categorical), flag=pl.col("text").is_null())
    rows = spine.select("k", b=None, i=None, f=None, t="text", u=None, at="event_timestamp")
    write_polars(spine, tmp_path / f"spine.{suffix}", compression)
    write_polars(rows, tmp_path / f"rows.{suffix}", compression)
    done = run(f"rows.{suffix}", f"spine.{suffix}", "out.arrow")
    assert done.returncode == 0, done.stderr
    out = read(tmp_path / "out.arrow")
    assert [out.schema.field(name).type for name in ("text", "raw", "kind")] == [pa.string_view(), pa.binary_view(), pa.dictionary(pa.uint32(), pa.string_view())]
    for name in ("text", "kind", "out_t"):
        assert out[name].to_pylist() == texts
    assert out["raw"].to_pylist() == spine["raw"].to_list()


def write_polars(frame: pl.DataFrame, path: Path, compression: Literal["uncompressed", "zstd"]) -> None:
    if path.suffix == ".arrow":
        frame.write_ipc(path, compression=compression)
    else:
        frame.write_ipc_stream(path, compression=compression)


def polars_refusal(run, tmp_path: Path) -> str:
    write_polars(pl.DataFrame({"k": [1], "i": [2**70]}, {"k": pl.Int64, "i": pl.Int128}).with_columns(at=pl.lit(0).cast(pl.Datetime("us"))), tmp_path / "rows.arrow", "uncompressed")
    return str(run("rows.arrow", "spine.csv", "out.csv").stderr)


def test_what_cannot_be_read_is_named(run, tmp_path: Path) -> None:
    def refusal(column: str, array: pa.Array) -> str:
        rows = {"k": [1], "b": [True], "i": [1], "f": [0.5], "t": ["a"], "u": pa.array([0], pa.timestamp("us")), "at": pa.array([0], pa.timestamp("us"))}
        write(pa.table(rows | {column: array}), tmp_path / "rows.arrow", None, 10)
        (tmp_path / "spine.csv").write_text("k,event_timestamp\n1,2024-01-01\n")
        done = run("rows.arrow", "spine.csv", "out.csv")
        assert done.returncode == 1
        return str(done.stderr)

    assert "column 'f': is list<item: double>, not a float64" in refusal("f", pa.array([[1.0]]))
    assert "column 'i': is not an int64 in row 1" in refusal("i", pa.array([1.5]))
    assert "column 'i': is not an int64 in row 1" in refusal("i", pa.array([2**63], pa.uint64()))
    assert "column 'f': is not a float64 in row 1" in refusal("f", pa.array([2**60 + 1], pa.int64()))
    assert "column 'u': has nanoseconds in row 1" in refusal("u", pa.array([1], pa.timestamp("ns")))
    assert "column 'at': may not be NULL, as in row 1" in refusal("at", pa.array([None], pa.timestamp("us")))
    assert "column 't': holds a text with NUL" in refusal("t", pa.array(["a\x00b"]))
    # Which rows would be meant by which dictionary, nothing says in a file.
    values = [pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([text])) for text in ("a", "b")]
    rows = [pa.record_batch({"k": [1], "t": array, "at": pa.array([0], pa.timestamp("us"))}) for array in values]
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, rows[0].schema) as writer:
        for batch in rows:
            writer.write_batch(batch)
    (tmp_path / "rows.arrow").write_bytes(b"ARROW1\0\0" + stream.getvalue() + b"ARROW1")
    assert "replaces a dictionary" in str(run("rows.arrow", "spine.csv", "out.csv").stderr)
    legacy = pa.ipc.IpcWriteOptions(use_legacy_format=True)
    with pa.OSFile(str(tmp_path / "rows.arrow"), "wb") as sink, pa.ipc.new_file(sink, rows[0].schema, options=legacy) as old:
        old.write_batch(rows[0])
    assert "Arrow 0.15 and newer write it" in str(run("rows.arrow", "spine.csv", "out.csv").stderr)
    assert "column 'i': is not an int64 in row 1" in polars_refusal(run, tmp_path)
