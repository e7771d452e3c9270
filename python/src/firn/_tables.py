"""Tables of any library as Arrow, and Arrow as streams of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import pyarrow as pa

#: A pyarrow Table or RecordBatch, a pandas or Polars DataFrame, a list of dicts, or a dict of columns.
TableLike = Union["pa.Table", "pa.RecordBatch", Sequence[Mapping[str, Any]], Mapping[str, Sequence[Any]], Any]

#: Rows of a batch as it travels.
BATCH_ROWS = 65_536


def to_table(rows: TableLike) -> "pa.Table":
    """Rows of any kind as an Arrow table.

    Times without a zone are UTC. Nanoseconds become microseconds, which is what Firn keeps; a time that would lose digits is refused.
    """
    if isinstance(rows, pa.Table):
        table = rows
    elif isinstance(rows, pa.RecordBatch):
        table = pa.Table.from_batches([rows])
    elif isinstance(rows, pa.RecordBatchReader):
        table = rows.read_all()
    elif hasattr(rows, "to_arrow"):  # Polars
        table = rows.to_arrow()
    elif hasattr(rows, "iloc"):  # pandas
        table = pa.Table.from_pandas(rows, preserve_index=False)
    elif isinstance(rows, Mapping):
        table = pa.table(dict(rows))
    elif isinstance(rows, Iterable):
        table = pa.Table.from_pylist(list(rows))
    else:
        raise TypeError(f"rows of a {type(rows).__name__} can't be read: give a DataFrame, a pyarrow Table or a list of dicts")
    return pa.table([plain(column) for column in table.columns], names=table.column_names)


def plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column in a type that Firn reads."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return column.cast(pa.timestamp("us", kind.tz))
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    return column


def batches_to_bytes(schema: "pa.Schema", batches: Iterable["pa.RecordBatch"]) -> Iterator[bytes]:
    """An Arrow IPC stream, a record batch at a time, so that no more than one is held twice."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def to_bytes(table: "pa.Table") -> Iterator[bytes]:
    """A table as an Arrow IPC stream."""
    return batches_to_bytes(table.schema, table.to_batches(max_chunksize=BATCH_ROWS))
