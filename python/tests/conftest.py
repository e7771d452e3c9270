"""A real server on a real PostgreSQL, one for all tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import firn

DEFINITIONS = """
entities:
  customer: {keys: {customer_id: int64}}
sources:
  payments:
    columns: {payment_id: string, customer_id: int64, amount: float64, shop: string, at: timestamp}
    event_time: at
    id: [payment_id]
  clicks:
    columns: {customer_id: int64, page: string, at: timestamp}
    event_time: at
features:
  spend_7d.v1: {entity: customer, source: payments, expression: sum(amount) over last_7d}
  last_shop.v1: {entity: customer, source: payments, expression: latest(shop)}
  clicks.v1: {entity: customer, source: clicks, expression: count(*)}
  vs_usual.v1: {entity: customer, source: payments, request: {amount: float64}, expression: request.amount / avg(amount)}
labels:
  pays.v1: {entity: customer, source: payments, expression: count(*) over next_7d > 0}
sets:
  all.v1: {features: [spend_7d.v1, last_shop.v1, clicks.v1, vs_usual.v1], labels: [pays.v1]}
"""


@pytest.fixture(scope="session")
def binary() -> str:
    found = os.environ.get("FIRN_BINARY") or shutil.which("firn")
    if found is None:
        pytest.fail("the firn program isn't on PATH; FIRN_BINARY says where it is")
    return str(Path(found).resolve())


@pytest.fixture(scope="session")
def url(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("server")
    environment = os.environ | {"FIRN_CACHE_DIR": str(directory / "cache")}
    server = subprocess.Popen([binary, "serve", "--port", "0"], cwd=directory, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"the server said: {line}{server.stderr.read()}"
        with firn.connect(found.group()) as client:
            client.apply(DEFINITIONS)
        yield found.group()
    finally:
        server.terminate()
        server.wait(30)
        subprocess.run([binary, "stop"], cwd=directory, check=False, capture_output=True)


@pytest.fixture(scope="session")
def store(url: str) -> Iterator[firn.Client]:
    with firn.connect(url) as client:
        yield client
