"""Feast's credit scoring tutorial with Firn: a pipeline from loans to a decision.

    firn serve &
    pip install './python[sklearn]'
    python examples/credit/train.py DIRECTORY_WITH_THE_TUTORIALS_TABLES

The pipeline's first step is Firn: it turns loans (who, where, when, how much) into features, pinned to a set and a snapshot's cuts. So the
model that is fitted can be applied again, to the same loans with the same result, whatever was loaded since.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.csv
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

import firn
from firn.sklearn import FeatureTransformer


TABLES = {"loans": "loan_table", "credit_history": "credit_history_sample", "zipcodes": "zipcode_table"}


def find(data: Path) -> dict[str, Path]:
    """The tables' files; what isn't there is missing from the answer."""
    candidates = ((what, data / (name + suffix)) for what, name in TABLES.items() for suffix in (".csv.zst", ".csv", ".parquet"))
    return {what: path for what, path in candidates if path.is_file()}


def load(store: firn.Client, files: dict[str, Path]) -> None:
    store.apply((Path(__file__).parent / "definitions.yaml").read_text())
    for source in ("credit_history", "zipcodes"):
        try:
            print(f"{source}: {store.import_file(source, files[source]).rows} rows")
        except firn.FirnError as error:
            if error.code != "duplicate_file":
                raise


def loans(path: Path) -> pandas.DataFrame:
    if path.suffix == ".parquet":
        table = pandas.read_parquet(path)
    else:
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as file:
            table = pyarrow.csv.read_csv(file).to_pandas()
    table["event_timestamp"] = pandas.to_datetime(table["event_timestamp"], utc=True)
    return table.astype({"loan_amnt": "float64", "person_income": "float64"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help=f"a directory with {', '.join(TABLES.values())}, as .csv, .csv.zst or .parquet")
    parser.add_argument("--url", default="http://127.0.0.1:7070")
    arguments = parser.parse_args()
    files = find(arguments.data)
    for what, name in TABLES.items():
        if what not in files:
            parser.error(f"{arguments.data} has no {name}")

    with firn.connect(arguments.url) as store:
        load(store, files)
        asked = loans(files["loans"])
        train, test = asked[asked["loan_id"] % 5 != 0], asked[asked["loan_id"] % 5 == 0]
        features = FeatureTransformer("loan_risk.v1", url=arguments.url)
        pipeline = make_pipeline(features, HistGradientBoostingClassifier(max_iter=80, random_state=0))
        pipeline.fit(train, train["loan_status"])
        risk = pipeline.predict_proba(test)[:, 1]
        print(f"{len(train)} loans to learn from, {len(test)} to test on: AUC {roc_auc_score(test['loan_status'], risk):.3f}, pinned to {features.at_}")

        # Somebody corrects a person's history. What was learned, and what it says of these loans, stays.
        one = test.iloc[0]
        store.push("credit_history", [{
            "dob_ssn": one["dob_ssn"], "credit_card_due": 10**6, "mortgage_due": 10**6, "student_loan_due": 10**6, "vehicle_loan_due": 10**6,
            "hard_pulls": 99, "missed_payments_2y": 99, "missed_payments_1y": 99, "missed_payments_6m": 99, "bankruptcies": 9,
            "event_timestamp": one["event_timestamp"].isoformat(), "created_timestamp": one["event_timestamp"].isoformat(),
        }])
        if (pipeline.predict_proba(test)[:, 1] != risk).any():
            raise SystemExit("a row pushed later changed what the pinned pipeline says")
        print("a correction pushed since changes nothing that was pinned")

        keys = {"dob_ssn": one["dob_ssn"], "zipcode": int(one["zipcode"])}
        now = store.lookup("loan_risk.v1", keys, request={"loan_amnt": one["loan_amnt"], "person_income": one["person_income"]})
        values = pandas.DataFrame(now.to_pylist())[list(features.get_feature_names_out())].astype("float64")
        print(f"loan {one['loan_id']}: risk {risk[0]:.3f} as trained, {pipeline[-1].predict_proba(values)[0, 1]:.3f} with what is known now")


if __name__ == "__main__":
    main()
