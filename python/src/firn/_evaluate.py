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

from ._client import Instant, _text
from ._errors import FirnError, FirnWarning
from ._tables import TableLike, to_table


def eval(
    definitions: str | Path | Sequence[str | Path],
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
    binary: str | None = None,
) -> "pa.Table":
    """The values of a set, or of some features, over rows given as tables, by the engine that trains and serves.

    Args:
        definitions: YAML text, or paths of files with it.
        rows: for each source a table, or the path of a ``.csv``, ``.ndjson``, ``.arrow`` or ``.arrows`` file.
        spine: keys, instants and request inputs, as for a snapshot.
        null: one more word that means NULL in files of text, such as ``NA``.
        epoch: the unit of times that are integers.
        binary: the ``firn`` program; without it the one of ``FIRN_BINARY``, or on ``PATH``.

    Returns:
        The spine's columns as they were, then the outputs.
    """
    program = binary or os.environ.get("FIRN_BINARY") or shutil.which("firn")
    if program is None:
        raise FirnError("the firn program isn't on PATH; FIRN_BINARY says where it is", code="no_binary")
    with tempfile.TemporaryDirectory(prefix="firn-") as directory:
        arguments = [program, "eval"]
        for index, definition in enumerate([definitions] if isinstance(definitions, (str, Path)) else definitions):
            if isinstance(definition, str) and ("\n" in definition or ":" in definition):
                path = Path(directory) / f"definitions-{index}.yaml"
                path.write_text(definition, encoding="utf-8")
                definition = path
            arguments.append(str(definition))
        if set is not None:
            arguments += ["--set", set]
        for feature in features or []:
            arguments += ["--feature", feature]
        for source, given in rows.items():
            arguments += ["--rows", f"{source}={given if isinstance(given, (str, Path)) else _write(directory, source, given)}"]
        out = Path(directory) / "values.arrow"
        arguments += ["--spine", _write(directory, "spine", spine), "--timestamp", timestamp, "--ignore-extra", "--out", str(out)]
        if hindsight:
            arguments.append("--hindsight")
        if known_by is not None:
            arguments += ["--known-by", str(_text(known_by))]
        if null is not None:
            arguments += ["--null", null]
        if epoch is not None:
            arguments += ["--epoch", epoch]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise FirnError(_in_python(done.stderr.strip().replace(directory + "/", "")), code="invalid_request" if done.returncode == 2 else "failed")
        for line in done.stderr.replace(directory + "/", "").splitlines():
            if line.startswith("warning: "):
                warnings.warn(line.removeprefix("warning: "), FirnWarning, stacklevel=2)
        with pa.OSFile(str(out), "rb") as file:
            return pa.ipc.open_file(file).read_all()


def _in_python(message: str) -> str:
    """Options by the names that they have here."""
    return re.sub(r"--(null|epoch|timestamp)\b", r"'\1'", message)


def _write(directory: str, name: str, rows: Any) -> str:
    path = Path(directory) / f"rows-{name}.arrow"
    table = to_table(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return str(path)
