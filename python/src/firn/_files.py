"""Files of rows, and a model's files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ._errors import FirnError
from ._tables import BATCH_ROWS, batches_to_bytes, plain_columns

#: What Python reads; text files go as they are.
SUFFIXES = (".parquet", ".arrow", ".feather", ".arrows")


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Says of which file it is that something is wrong."""
    try:
        yield
    except pa.ArrowException as error:
        raise FirnError(f"{path.name}: {error}", code="invalid_rows") from error
    except OSError as error:
        raise FirnError.of_file(error, path) from error


def text_kind(path: Path) -> str | None:
    """What a file of text travels as, by its name in whatever case; nothing of other files."""
    name = path.name.lower().removesuffix(".gz").removesuffix(".zst")
    return "text/csv" if name.endswith(".csv") else "application/x-ndjson" if name.endswith((".ndjson", ".jsonl")) else None


def text_bytes(path: Path) -> Callable[[], Iterator[bytes]]:
    """A text file, unpacked; each call reads it anew."""
    with explaining(path):
        path.open("rb").close()

    def read() -> Iterator[bytes]:
        with explaining(path), pa.input_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())) as text:
            yield from iter(lambda: text.read(1 << 20), b"")

    return read


def arrow_bytes(path: Path, names: Mapping[str, str], kept: Collection[str] | None) -> Callable[[], Iterator[bytes]]:
    """A Parquet or Arrow file as an Arrow stream; each call reads it anew.

    Args:
        names: of columns that are called something else in the stream.
        kept: the columns of the stream; without it all.
    """

    def read() -> Iterator[bytes]:
        with explaining(path):
            schema, batches = open_rows(path)

            def chosen(table: "pa.Table") -> "pa.Table":
                table = table.rename_columns([names.get(name, name) for name in table.column_names])
                if kept is not None:
                    table = table.select([place for place, name in enumerate(table.column_names) if name in kept])
                return pa.table(plain_columns(table))

            template = chosen(schema.empty_table()).schema

            def plain() -> Iterator["pa.RecordBatch"]:
                for batch in batches:
                    table = chosen(pa.Table.from_batches([batch]))
                    for name, here, there in zip(template.names, table.schema.types, template.types):
                        if here != there:
                            raise FirnError(f"{path.name}: column '{name}' is {here} and has numbers beyond int64: write it as a text or a float64", code="invalid_rows")
                    yield from table.to_batches()

            yield from batches_to_bytes(template, plain())

    with explaining(path):
        open_rows(path)
    return read


def open_rows(path: Path) -> tuple["pa.Schema", Iterable["pa.RecordBatch"]]:
    """A file's schema and its rows, batch by batch."""
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix in (".arrow", ".feather"):
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return reader.schema, (reader.get_batch(place) for place in range(reader.num_record_batches))
    if path.suffix == ".arrows":
        stream = pa.ipc.open_stream(pa.memory_map(str(path)))
        return stream.schema, iter(stream)
    raise FirnError(f"{path.name}: unknown kind of file (name it .parquet, .arrow, .arrows, .csv or .ndjson)", code="invalid_request")


def _parquet(path: Path) -> tuple["pa.Schema", Iterator["pa.RecordBatch"]]:
    """INT96, in which some write times, holds nanoseconds of more years than 64 bits do: it is read as microseconds, beside which the digits are looked at."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path, coerce_int96_timestamp_unit="us")
    old = [name for name, leaf in ((field.name, file.schema.column(place)) for place, field in enumerate(file.schema)) if leaf.physical_type == "INT96" and "." not in leaf.path]
    batches = file.iter_batches(batch_size=BATCH_ROWS)
    if not old:
        return file.schema_arrow, batches
    exact = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS, columns=old)

    def checked() -> Iterator["pa.RecordBatch"]:
        for batch, digits in zip(batches, exact):
            for name in old:
                _require_microseconds(path, name, batch.column(name), digits.column(name))
            yield batch

    return file.schema_arrow, checked()


def _require_microseconds(path: Path, name: str, times: Any, nanoseconds: Any) -> None:
    import pyarrow.compute as pc

    times, nanoseconds = times.cast(pa.int64()), nanoseconds.cast(pa.int64())
    # Beyond 1677 to 2262 nanoseconds have gone round 64 bits, and say nothing.
    fits = pc.and_(pc.greater(times, -9_223_372_036_854_775), pc.less(times, 9_223_372_036_854_775))
    times, nanoseconds = times.filter(fits), nanoseconds.filter(fits)
    if pc.any(pc.not_equal(pc.multiply(times, 1000), nanoseconds)).as_py():
        raise FirnError(f"{path.name}: column '{name}' has nanoseconds; times carry microseconds", code="invalid_rows")


def artifact(path: Path) -> dict[str, Any]:
    """A file's name, size and digest."""
    digest, size = hashlib.sha256(), 0
    with explaining(path), path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return {"name": path.name, "digest": digest.hexdigest(), "bytes": size}
