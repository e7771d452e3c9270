"""What the client does, against a real server."""

from __future__ import annotations

import math
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import firn

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def payments(count: int, prefix: str = "p") -> pa.Table:
    return pa.table({
        "payment_id": [f"{prefix}{row}" for row in range(count)],
        "customer_id": pa.array([row % 7 for row in range(count)], pa.int32()),
        "amount": [row + 0.25 for row in range(count)],
        "shop": pa.array([["north", "south", None][row % 3] for row in range(count)]).dictionary_encode(),
        "at": pa.array([START + timedelta(hours=row) for row in range(count)], pa.timestamp("ns", "UTC")),
    })


def spine(count: int = 20) -> pandas.DataFrame:
    return pandas.DataFrame({
        "customer_id": [row % 9 for row in range(count)],
        "event_timestamp": [START + timedelta(days=3, minutes=row) for row in range(count)],
        "amount": [float(row) for row in range(count)],
        "note": [f"row {row}" if row % 4 else None for row in range(count)],
    })


@pytest.fixture(scope="module", autouse=True)
def rows(store: firn.Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("files") / "payments.parquet"
    pq.write_table(payments(100), path)
    imported = store.import_file("payments", path)
    assert (imported.rows, imported.duplicates, imported.last_offset) == (100, 0, 100)
    with pytest.raises(firn.FirnError) as refused:
        store.import_file("payments", path)
    assert refused.value.code == "duplicate_file"
    assert store.import_file("payments", path, again=True).duplicates == 100


def test_a_snapshot_has_one_row_for_each_of_the_spines(store: firn.Client) -> None:
    snapshot = store.snapshot("all.v1", spine(), name="first")
    frame = snapshot.to_pandas()
    assert list(frame.columns) == ["customer_id", "event_timestamp", "amount", "note", "spend_7d", "last_shop", "clicks", "vs_usual", "pays"]
    assert frame["note"].where(frame["note"].notna(), None).tolist() == spine()["note"].where(spine()["note"].notna(), None).tolist()
    assert snapshot.features == ["spend_7d", "last_shop", "clicks", "vs_usual"] and snapshot.labels == ["pays"]
    # Customer 0 pays at hours 0, 7, 14, …; until 3 days have passed, at 0 … 70.
    known = [row + 0.25 for row in range(0, 73, 7)]
    assert frame["spend_7d"][0] == math.fsum(known)
    assert math.isnan(frame["spend_7d"][7]), "customer 7 has no rows"
    assert frame["vs_usual"][9] == 9.0 / (math.fsum(known) / len(known))
    assert store.fetch("first").id == snapshot.id


def test_pandas_polars_arrow_and_dicts_are_the_same_spine(store: firn.Client) -> None:
    frame = spine()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    digests = {store.snapshot("all.v1", kind, keep=False).digest for kind in (frame, table, polars.from_pandas(frame), table.to_pylist(), table.to_pydict())}
    assert len(digests) == 1


def test_a_large_snapshot_comes_in_batches_and_comes_back(store: firn.Client) -> None:
    large = pandas.concat([spine(1000)] * 150, ignore_index=True)
    kept, computed = store.snapshot("all.v1", large), store.snapshot("all.v1", large, keep=False)
    assert kept.to_arrow().equals(computed.to_arrow()) and kept.to_arrow().num_rows == 150_000
    assert store.fetch(kept.id).to_arrow().equals(kept.to_arrow())
    assert kept.verify().identical


def test_a_snapshot_at_another_ones_cuts_sees_no_later_row(store: firn.Client) -> None:
    before = store.snapshot("all.v1", spine(), hindsight=True)
    store.push("clicks", [{"customer_id": 0, "page": "late", "at": START.isoformat()}])
    assert store.snapshot("all.v1", spine(), hindsight=True).digest != before.digest
    assert store.snapshot("all.v1", spine(), hindsight=True, at=before).digest == before.digest
    assert store.fetch(before.id).to_arrow().equals(before.to_arrow())
    assert before.verify().identical


def test_rows_can_be_computed_without_a_record(store: firn.Client) -> None:
    snapshot = store.snapshot("all.v1", spine(), name="recorded")
    count = len(store.catalog.snapshots())
    assert store.compute("all.v1", spine(), at="recorded").equals(snapshot.to_arrow())
    assert store.compute("all.v1", spine(), hindsight=True, known_by=START).schema == snapshot.to_arrow().schema
    assert len(store.catalog.snapshots()) == count
    with pytest.raises(firn.FirnError, match="unknown set 'none.v1'"):
        store.compute("none.v1", spine())


def test_a_split_goes_by_a_hash_of_the_key(store: firn.Client) -> None:
    first = store.snapshot("all.v1", spine(500), split={"train": 0.5, "test": 0.5}, by="customer_id").to_pandas()
    assert first.groupby("customer_id")["split"].nunique().max() == 1
    assert set(first["split"]) == {"train", "test"}
    with pytest.raises(firn.FirnError, match="come to 0.5, and not to 1"):
        store.snapshot("all.v1", spine(), split={"train": 0.5}, by="customer_id")


def test_an_online_lookup_is_the_training_row_at_its_instant_and_cuts(store: firn.Client) -> None:
    answer = store.lookup("all.v1", {"customer_id": [0, 1, 8]}, request={"amount": [1.0, 2.5, 3.0]}, cuts=True)
    training = store.snapshot("all.v1", pandas.DataFrame({"customer_id": [0, 1, 8], "amount": [1.0, 2.5, 3.0], "event_timestamp": [pandas.Timestamp(answer.as_of)] * 3}))
    rows = training.to_arrow().select(answer.features).to_pylist()
    assert answer.to_pylist() == rows
    assert answer.statuses[2][0] == "not_found" and answer.cuts is not None
    assert list(answer.to_pandas().columns) == answer.features


def test_a_frame_is_the_same_in_a_lookup_as_in_a_spine(store: firn.Client) -> None:
    # Pandas has NaN for what is missing; Arrow, Polars and Python tell it from a NaN.
    frame = pandas.DataFrame({"customer_id": [0, 1, 8], "amount": [1.0, float("nan"), float("inf")]})
    for request in (frame[["amount"]], {"amount": frame["amount"]}, {"amount": polars.Series([1.0, None, float("inf")])}, {"amount": pa.array([1.0, None, float("inf")])}):
        answer = store.lookup("all.v1", {"customer_id": frame["customer_id"]}, request=request, cuts=True)
        assert [row[3] is None for row in answer.rows] == [False, True, True] and answer.rows[0][3] > 0
    spine = frame.assign(event_timestamp=pandas.Timestamp(answer.as_of))
    features = store.compute("all.v1", spine).select(answer.features)
    assert answer.to_arrow().cast(features.schema).equals(features)
    assert [str(kind) for kind in answer.to_pandas().dtypes] == [str(kind) for kind in features.to_pandas().dtypes]
    assert math.isnan(store.lookup("all.v1", polars.DataFrame({"customer_id": [0]}), request={"amount": float("nan")}).rows[0][3])


def test_what_is_no_table_is_refused_in_plain_words(store: firn.Client, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="rows of a str"):
        store.snapshot("all.v1", "spine.csv")
    with pytest.raises(firn.FirnError, match="column 'event_timestamp' has nanoseconds"):
        store.snapshot("all.v1", spine().assign(event_timestamp=pandas.Timestamp(1)))
    with pytest.raises(firn.FirnError, match="don't make a table"):
        store.snapshot("all.v1", [{"customer_id": 1}, {"customer_id": "x"}])
    (tmp_path / "junk.parquet").write_text("junk")
    with pytest.raises(firn.FirnError, match="junk.parquet"):
        store.import_file("clicks", tmp_path / "junk.parquet")
    pq.write_table(pa.table({"customer_id": [90], "at": [START]}), tmp_path / "less.parquet")
    with pytest.warns(firn.FirnWarning, match="column 'page' isn't in less.parquet: it is NULL in every row"):
        store.import_file("clicks", tmp_path / "less.parquet")


def test_lookups_take_features_and_past_instants(store: firn.Client) -> None:
    answer = store.lookup(features=["spend_7d.v1"], entities={"customer_id": 0}, as_of=START + timedelta(hours=8))
    assert answer.rows == [[0.25 + 7.25]]
    with pytest.raises(firn.FirnError) as refused:
        store.lookup("all.v1", {"customer_id": 1}, request={"amount": 1}, as_of=datetime(2999, 1, 1))
    assert refused.value.code == "as_of_in_future" and refused.value.status == 400


def test_a_push_is_seen_and_repeated_once(store: firn.Client) -> None:
    rows = pandas.DataFrame({"customer_id": [70, 70], "page": ["a", "b"], "at": [pandas.Timestamp("2024-02-01", tz="UTC")] * 2})
    first = store.push("clicks", rows, idempotency_key="k1")
    assert first == store.push("clicks", rows, idempotency_key="k1")
    assert first.accepted == 2
    answer = store.lookup(features=["clicks.v1"], entities={"customer_id": [70]}, min_offsets={"clicks": first.last_offset})
    assert answer.rows == [[2]]
    with pytest.raises(firn.FirnError) as refused:
        store.push("clicks", rows.head(1), idempotency_key="k1")
    assert refused.value.code == "idempotency_conflict"


def test_a_bad_file_names_the_column_and_leaves_nothing(store: firn.Client, tmp_path: Path) -> None:
    bad = payments(10, "bad").set_column(2, "amount", pa.array(["x"] * 10))
    pq.write_table(bad, tmp_path / "bad.parquet")
    with pytest.raises(firn.FirnError, match="column 'amount'") as refused:
        store.import_file("payments", tmp_path / "bad.parquet")
    assert refused.value.code == "invalid_rows"
    with pytest.raises(firn.FirnError, match="is not declared"):
        store.push("clicks", [{"customer_id": 1, "page": "a", "at": "2024-01-01T00:00:00Z", "extra": 1}])


def test_files_of_other_kinds_and_names(store: firn.Client, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("customer_id,page,at\n60,a,2024-01-01\n")
    assert store.import_file("clicks", tmp_path / "clicks.csv").rows == 1
    table = pa.table({"who": [61], "page": ["a"], "at": [START], "more": [1]})
    with pa.OSFile(str(tmp_path / "clicks.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert store.import_file("clicks", tmp_path / "clicks.arrow", columns={"customer_id": "who"}, ignore_extra=True).rows == 1
    assert store.lookup(features=["clicks.v1"], entities={"customer_id": [60, 61]}).rows == [[1], [1]]
    with pytest.raises(firn.FirnError, match="unknown kind of file"):
        store.import_file("clicks", tmp_path / "clicks.xlsx")


def test_the_catalog(store: firn.Client) -> None:
    assert "spend_7d.v1" in [entry["name"] for entry in store.catalog.features()]
    assert store.catalog.get("sets", "all.v1")["name"] == "all.v1"
    assert store.catalog.search("shop")
    assert {"payments", "clicks"} <= {entry["name"] for entry in store.catalog.sources()}
    for kind in ("entities", "labels", "sets", "snapshots"):
        assert getattr(store.catalog, kind)()
    with pytest.raises(firn.FirnError) as refused:
        store.catalog.get("features", "spent_7d.v1")
    assert refused.value.code == "not_found" and "did you mean" in str(refused.value)


def test_nobody_at_home() -> None:
    with pytest.raises(firn.FirnError, match="doesn't answer") as refused:
        firn.connect("http://127.0.0.1:1").catalog.sets()
    assert refused.value.code == "unreachable"


def test_segments_can_be_read_by_pyarrow(binary: str, store: firn.Client, url: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = next(path for path in tmp_path_factory.getbasetemp().iterdir() if path.name.startswith("server"))
    subprocess.run([binary, "materialize"], cwd=server, check=True, capture_output=True)
    uri = subprocess.run([binary, "url"], cwd=server, check=True, capture_output=True, text=True).stdout.strip()
    query = "select b.column_name, encode(o.body, 'base64') from firn_cache.bodies o join firn_cache.blocks b using (address) join firn_cache.runs r using (run) where r.source = 'payments'"
    found = subprocess.run(["psql", uri, "-XAt", "-R", "\x1e", "-F", "\t", "-c", query], check=True, capture_output=True, text=True).stdout
    import base64

    columns = {}
    for record in found.strip().split("\x1e"):
        name, body = record.split("\t")
        table = pa.ipc.open_file(pa.BufferReader(base64.b64decode(body))).read_all()
        table.validate(full=True)
        columns[name] = table["value"]
    assert {"customer_id", "amount", "shop", "at", "payment_id", "firn_known_at", "firn_offset"} == set(columns)
    assert columns["customer_id"].to_pylist() == sorted(columns["customer_id"].to_pylist())
    assert sorted(columns["firn_offset"].to_pylist()) == list(range(1, 101))
    assert columns["at"].type == pa.timestamp("us", "UTC") and columns["amount"].type == pa.float64()
