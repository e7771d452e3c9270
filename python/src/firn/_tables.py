"""Tables of any library as Arrow, and Arrow as streams of bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import pyarrow as pa

from ._errors import FirnError

#: A pyarrow Table or RecordBatch, a pandas or Polars DataFrame, a list of dicts, or a dict of columns.
TableLike = Union["pa.Table", "pa.RecordBatch", Sequence[Mapping[str, Any]], Mapping[str, Sequence[Any]], Any]

#: Rows of a batch as it travels.
BATCH_ROWS = 65_536


def to_table(rows: TableLike) -> "pa.Table":
    """Rows of any kind as an Arrow table.

    Times without a zone are UTC. Nanoseconds become microseconds, which is what Firn keeps; a time that would lose digits is refused.
    """
    try:
        return pa.table(plain_columns(_table(rows)))
    except pa.ArrowException as error:
        raise FirnError(f"the rows don't make a table: {error}", code="invalid_rows") from error


def _table(rows: TableLike) -> "pa.Table":
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
    elif isinstance(rows, Iterable) and not isinstance(rows, (str, bytes)):
        table = pa.Table.from_pylist(list(rows))
    else:
        raise TypeError(f"rows of a {type(rows).__name__} can't be read: give a DataFrame, a pyarrow Table or a list of dicts")
    return table


def plain_columns(table: "pa.Table") -> dict[str, "pa.ChunkedArray"]:
    """A table's columns in types that Firn reads."""
    for name in table.column_names:
        if table.column_names.count(name) > 1:
            raise FirnError(f"column '{name}' stands twice", code="invalid_rows")
    return {name: _plain(name, column) for name, column in zip(table.column_names, table.columns)}


def _plain(name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        try:
            return column.cast(pa.timestamp("us", kind.tz))
        except pa.ArrowInvalid as error:
            raise FirnError(f"column '{name}' has nanoseconds; times carry microseconds (in pandas: .dt.floor('us'))", code="invalid_rows") from error
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
