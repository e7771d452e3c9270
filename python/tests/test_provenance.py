"""What the client says of models, pointers, life cycle and lineage."""

from __future__ import annotations

from pathlib import Path

import pytest

import firn

DEFINITIONS = """
entities: {reader: {keys: {reader_id: int64}}}
sources: {pages: {columns: {reader_id: int64, minutes: float64, at: timestamp}, event_time: at}}
features:
  minutes.v1: {entity: reader, source: pages, expression: sum(minutes)}
  pages.v1: {entity: reader, source: pages, expression: count(*)}
sets: {reading.v1: {features: [minutes.v1, pages.v1]}, reading.v2: {features: [minutes.v1]}}
"""


def test_from_a_column_to_a_model_and_back(url: str, tmp_path: Path) -> None:
    with firn.connect(url) as store:
        store.apply(DEFINITIONS)
        store.push("pages", [{"reader_id": 1, "minutes": 2.5, "at": "2024-01-01"}])
        snapshot = store.snapshot("reading.v1", {"reader_id": [1], "event_timestamp": ["2024-01-02T00:00:00Z"]})
        weights = tmp_path / "weights.bin"
        weights.write_bytes(b"abc")
        model = store.record_model("reading.v7", snapshot, metrics={"auc": 0.5}, artifacts=[weights], commit="f00")
        assert model["set"] == "reading.v1" and model["snapshots"] == [{"id": snapshot.id, "digest": snapshot.digest}]
        assert model["artifacts"] == [{"name": "weights.bin", "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "bytes": 3}]
        assert store.record_model("reading.v7", snapshot.id, metrics={"auc": 0.5}, artifacts=[weights], commit="f00") == model
        with pytest.raises(firn.FirnError) as refused:
            store.record_model("reading.v7", snapshot)
        assert refused.value.code == "definition_refused"
        assert model in store.catalog.models() and store.catalog.get("models", "reading.v7") == model

        store.point("reading@production", "model:reading.v7")
        answer = store.lookup("reading@production", {"reader_id": [1]}, log=True)
        assert answer.rows == [[2.5, 1]] and answer.warnings == [] and answer.receipt is not None
        assert [pointer["name"] for pointer in store.catalog.pointers()].count("reading@production") == 1
        assert store.catalog.pointers(as_of="2024-01-01") == []
        edges = store.catalog.lineage("pages.minutes", direction="down")["edges"]
        assert {"from": "set reading.v1", "to": "model reading.v7"} in edges and {"from": "model reading.v7", "to": "pointer reading@production"} in edges

        with pytest.raises(firn.FirnError) as refused:
            store.retire("pages.v1", "nobody looks")
        assert refused.value.code == "in_use"
        store.deprecate("pages.v1", "too coarse")
        with pytest.warns(firn.FirnWarning, match="feature pages.v1 is deprecated: too coarse"):
            store.snapshot("reading.v1", {"reader_id": [1], "event_timestamp": ["2024-01-02T00:00:00Z"]})
        store.retire("pages.v1", "nobody looks", force=True)
        with pytest.raises(firn.FirnError) as refused:
            store.snapshot("reading.v1", {"reader_id": [1], "event_timestamp": ["2024-01-02T00:00:00Z"]})
        assert refused.value.code == "retired"
        assert store.fetch(snapshot.id).verify().identical
        assert store.catalog.ledger_head() == store.catalog.ledger(count=1)[0]
        assert [entry["kind"] for entry in store.catalog.ledger("pages.v1")] == ["retire", "deprecate", "register"]
