"""Features over tables, and as a step of a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pyarrow as pa
import pytest
from conftest import DEFINITIONS
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from test_client import payments, spine

import firn
import firn.mlflow
from firn.sklearn import FeatureTransformer


def test_eval_gives_what_the_store_gives(binary: str, store: firn.Client) -> None:
    clicks = pa.table({"customer_id": pa.array([], pa.int64()), "page": pa.array([], pa.string()), "at": pa.array([], pa.timestamp("us"))})
    values = firn.eval(DEFINITIONS, rows={"payments": payments(100), "clicks": clicks}, spine=spine(), set="all.v1", binary=binary)
    assert values.column_names[-5:] == ["spend_7d", "last_shop", "clicks", "vs_usual", "pays"]
    one = firn.eval([DEFINITIONS], rows={"payments": payments(100)}, spine=spine().drop(columns=["amount"]), features=["spend_7d.v1"], binary=binary)
    assert one["spend_7d.v1" if "spend_7d.v1" in one.column_names else "spend_7d"].to_pylist() == values["spend_7d"].to_pylist()


def test_eval_says_what_is_wrong(binary: str) -> None:
    with pytest.raises(firn.FirnError, match="unknown column 'amoun'|definitions-0.yaml:13"):
        firn.eval(DEFINITIONS.replace("sum(amount)", "sum(amoun)"), rows={}, spine=spine(), features=["spend_7d.v1"], binary=binary)


def test_a_transformer_is_a_step_of_a_pipeline(store: firn.Client, url: str) -> None:
    frame = spine(60)
    target = pandas.Series(range(60), index=frame.index)
    features = FeatureTransformer("all.v1", url=url)
    numeric = make_pipeline(features, _Numbers(), LinearRegression())
    numeric.fit(frame, target)
    before = numeric.predict(frame)
    assert list(features.get_feature_names_out()) == ["spend_7d", "last_shop", "clicks", "vs_usual"]
    store.push("clicks", [{"customer_id": row % 9, "page": "later", "at": "2024-01-02T00:00:00Z"} for row in range(30)])
    recorded = len(store.catalog.snapshots())
    assert (numeric.predict(frame) == before).all(), "rows pushed later are beyond the cuts"
    assert len(store.catalog.snapshots()) == recorded
    pinned = FeatureTransformer("all.v1", url=url, at=features.at_).fit(frame)
    assert pinned.transform(frame).equals(features.transform(frame))
    shuffled = frame.sample(frac=1, random_state=1)
    assert pinned.transform(shuffled).sort_index().equals(pinned.transform(frame))


class _Numbers:
    def fit(self, X: pandas.DataFrame, y: object = None) -> "_Numbers":
        return self

    def transform(self, X: pandas.DataFrame) -> pandas.DataFrame:
        return X.select_dtypes("number").fillna(0)


def test_a_snapshot_is_logged_to_mlflow(store: firn.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    snapshot = store.snapshot("all.v1", spine())
    with mlflow.start_run() as run:
        firn.mlflow.log_snapshot(snapshot)
    kept = mlflow.get_run(run.info.run_id)
    assert kept.data.params["firn.snapshot"] == snapshot.id and kept.data.params["firn.digest"] == snapshot.digest
    manifest = next(tmp_path.rglob(f"{snapshot.id}.json"))
    assert json.loads(manifest.read_text())["digest"] == snapshot.digest
    assert store.fetch(kept.data.params["firn.snapshot"]).to_arrow().equals(snapshot.to_arrow())
