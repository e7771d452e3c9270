"""Features over tables, and as a step of a pipeline."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy
import pandas
import pyarrow as pa
import pytest
from conftest import DEFINITIONS
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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


def test_a_transformer_serves_live_once_it_is_told_to(store: firn.Client, url: str) -> None:
    frame = spine(30).assign(customer_id=range(500, 530), event_timestamp=pandas.Timestamp("2999-01-01", tz="UTC"))
    live = FeatureTransformer("all.v1", url=url, at="now")
    before = live.fit_transform(frame)
    store.push("clicks", [{"customer_id": 500, "page": "live", "at": "2024-01-02T00:00:00Z"}])
    assert before["clicks"].iloc[0] == 0 and live.fit_transform(frame)["clicks"].iloc[0] == 1, "fit pins what there is"
    snapshot = live.at_
    store.push("clicks", [{"customer_id": 500, "page": "live", "at": "2024-01-03T00:00:00Z"}])
    assert live.transform(frame)["clicks"].iloc[0] == 2 and live.at_ == snapshot
    # Without instants it is now, and the index stays.
    asked = frame.drop(columns=["event_timestamp"]).sample(frac=1, random_state=2)
    assert live.transform(asked).sort_index().equals(live.transform(frame)) and live.transform(asked).index.equals(asked.index)
    # What was fitted at a snapshot goes live.
    pipeline = make_pipeline(FeatureTransformer("all.v1", url=url, at=snapshot), SimpleImputer(), LinearRegression())
    frame["page"] = range(30)
    pipeline.fit(frame.drop(columns=["page"]), frame["page"])
    pinned = pipeline[:1].transform(frame)
    live_one = pipeline.set_params(featuretransformer__at="now")[:1].transform(frame)
    assert pinned["clicks"].iloc[0] == 1 and live_one["clicks"].iloc[0] == 2 and len(pipeline.predict(asked)) == 30


def test_what_a_transformer_gives_is_numbers_whatever_is_asked_for(store: firn.Client, url: str) -> None:
    store.apply(KINDS)
    large = 9007199254740993
    store.push("machines", [{"machine_id": 1, "runs": 3, "is_on": True, "serial": large}, {"machine_id": 2, "runs": 4, "is_on": False, "serial": 5}])
    frame = pandas.DataFrame({"machine_id": [1, 2, 3], "event_timestamp": pandas.Timestamp("2999-01-01", tz="UTC")})
    features = FeatureTransformer("machines.v1", url=url).fit(frame)
    some, all_there = features.transform(frame), features.transform(frame.head(2))
    assert [str(kind) for kind in some.dtypes] == ["float64", "float64", "Int64"] and [str(kind) for kind in all_there.dtypes] == ["float64", "float64", "int64"]
    assert some["runs"].tolist()[:2] == [3, 4] and some["is_on"].tolist()[:2] == [1, 0] and some.iloc[2].isna().all()
    assert some["serial"].tolist()[0] == all_there["serial"].tolist()[0] == large, "kept whole"
    assert str(features.transform(frame.tail(2))["serial"].dtype) == "float64"
    # What scikit-learn can't put into an array where it has pandas' NA.
    chosen = make_column_transformer((StandardScaler(), ["runs"]), remainder="passthrough")
    assert numpy.isnan(chosen.fit_transform(some[["runs", "is_on"]])).sum() == 2


def test_a_transformer_at_a_snapshot_is_cloned_pickled_and_searched(store: firn.Client, url: str) -> None:
    frame = spine(40)
    target = pandas.Series(range(40), index=frame.index)
    snapshot = store.snapshot("all.v1", frame)
    features = FeatureTransformer("all.v1", url=url, at=snapshot, token="firn_very_secret")
    assert clone(features).at == copy.deepcopy(features).at == snapshot
    pipeline = make_pipeline(features, _Numbers(), HistGradientBoostingRegressor(max_iter=3))
    recorded = len(store.catalog.snapshots())
    assert len(cross_val_score(pipeline, frame, target, cv=2, n_jobs=2, error_score="raise")) == 2
    search = GridSearchCV(pipeline, {"histgradientboostingregressor__max_iter": [2, 3]}, cv=2, error_score="raise").fit(frame, target)
    assert len(store.catalog.snapshots()) == recorded, "nothing is recorded"
    packed = pickle.dumps(search)
    assert b"very_secret" not in packed
    assert (pickle.loads(packed).predict(frame) == search.predict(frame)).all()


KINDS = """
entities: {machine: {keys: {machine_id: int64}}}
sources: {machines: {columns: {machine_id: int64, runs: int64, is_on: bool, serial: int64}, event_time: none, id: [machine_id]}}
features:
  runs.v1: {entity: machine, source: machines, expression: latest(runs)}
  is_on.v1: {entity: machine, source: machines, expression: latest(is_on)}
  serial.v1: {entity: machine, source: machines, expression: latest(serial)}
sets: {machines.v1: {features: [runs.v1, is_on.v1, serial.v1]}}
"""


class _Numbers(BaseEstimator):
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
