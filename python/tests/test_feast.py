"""Firn as Feast's remote online store."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

import firn

# Where a version is left out, the newest that isn't deprecated is meant: plain.v1.
DEFINITIONS = """
entities: {everywhere: {keys: {}}}
features:
  spend.v1: {entity: customer, source: payments, expression: sum(amount)}
  mean.v1: {entity: customer, source: payments, expression: avg(amount)}
  all_clicks.v1: {entity: everywhere, source: clicks, expression: count(*)}
sets:
  plain.v1: {features: [spend.v1, last_shop.v1, clicks.v1, mean.v1]}
  plain.v2: {features: [clicks.v1]}
  everywhere.v1: {features: [all_clicks.v1]}
  usual.v1: {features: [vs_usual.v1]}
"""
CLIENT = Path(__file__).with_name("feast_client.py")


@pytest.fixture(scope="module")
def served(store: firn.Client) -> firn.Client:
    store.apply(DEFINITIONS)
    store.deprecate("set:plain.v2", "tried, and left")
    rows = [{"payment_id": f"feast{row}", "customer_id": 7000 + row % 2, "amount": row + 0.5, "shop": "north", "at": "2024-01-01T00:00:00Z"} for row in range(4)]
    store.push("payments", rows)
    store.push("clicks", [{"customer_id": 7000 + row % 2, "page": "a", "at": "2024-01-01T00:00:00Z"} for row in range(3)])
    return store


def post(url: str, body: object) -> httpx.Response:
    return httpx.post(url + "/get-online-features", json=body)


def test_the_shape_is_feasts(served: firn.Client, url: str) -> None:
    answer = post(url, {"feature_service": "plain_v1", "entities": {"customer_id": [7000, 5000]}}).json()
    ours = served.lookup("plain.v1", {"customer_id": [7000, 5000]})
    assert answer["metadata"]["feature_names"] == ["customer_id", "spend", "last_shop", "clicks", "mean"]
    assert [result["values"] for result in answer["results"]] == [[7000, 5000], *[[row[index] for row in ours.rows] for index in range(4)]]
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
    ({"feature_service": "usual", "entities": {"customer_id": [1], "amuont": [1]}}, "unknown entity key 'amuont'"),
    ({"features": ["plain@staging:clicks"], "entities": {"customer_id": [1]}}, "unknown pointer"), ({"features": ["plain@v2:clicks"], "entities": {"customer_id": [1]}}, "unknown pointer"), ({"features": ["plan:clicks"], "entities": {}}, "unknown set 'plan'"),
])
def test_what_is_wrong_is_named(served: firn.Client, url: str, body: object, words: str) -> None:
    answer = post(url, body)
    assert answer.status_code in (400, 404) and words in answer.json()["detail"]


def test_feasts_own_client_reads_from_it(served: firn.Client, url: str, tmp_path: Path) -> None:
    python = os.environ.get("FEAST_PYTHON")
    if python is None:
        pytest.skip("FEAST_PYTHON names no Python with Feast")
    environment = os.environ | {"FEAST_USAGE": "False"}
    recorded = [os.environ["FEAST_RECORD"]] if "FEAST_RECORD" in os.environ else []
    done = subprocess.run([python, str(CLIENT), url, str(tmp_path), *recorded], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])["answers"]
    ours = served.lookup("plain.v1", {"customer_id": [7000, 7001, 5000]}).to_pylist()
    # Clients before 0.67 take no value that isn't PRESENT: of the entity that isn't there they make None.
    known = [{name: row[name] for name in ("spend", "last_shop", "clicks", "mean")} for row in ours[:2]]

    def rows(what: str, prefix: str = "") -> list[dict[str, object]]:
        return [{name: answers[what][prefix + name][row] for name in known[0]} for row in range(2)]

    for what in ("version", "no version", "service", "service without version"):
        assert rows(what) == known, what
        assert [answers[what][name][2] for name in ("customer_id", "spend", "last_shop")] == [5000, None, None]
    assert rows("full names", "plain__") == known
    clicks = [row["clicks"] for row in known]
    everything = served.lookup("everywhere.v1").to_pylist()[0]["all_clicks"]
    assert everything >= 3 and answers["no entity"]["all_clicks"] == [everything] * 3 and answers["no entity"]["clicks"][:2] == clicks
    assert answers["on demand"]["clicks"][:2] == clicks and answers["on demand"]["vs_usual"] == [3 / row["mean"] for row in known] + [None]
    for what in ("inputs that nobody reads", "latest"):
        assert what not in answers or answers[what]["clicks"][:2] == clicks
    assert answers.get("no entity alone", {"all_clicks": [everything]})["all_clicks"] == [everything]
