"""Features over tables, without a server or a database: for notebooks and tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from . import _definitions
from ._definitions import Definitions
from ._errors import FirnError, FirnWarning
from ._files import SUFFIXES, explaining, open_rows
from ._tables import TableLike, to_table
from ._times import Instant, as_text


def eval(
    definitions: Definitions,
    *,
    rows: Mapping[str, TableLike | str | Path],
    spine: TableLike,
    set: str | None = None,
    features: Sequence[str] | None = None,
    timestamp: str = "event_timestamp",
    hindsight: bool = False,
    known_by: Instant | None = None,
    null: str | None = None,
    epoch: Literal["s", "ms", "us"] | None = None,
    ignore_extra: bool = False,
    binary: str | None = None,
) -> "pa.Table":
    """The values of a set, or of some features, over rows given as tables, by the engine that trains and serves.

    Args:
        definitions: YAML text, the path of a file or of a directory (of which all ``.yaml`` and ``.yml`` below are read), or several of these.
        rows: for each source a table, or the path of a ``.parquet``, ``.arrow``, ``.feather``, ``.arrows``, ``.csv`` or ``.ndjson`` file.
        spine: keys, instants and request inputs, as for a snapshot.
        null: one more word that means NULL in files of text, such as ``NA``.
        epoch: the unit of times that are integers.
        ignore_extra: passes over columns that a source doesn't declare without a word, and in files of text at all. Without it a warning names those of tables.
        binary: the ``firn`` program; without it the one of ``FIRN_BINARY``, or on ``PATH``.

    Returns:
        The spine's columns as they were, then the outputs. ``firn.to_pandas`` makes a frame of them.
    """
    program = binary or os.environ.get("FIRN_BINARY") or shutil.which("firn")
    if program is None:
        raise FirnError("the firn program isn't on PATH; FIRN_BINARY says where it is", code="no_binary")
    with tempfile.TemporaryDirectory(prefix="firn-") as directory:
        arguments = [program, "eval"]
        declared = _definitions.declared(definitions)
        for place, part in enumerate(_definitions.parts(definitions)):
            if isinstance(part, str):
                path = Path(directory) / f"definitions-{place}.yaml"
                path.write_text(part, encoding="utf-8")
            arguments.append(str(path if isinstance(part, str) else part))
        if set is not None:
            arguments += ["--set", set]
        for feature in features or []:
            arguments += ["--feature", feature]
        for source, given in rows.items():
            if isinstance(given, (str, Path)) and Path(given).suffix not in SUFFIXES:
                with explaining(Path(given)):
                    Path(given).open("rb").close()
                path = Path(given)
            else:
                path = _write(directory, source, _declared(source, _rows(given), declared.get(source), ignore_extra))
            arguments += ["--rows", f"{source}={path}"]
        out = Path(directory) / "values.arrow"
        arguments += ["--spine", str(_write(directory, "spine", to_table(spine))), "--timestamp", timestamp, "--out", str(out)]
        if ignore_extra:
            arguments.append("--ignore-extra")
        if hindsight:
            arguments.append("--hindsight")
        if known_by is not None:
            arguments += ["--known-by", str(as_text(known_by))]
        if null is not None:
            arguments += ["--null", null]
        if epoch is not None:
            arguments += ["--epoch", epoch]
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        except OSError as error:
            raise FirnError(f"{program} can't be run ({error.strerror}): FIRN_BINARY says where the firn program is", code="no_binary") from error
        if done.returncode != 0:
            raise FirnError(_in_python(done.stderr.strip().replace(directory + "/", "")), code="invalid_request" if done.returncode == 2 else "failed")
        for line in done.stderr.replace(directory + "/", "").splitlines():
            if line.startswith("warning: "):
                warnings.warn(line.removeprefix("warning: "), FirnWarning, stacklevel=2)
        with pa.OSFile(str(out), "rb") as file:
            return pa.ipc.open_file(file).read_all()


def _rows(given: Any) -> "pa.Table":
    if not isinstance(given, (str, Path)):
        return to_table(given)
    with explaining(Path(given)):
        schema, batches = open_rows(Path(given))
        return to_table(pa.Table.from_batches(batches, schema))


def _declared(source: str, table: "pa.Table", columns: Any, ignore_extra: bool) -> "pa.Table":
    """The columns that a source declares; of one that isn't defined the program says so."""
    if columns is None:
        return table
    kept = [name for name in table.column_names if name in columns or name == "firn_known_at"]
    others = [name for name in table.column_names if name not in kept]
    if others and not ignore_extra:
        names = ", ".join(f"'{name}'" for name in others)
        warnings.warn(f"{source} doesn't declare {names}: passed over; ignore_extra=True does so without a word", FirnWarning, stacklevel=3)
    return table.select(kept)


def _in_python(message: str) -> str:
    """Options by the names that they have here."""
    return re.sub(r"--(null|epoch|timestamp|ignore-extra)\b", lambda found: f"'{found[1].replace('-', '_')}'", message)


def _write(directory: str, name: str, table: "pa.Table") -> Path:
    path = Path(directory) / f"rows-{name}.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path
