"""Makes the files of this folder that begin with `types` or `pandas` (pyarrow 26, Polars 2.1, pandas 3.1): every type there is, so that reading what passes through is held against other
writers' bytes. Run as `python3 Tests/Golden/arrow.py`; the files are kept, since newer versions may write other bytes for the same values."""

import datetime as dt
import decimal
import pathlib
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

HERE = pathlib.Path(__file__).parent


def column(values, kind):
    return pa.array(values, kind)


def ree(values, kind, ends):
    return pa.RunEndEncodedArray.from_arrays(pa.array([2, 5, 6], ends), pa.array(values, kind))


def table():
    struct = pa.struct([pa.field("a", pa.int32()), pa.field("b", pa.list_(pa.string()))])
    dense = pa.UnionArray.from_dense(
        pa.array([0, 1, 0, 1, 0, 1], pa.int8()), pa.array([0, 0, 1, 1, 2, 2], pa.int32()), [pa.array([1, None, 3]), pa.array(["x", "y", "z"])], ["n", "s"])
    sparse = pa.UnionArray.from_sparse(pa.array([0, 1, 0, 1, 0, 1], pa.int8()), [pa.array([1, None, 3, 4, 5, 6]), pa.array(list("uvwxyz"))], ["n", "s"], [0, 1])
    inner = pa.StructArray.from_arrays([pa.array(["p", "q", "p", None, "q", "p"]).dictionary_encode()], ["d"])
    words = ["", "é", "twelve bytes", "more than twelve bytes", None, "🙂🙂🙂🙂"]
    return pa.table({
        "k": pa.array([1, 2, 3, 4, 5, 6]),
        "event_timestamp": pa.array([0] * 6, pa.timestamp("us", "UTC")),
        "d32": column([decimal.Decimal("1.5"), None] * 3, pa.decimal32(5, 1)),
        "d64": column([decimal.Decimal("-1.50"), None] * 3, pa.decimal64(12, 2)),
        "d128": column([decimal.Decimal("19.90"), decimal.Decimal("-0.01"), None] * 2, pa.decimal128(20, 2)),
        "d256": column([decimal.Decimal(10**60), decimal.Decimal(-3), None] * 2, pa.decimal256(70, 0)),
        "t32": column([dt.time(10, 0, 1), None] * 3, pa.time32("s")),
        "t64": column([dt.time(23, 59, 59, 999999), None] * 3, pa.time64("us")),
        "duration": column([dt.timedelta(days=-1), None] * 3, pa.duration("ms")),
        "interval": column([pa.MonthDayNano([1, 2, 3]), None] * 3, pa.month_day_nano_interval()),
        "fixed": column([b"abc", None] * 3, pa.binary(3)),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), column([uuid.UUID(int=7).bytes, None] * 3, pa.binary(16))),
        "views": column(words, pa.string_view()),
        "bytes": column([b"\x00\xff" * 9, None] * 3, pa.binary_view()),
        "list": column([[1, None], None, [], [2], [3, 4, 5], [6]], pa.list_(pa.int64())),
        "large": column([["a"], None, [], ["b", None], ["c"], []], pa.large_list(pa.string())),
        "listview": column([[1, 2], None, [], [3], [], [4]], pa.list_view(pa.int16())),
        "vector": column([[1.0, 2.0], None, [3.0, 4.0]] * 2, pa.list_(pa.float32(), 2)),
        "map": column([[("a", 1)], None, [], [("b", None), ("c", 3)], [], []], pa.map_(pa.string(), pa.int64())),
        "struct": column([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}, {"a": 4, "b": []}, {"a": 5, "b": [None]}, {"a": 6, "b": ["y", "z"]}], struct),
        "dense": dense,
        "sparse": sparse,
        "runs": ree([1, None, 3], pa.int64(), pa.int32()),
        "short_runs": ree(["a", "b", None], pa.string(), pa.int16()),
        "category": pa.array(["a", "b", None, "a", "c", "b"]).dictionary_encode(),
        "numbers": pa.array([10, 20, None, 10, 30, 20]).dictionary_encode(),
        "ordered": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0, 1, None], pa.int8()), pa.array(["lo", "mid", "hi", "never"]), ordered=True),
        "inner": inner,
        "nested": column([[{"x": [[1], []]}], None, [], [{"x": None}], [], [None]], pa.list_(pa.struct([("x", pa.list_(pa.list_(pa.int8())))]))),
        "nothing": pa.nulls(6),
        "half": column([0.5, None] * 3, pa.float16()),
    })


def write(name, rows, compression=None, chunk=4):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_file if name.endswith(".arrow") else pa.ipc.new_stream
    with pa.OSFile(str(HERE / name), "wb") as sink, make(sink, rows.schema, options=options) as writer:
        writer.write_table(rows, max_chunksize=chunk)


def frame():
    """A frame as data scientists have it, to be held against its own CSV."""
    return pd.DataFrame({
        "k": [1, 2, 3, 4, 5],
        "event_timestamp": pd.date_range("2024-01-01", periods=5, tz="UTC"),
        "id": [7, np.nan, 12345678901, 0, -3],
        "n": [7, 2**62 + 1, 0, -3, 10],
        "text": ["007", "7.50", "True", "x, y", "2024-05-08"],
        "flag": [True, False, True, False, True],
        "maybe": pd.array([True, None, False, True, None], dtype="object"),
        "when": pd.to_datetime(["2024-05-08 10:00:00.123456789", None, "1969-12-31 23:59:59.999999999", "2024-05-08", "2000-01-01"], format="mixed"),
        "local": pd.date_range("2024-03-30 12:00", periods=5, tz="Europe/Vienna"),
        "day": pd.to_datetime(["2024-05-08", "2024-05-09", None, "1960-02-29", "2024-05-08"]),
        "narrow": np.array([0.1, 1 / 3, np.nan, 16777216, 1e-30], dtype="float32"),
        "float": [0.1, 1 / 3, np.nan, 1e16, 5e-324],
        "kind": pd.Categorical(["a", "b", None, "a", "b"]),
        "code": pd.Categorical([3, 1, None, 3, 2]),
        "Int64": pd.array([7, None, 2**53 + 1, 0, 1], dtype="Int64"),
    })


def main():
    frame().to_feather(HERE / "pandas.feather")
    frame().to_csv(HERE / "pandas.csv", index=False)
    rows = table()
    extension = pa.field("json", pa.string(), metadata={"ARROW:extension:name": "arrow.json", "unit": "none"})
    rows = rows.append_column(extension, pa.array(["{}", None] * 3))
    write("types.arrows", rows)
    write("types-lz4.arrow", rows, "lz4")
    # Two pieces with categories of their own, as a concatenated pandas frame has them.
    pieces = [pa.table({"k": [1, 2], "c": pa.array(a).dictionary_encode()}) for a in ([10, 20], [30, 10])]
    chunked = pa.chunked_array([piece["c"].chunk(0) for piece in pieces])
    write("types-categories.arrows", pa.table({"k": [1, 2, 3, 4], "event_timestamp": pa.array([0] * 4, pa.timestamp("us")), "c": chunked}))
    pl.DataFrame({"k": [1, 2], "big": [7, None], "far": [2**70, 1]}, {"k": pl.Int64, "big": pl.Int128, "far": pl.Int128}).write_ipc(HERE / "types-polars.arrow", compression="lz4")


main()
