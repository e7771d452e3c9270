"""Columns of every Arrow type: passed over, or passed through so that pyarrow finds no fault with them, on files and over HTTP."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

GOLDEN = Path(__file__).parents[2] / "Tests" / "Golden"
DEFINITIONS = """
entities: {thing: {keys: {k: int64}}}
sources: {s: {columns: {k: int64, f: real, t: string, at: timestamp}, event_time: at}}
features:
  f.v1: {entity: thing, source: s, expression: latest(f)}
  t.v1: {entity: thing, source: s, expression: latest(t)}
sets: {all.v1: {features: [f.v1, t.v1]}}
"""


def read(content: bytes) -> pa.Table:
    source = pa.BufferReader(content)
    table = pa.ipc.open_file(source).read_all() if content.startswith(b"ARROW1") else pa.ipc.open_stream(source).read_all()
    table.validate(full=True)
    return table


def evaluate(binary: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (directory / "d.yaml").write_text(DEFINITIONS)
    return subprocess.run([binary, "eval", "d.yaml", "--set", "all.v1", *arguments], cwd=directory, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["types.arrows", "types-lz4.arrow", "types-categories.arrows"])
@pytest.mark.parametrize("out", ["out.arrow", "out.arrows"])
def test_every_type_passes_through_as_it_is(binary: str, tmp_path: Path, name: str, out: str) -> None:
    (tmp_path / "rows.csv").write_text("k,f,t,at\n1,19.90,a,1960-01-01 00:00:00 UTC\n")
    done = evaluate(binary, tmp_path, "--rows", "s=rows.csv", "--spine", str(GOLDEN / name), "--out", out)
    assert done.returncode == 0, done.stderr
    before, after = read((GOLDEN / name).read_bytes()), read((tmp_path / out).read_bytes())
    for field in before.schema:
        assert after.schema.field(field.name).equals(field, check_metadata=True), field
        assert after[field.name].to_pylist() == before[field.name].to_pylist(), field
    assert after["f"].to_pylist()[0] == 19.9


def test_files_of_pandas_are_read_as_they_are_written(binary: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"k": [1.0, None, 3.0], "f": pd.Categorical([1, 2, 2]), "t": ["a", None, "c"], "at": pd.Timestamp("2024-01-01"), "other": [[1], None, [2, 3]]})
    rows.to_feather(tmp_path / "rows.feather")
    pd.DataFrame({"k": [1.0, None, 3.0], "event_timestamp": pd.Timestamp("2024-01-02")}).to_csv(tmp_path / "spine.CSV", index=False)
    done = evaluate(binary, tmp_path, "--rows", "s=rows.feather", "--ignore-extra", "--spine", "spine.CSV")
    assert done.stdout == "k,event_timestamp,f,t\n1.0,2024-01-02,1.0,a\n,2024-01-02,,\n3.0,2024-01-02,2.0,c\n", done.stderr


def post(url: str, body: bytes, kind: str = "application/vnd.apache.arrow.stream") -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind})) as answer:
        content: bytes = answer.read()
        return content


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_http_takes_and_gives_columns_of_every_type(url: str) -> None:
    every = read((GOLDEN / "types.arrows").read_bytes())
    spine = every.rename_columns(["customer_id", *every.column_names[1:]]).append_column("amount", pa.array([1.0] * 6))
    made = json.loads(post(url + "/v1/snapshots?set=all.v1&split=a=0.5,b=0.5&by=uuid", stream(spine)))
    assert made["split"]["hash"] == "split 2"
    with urllib.request.urlopen(f"{url}/v1/snapshots/{made['id']}/data") as answer:
        given = read(answer.read())
    for field in spine.schema:
        assert given.schema.field(field.name).equals(field, check_metadata=True), field
        assert given[field.name].to_pylist() == spine[field.name].to_pylist(), field
    assert json.loads(post(f"{url}/v1/snapshots/{made['id']}/verify", b""))["identical"] is True
    rows = every.select(["list", "struct", "d128", "uuid"]).append_column("customer_id", pa.array([1000.0] * 6)).append_column("at", every["event_timestamp"])
    with pytest.raises(urllib.error.HTTPError):
        post(url + "/v1/sources/clicks/import", stream(rows))
    assert json.loads(post(url + "/v1/sources/clicks/import?ignore_extra=true", stream(rows)))["rows"] == 6
