"""Firn as Feast's remote online store."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

import firn

SETS = "sets: {plain.v1: {features: [spend_7d.v1, last_shop.v1, clicks.v1]}}"
CLIENT = Path(__file__).with_name("feast_client.py")


@pytest.fixture(scope="module")
def served(store: firn.Client) -> firn.Client:
    store.apply(SETS)
    rows = [{"payment_id": f"feast{row}", "customer_id": 7000 + row % 2, "amount": row + 0.5, "shop": "north", "at": "2024-01-01T00:00:00Z"} for row in range(4)]
    store.push("payments", rows)
    return store


def post(url: str, body: object) -> httpx.Response:
    return httpx.post(url + "/get-online-features", json=body)


def test_the_shape_is_feasts(served: firn.Client, url: str) -> None:
    answer = post(url, {"feature_service": "plain_v1", "entities": {"customer_id": [7000, 5000]}}).json()
    ours = served.lookup("plain.v1", {"customer_id": [7000, 5000]})
    assert answer["metadata"]["feature_names"] == ["customer_id", "spend_7d", "last_shop", "clicks"]
    assert [result["values"] for result in answer["results"]] == [[7000, 5000], *[[row[index] for row in ours.rows] for index in range(3)]]
    assert answer["results"][2]["statuses"] == ["PRESENT", "NOT_FOUND"]
    full = post(url, {"features": ["plain_v1:clicks", "spend_7d.v1"], "full_feature_names": True, "entities": {"customer_id": [7000]}}).json()
    assert full["metadata"]["feature_names"] == ["customer_id", "plain_v1__clicks", "spend_7d.v1"]
    request = post(url, {"feature_service": "all.v1", "entities": {"customer_id": [7000], "amount": [3.0]}}).json()
    assert request["metadata"]["feature_names"][:2] == ["customer_id", "amount"], "request inputs stand among the entities"
    assert request["results"][0]["values"] == [7000] and len(request["results"]) == 6


@pytest.mark.parametrize("body, words", [
    ({"entities": {"customer_id": [1]}}, "feature_service"), ({"features": ["plain_v1:none"], "entities": {"customer_id": [1]}}, "unknown output"),
    ({"feature_service": "none_v1", "entities": {}}, "unknown set"), ({"features": ["plain_v1:clicks"], "entities": {"customer_id": 1}}, "is a list"),
    ({"features": ["plain_v1:clicks"], "entities": {"customer_id": [1], "x": [1, 2]}}, "different lengths"),
    ({"features": ["plain_v1:clicks"], "entities": {"customer": [1]}}, "unknown entity key"),
])
def test_what_is_wrong_is_named(served: firn.Client, url: str, body: object, words: str) -> None:
    answer = post(url, body)
    assert answer.status_code in (400, 404) and words in answer.json()["detail"]


def test_feasts_own_client_reads_from_it(served: firn.Client, url: str, tmp_path: Path) -> None:
    python = os.environ.get("FEAST_PYTHON")
    if python is None:
        pytest.skip("FEAST_PYTHON names no Python with Feast")
    environment = os.environ | {"FEAST_USAGE": "False"}
    done = subprocess.run([python, str(CLIENT), url, str(tmp_path)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    short, full, service = json.loads(done.stdout.splitlines()[-1])
    ours = served.lookup("plain.v1", {"customer_id": [7000, 7001, 5000]}).to_pylist()
    for answer, prefix in ((short, ""), (full, "plain_v1__"), (service, "")):
        for name in ("spend_7d", "last_shop", "clicks"):
            assert answer[prefix + name] == [row[name] for row in ours]
