"""Tables of any library as Arrow, and Arrow as streams of bytes and as pandas' frames."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any, Union

import pyarrow as pa
import pyarrow.compute as pc

from ._errors import FirnError
from ._times import FIRST, LAST, as_text, microseconds

#: A pandas or Polars frame (lazy ones too), a DuckDB relation, a pyarrow Table, RecordBatch or reader, anything else with ``__arrow_c_stream__``, a list of
#: dicts, or a dict of columns.
TableLike = Union["pa.Table", "pa.RecordBatch", Sequence[Mapping[str, Any]], Mapping[str, Sequence[Any]], Any]

#: Rows of a batch as it travels.
BATCH_ROWS = 65_536


def to_table(rows: TableLike) -> "pa.Table":
    """Rows of any kind as an Arrow table.

    Times without a zone are UTC. Nanoseconds become microseconds, which is what Firn keeps; a time that would lose digits is refused. UUIDs become texts,
    whole decimals that fit integers: so come DuckDB's HUGEINT and Polars' Int128.
    """
    try:
        # Files hold one dictionary for all of a column's chunks.
        return pa.table(plain_columns(_table(rows))).unify_dictionaries()
    except pa.ArrowException as error:
        raise FirnError(f"the rows don't make a table: {error}", code="invalid_rows") from error


def _table(rows: TableLike) -> "pa.Table":
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, pa.RecordBatchReader):
        return rows.read_all()
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):  # pandas
        return _pandas(rows)
    if type(rows).__module__.startswith("polars") and hasattr(rows, "collect"):
        rows = rows.collect()
    if hasattr(rows, "to_arrow") and hasattr(rows, "get_columns"):  # Polars
        return pa.table({column.name: to_array(column.name, column) for column in rows.get_columns()})
    if hasattr(rows, "to_arrow_table"):  # DuckDB
        return rows.to_arrow_table()
    if hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__"):
        return pa.table(rows)
    if isinstance(rows, Mapping):
        return pa.table({str(name): to_array(str(name), values) for name, values in rows.items()})
    if isinstance(rows, Iterable) and not isinstance(rows, (str, bytes)):
        return _dicts(list(rows))
    raise TypeError(f"rows of a {type(rows).__name__} can't be read: give a DataFrame, a pyarrow Table or a list of dicts")


def _pandas(frame: Any) -> "pa.Table":
    names = [str(name) for name in frame.columns]
    _once(names)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        # Column by column, to say which.
        return pa.table({name: to_array(name, frame.iloc[:, index]) for index, name in enumerate(names)})


def _dicts(rows: list[Any]) -> "pa.Table":
    """Dicts, whose columns are the union of their keys in the order in which they come."""
    names: dict[str, None] = {}
    for place, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise FirnError(f"the rows don't make a table: row {place} is of type {type(row).__name__}, not a dict", code="invalid_rows")
        names.update(dict.fromkeys(row))
    return pa.table({str(name): to_array(str(name), [row.get(name) for row in rows]) for name in names})


def to_array(name: str, values: Any) -> "pa.Array | pa.ChunkedArray":
    """A column of any library as Arrow. Of pandas NaN is NULL; Arrow, Polars and Python tell them apart."""
    try:
        if isinstance(values, (pa.Array, pa.ChunkedArray)):
            return values
        if hasattr(values, "to_arrow"):  # Polars
            return _polars(values).to_arrow()
        is_pandas = hasattr(values, "iloc") or type(values).__module__.startswith("pandas")
        if hasattr(values, "dtype") and values.dtype != object:
            return pa.array(values, from_pandas=is_pandas)
        if not isinstance(values, Iterable) or isinstance(values, (str, bytes, Mapping)):
            raise FirnError(f"the rows don't make a table: column '{name}' is of type {type(values).__name__}, not a list of values", code="invalid_rows")
        readable = _readable(name, list(values))
        return readable if isinstance(readable, pa.Array) else pa.array(readable, from_pandas=is_pandas)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise FirnError(f"the rows don't make a table: column '{name}': {error}", code="invalid_rows") from error


def _polars(series: Any) -> Any:
    """Polars hands out integers of 128 bits in a form of its own."""
    import polars

    if series.dtype not in (getattr(polars, "Int128", None), getattr(polars, "UInt128", None)):
        return series
    try:
        return series.cast(polars.Int64)
    except polars.exceptions.InvalidOperationError as error:
        message = f"column '{series.name}' is {series.dtype} and holds numbers beyond int64 (in Polars: .cast(pl.String))"
        raise FirnError(message, code="invalid_rows") from error


def _readable(name: str, values: list[Any]) -> "list[Any] | pa.Array":
    """Python's values without those that pyarrow doesn't know, would cut short or can't read beside each other."""
    kinds = {type(value) for value in values}
    if any(issubclass(kind, uuid.UUID) for kind in kinds):
        values = [str(value) if isinstance(value, uuid.UUID) else value for value in values]
    if any(map(is_missing_type, kinds)):
        values = [None if is_missing_type(type(value)) else value for value in values]
    times = [kind for kind in kinds if issubclass(kind, datetime) and not is_missing_type(kind)]
    if times and any(hasattr(kind, "nanosecond") for kind in times) and any(getattr(value, "nanosecond", 0) for value in values):
        raise _nanoseconds(name)
    if times and date in kinds:  # pyarrow would make dates of all
        values = [datetime(value.year, value.month, value.day, tzinfo=timezone.utc) if type(value) is date else value for value in values]
    if times and any(kind.__module__ == "numpy" and kind.__name__ == "datetime64" for kind in kinds):
        texts = [None if value is None or str(value) == "NaT" else as_text(value) for value in values]
        return pa.array([None if text is None else microseconds(text) for text in texts], pa.int64()).cast(pa.timestamp("us", "UTC"))
    return values


def is_missing_type(kind: type) -> bool:
    """Whether it is the type of ``pandas.NA`` or ``pandas.NaT``."""
    return kind.__name__ in ("NAType", "NaTType") and kind.__module__.startswith("pandas")


def _once(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise FirnError(f"column '{name}' stands twice", code="invalid_rows")


def plain_columns(table: "pa.Table") -> dict[str, "pa.ChunkedArray"]:
    """A table's columns in types that Firn reads."""
    _once(table.column_names)
    return {name: plain_column(name, column) for name, column in zip(table.column_names, table.columns)}


def plain_column(name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column in a type that Firn reads; what nothing is known of stays as it is, for it may only pass through."""
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        try:
            return column.cast(pa.timestamp("us", kind.tz))
        except pa.ArrowInvalid as error:
            raise _nanoseconds(name) from error
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return plain_column(name, pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], kind.value_type))
    if getattr(kind, "extension_name", None) == "arrow.uuid":
        texts = [None if value is None else str(value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value)) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if getattr(kind, "extension_name", None) == "arrow.bool8":
        return column.cast(kind.storage_type).cast(pa.bool_())
    return column


def _is_text(kind: "pa.DataType") -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _nanoseconds(name: str) -> FirnError:
    return FirnError(f"column '{name}' has nanoseconds; times carry microseconds (in pandas: .dt.floor('us'))", code="invalid_rows")


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


def bodies(table: "pa.Table", limit: int, most_rows: int) -> list[tuple[int, Callable[[], bytes]]]:
    """A table as IPC streams of at most so many bytes and rows, in order, each with its number of rows: the same rows make the same ones.

    A row that is larger by itself is a stream of its own.
    """
    whole = b"".join(to_bytes(table))
    if len(whole) <= limit and table.num_rows <= most_rows or table.num_rows <= 1:
        return [(table.num_rows, lambda: whole)]
    # What a slice doesn't need of dictionaries and views would go with it.
    table = pa.table({name: _sliceable(column) for name, column in zip(table.column_names, table.columns)})
    count = max(min(table.num_rows, len(whole) // limit + 1), -(-table.num_rows // most_rows))
    rows = -(-table.num_rows // count)
    return [part for start in range(0, table.num_rows, rows) for part in _halves(table.slice(start, rows), limit)]


def _halves(table: "pa.Table", limit: int) -> list[tuple[int, Callable[[], bytes]]]:
    # Only counted here, and made again when it is sent: all parts together may be large.
    if table.num_rows <= 1 or sum(map(len, to_bytes(table))) <= limit:
        return [(table.num_rows, lambda: b"".join(to_bytes(table)))]
    half = table.num_rows // 2
    return _halves(table.slice(0, half), limit) + _halves(table.slice(half), limit)


def _sliceable(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)
    return column.cast(pa.large_string()) if str(column.type) == "string_view" else column


def to_pandas(table: "pa.Table") -> Any:
    """An Arrow table as a DataFrame that holds every value as it is.

    Integers and booleans beside a NULL are ``Int64`` (``Int32``, …) and ``boolean``; without one they are NumPy's. A column with times outside
    the years 1 to 9999, which pandas can't print, has ``datetime``s and for those ``numpy.datetime64``s. A NULL among floats is NaN.
    """
    import pandas

    return pandas.DataFrame({name: _series(column) for name, column in zip(table.column_names, table.columns)}, index=pandas.RangeIndex(table.num_rows), copy=False)


def _series(column: "pa.ChunkedArray") -> Any:
    import pandas

    kind = column.type
    if column.null_count and (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        name = "boolean" if pa.types.is_boolean(kind) else ("UInt" if pa.types.is_unsigned_integer(kind) else "Int") + str(kind.bit_width)
        return column.to_pandas(types_mapper={kind: pandas.api.types.pandas_dtype(name)}.get)
    values = _beyond_python(column)
    return column.to_pandas() if values is None else pandas.Series(values, dtype=object)


def _beyond_python(column: "pa.ChunkedArray") -> list[Any] | None:
    """The values of a column with times that no ``datetime`` holds, and so pandas can't print; of any other None."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        unit, scale, numbers = kind.unit, {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}[kind.unit], column.cast(pa.int64())
        first, last = FIRST * scale // 1_000_000, LAST * scale // 1_000_000
    elif pa.types.is_date32(kind):
        unit, numbers, first, last = "D", column.cast(pa.int32()), FIRST // 86_400_000_000, LAST // 86_400_000_000
    else:
        return None
    ends = pc.min_max(numbers)
    if not ends["min"].is_valid or first <= ends["min"].as_py() <= ends["max"].as_py() <= last:
        return None
    import numpy

    return [
        value.as_py() if number is None or first <= number <= last else numpy.datetime64(number, unit) for number, value in zip(numbers.to_pylist(), column)
    ]
