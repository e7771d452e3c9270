"""What the client says of itself, and what can be done with what it gives."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pandas
import pyarrow as pa
import pytest
from test_client import START, payments, spine

import firn

NAMES = "entities: {reader_b: {keys: {id: int64}}}"


@pytest.fixture(scope="module", autouse=True)
def rows(store: firn.Client) -> None:
    store.push("payments", payments(20, "manners"))


def test_a_lookups_frame_has_its_keys_and_statuses(store: firn.Client) -> None:
    request = {"amount": [1.0, 2.0]}
    answer = store.lookup("all.v1", pandas.DataFrame({"customer_id": [0, 880]}), request=request)
    frame = answer.to_pandas()
    assert list(frame.columns) == answer.features, "what a model takes in"
    assert frame.index.name == "customer_id" and frame.index.tolist() == [0, 880] and answer.keys == {"customer_id": [0, 880]}
    assert frame.loc[880, "clicks"] == 0
    both = answer.to_pandas(statuses=True)
    assert both.loc[0, "spend_7d.status"] in ("present", "null") and both.loc[880, "spend_7d.status"] == "not_found"
    assert list(both.columns) == [*answer.features, *(f"{name}.status" for name in answer.features)]
    # One value for all, and no value.
    assert store.lookup("all.v1", {"customer_id": 0}, request=request).to_pandas().index.tolist() == [0, 0]
    assert store.lookup("all.v1", {"customer_id": [0, None]}, request=request).to_pandas().index.isna().tolist() == [False, True]


def test_a_snapshots_frame_has_the_spines_index(store: firn.Client) -> None:
    frame = spine(10).set_index(pandas.Index([f"row {row}" for row in range(10)], name="row")).sample(frac=1, random_state=3)
    made = store.snapshot("all.v1", frame)
    assert made.to_pandas().index.equals(frame.index) and made.to_pandas().index.name == "row"
    assert made.to_pandas()["note"].isna().equals(frame["note"].isna())
    assert store.fetch(made.id).to_pandas().index.tolist() == list(range(10)), "the server doesn't know of it"


def test_everything_says_what_it_is(store: firn.Client, url: str) -> None:
    assert repr(store) == f"Client({url})" and repr(store.catalog) == f"Catalog({url})"
    assert "secret" not in repr(firn.connect("http://user:secret@127.0.0.1:1", "firn_secret"))
    answer = store.lookup("all.v1", {"customer_id": [0, 1]}, request={"amount": 1})
    assert repr(answer) == f"Lookup(all.v1, 2 entities, 4 features, as of {answer.as_of})"
    pushed = store.push("clicks", [{"customer_id": 881, "at": START}])
    assert repr(pushed) == f"Push(accepted=1, duplicates=0, last_offset={pushed.last_offset})"


def test_a_snapshot_is_copied_and_pickled_as_what_it_is(store: firn.Client, url: str) -> None:
    with firn.connect(url, "firn_very_secret") as client:
        made = client.snapshot("all.v1", spine())
        made.to_arrow()
        assert copy.deepcopy(made) == made and copy.copy(made).to_arrow().equals(made.to_arrow())
        packed = pickle.dumps(made)
        assert b"very_secret" not in packed and len(packed) < 1 << 16
        with pytest.raises(firn.FirnError, match="a client isn't copied or pickled"):
            pickle.dumps(client)
    other = pickle.loads(packed)
    assert other == made and {other, made} == {made} and other.manifest == made.manifest and repr(other) == repr(made)
    for call in (other.to_pandas, other.to_arrow, other.verify, lambda: other.diff(made)):
        with pytest.raises(firn.FirnError, match=rf"store.fetch\('{made.id}'\)") as refused:
            call()
        assert refused.value.code == "not_connected"
    assert store.fetch(other.id).to_arrow().num_rows == 20
    assert store.compute("all.v1", spine(), at=other).equals(made.to_arrow())


def test_why_diff_and_snapshots(store: firn.Client) -> None:
    found = store.why("spend_7d.v1", {"customer_id": 0}, as_of="2024-01-03", hindsight=True, rows=2)
    assert found["feature"] == "spend_7d.v1" and found["inputs"] == {"customer_id": 0} and found["as_of"] == "2024-01-03T00:00:00Z"
    assert store.why("vs_usual.v1", {"customer_id": 0}, request={"amount": 2.0})["inputs"]["amount"] == 2.0
    with pytest.raises(firn.FirnError) as refused:
        store.why("spent.v1", {"customer_id": 0})
    assert refused.value.code == "not_found"
    compared = store.diff("spend_7d.v1", "clicks.v1", sample=10)
    assert compared["left"] == "spend_7d.v1" and compared["rows"] <= 10
    first, second = store.snapshot("all.v1", spine(5), name="manners-a"), store.snapshot("all.v1", spine(6), name="manners-b")
    assert store.snapshots()[:2] == [second, first] and store.snapshots()[0].to_arrow().num_rows == 6
    assert first.diff(second)["rows"] == store.diff_snapshots("manners-a", second)["rows"] == {"common": 5, "only_left": 0, "only_right": 1}


def test_definitions_are_texts_files_and_directories(store: firn.Client, binary: str, tmp_path: Path) -> None:
    entity = "entities:\n  reader_a: {keys: {id: int64}}   # who reads\n"
    sources = "sources:\n    reads_a:\n        columns: {id: int64, no: bool, at: timestamp}\n        event_time: at\n"
    features = "features: {reads_a.v1: {entity: reader_a, source: reads_a, expression: \"count(*) filter (where not no)\"}}\n"
    more = "features:\n  any_read_a.v1:\n    entity: reader_a\n    source: reads_a\n    expression: |\n      count(*) > 0\n"
    (tmp_path / "deep").mkdir()
    files = {"entity.yaml": entity, "deep/sources.yml": sources, "deep/features.yaml": features, "notes.txt": "features: {"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "more.yml").write_text(more)
    planned = [store.plan(given) for given in (tmp_path, str(tmp_path), [tmp_path / "deep", entity, str(tmp_path / "more.yml")])]
    assert planned[0] == planned[1] and [len(plan["steps"]) for plan in planned] == [4, 4, 4]
    assert len(store.plan(str(tmp_path / "entity.yaml"))["steps"]) == 1 == len(store.plan(NAMES)["steps"])
    store.apply(tmp_path)
    assert store.catalog.get("features", "any_read_a.v1")["name"] == "any_read_a.v1"
    rows = pa.table({"id": [1], "no": [False], "at": ["2024-01-01"]})
    asked = {"id": [1], "event_timestamp": ["2024-01-02"]}
    assert firn.eval(tmp_path, rows={"reads_a": rows}, spine=asked, features=["reads_a.v1", "any_read_a.v1"], binary=binary).columns[-1].to_pylist() == [True]
    with pytest.raises(firn.FirnError, match="duplicate name: reads_a.v1"):
        store.plan([tmp_path, features])
    with pytest.raises(firn.FirnError, match="no .yaml or .yml files"):
        store.plan(tmp_path_of_nothing(tmp_path))
    with pytest.raises(firn.FirnError, match="not YAML"):
        store.plan([entity, "features: {"])


def tmp_path_of_nothing(directory: Path) -> Path:
    (directory / "nothing").mkdir()
    return directory / "nothing"
