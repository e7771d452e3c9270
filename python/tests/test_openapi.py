"""The server against its description: whatever is asked, openapi.json has the answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis.configuration
import pyarrow as pa
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_headers_conformance, response_schema_conformance, status_code_conformance

import firn

SERVER = Path(__file__).parents[2] / "Sources/FeatureServer"
DOCUMENT: dict[str, Any] = json.loads((SERVER / "openapi.json").read_text(encoding="utf-8"))
ARROW = "application/vnd.apache.arrow.stream"
CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]

hypothesis.configuration.set_hypothesis_home_dir(Path(__file__).parents[1] / ".pytest_cache/hypothesis")

# What the document's examples speak of. Its sources are no other test's.
DEFINITIONS = """
entities:
  customer: {keys: {customer_id: int64}}
sources:
  transactions:
    columns: {transaction_id: string, customer_id: int64, amount: float64, status: string, occurred_at: timestamp}
    event_time: occurred_at
    id: [transaction_id]
  cards:
    columns: {customer_id: int64, network: string}
    event_time: none
    id: [customer_id]
features:
  spend_30d.v1: {entity: customer, source: transactions, expression: sum(amount) filter (where status = 'settled') over last_30d}
  buys_30d.v1: {entity: customer, source: transactions, expression: count(*) over last_30d}
  last_bought.v1: {entity: customer, source: transactions, expression: latest(occurred_at), description: The last time., owner: risk, tags: [time]}
  network.v1: {entity: customer, source: cards, expression: latest(network)}
  vs_mean.v1: {entity: customer, source: transactions, request: {amount: float64}, expression: request.amount / avg(amount)}
labels:
  buys_again.v1: {entity: customer, source: transactions, expression: count(*) over next_7d > 0}
sets:
  fraud.v1: {features: [spend_30d.v1, buys_30d.v1, last_bought.v1, network.v1, vs_mean.v1], labels: [buys_again.v1]}
  amounts.v1: {features: [vs_mean.v1]}
"""
TRANSACTIONS = {"transaction_id": ["a", "b"], "customer_id": [42, 43], "amount": [1.5, float("nan")], "status": ["settled", None], "occurred_at": ["2024-05-01", "2024-05-02T10:00:00Z"]}
SPINE = {"customer_id": [42, 43, None], "amount": [1.0, float("inf"), 3.0], "event_timestamp": ["2024-05-08", "2024-05-09", "0001-01-01"]}

# What is asked for: mostly what is there, since of anything else there is little to say.
SCHEMAS: dict[str, list[Any]] = {
    "SourceReference": ["transactions", "cards"],
    "FunctionReference": ["spend_30d.v1", "vs_mean.v1", "last_bought.v1", "fraud_v1:network", "buys_again.v1"],
    "SetReference": ["fraud.v1", "amounts.v1"],
    "SnapshotReference": ["churn-may", "churn-june"],
    "ModelReference": ["churn.v2", "churn.v4"],
    "PointerReference": ["fraud@production", "churn@production", "amounts@a"],
    "SubjectReference": ["vs_mean.v1", "amounts.v1", "model:churn.v2", "fraud.v1", "nothing.v1"],
    "LineageReference": ["transactions.amount", "vs_mean.v1", "set:fraud.v1", "churn.v2", "fraud@production", "churn-may", "nothing"],
    "GivenInstant": ["2024-05-08T10:00:00Z", "2024-05-08", "-4713-11-24", "2999-12-31"],
}
MEMBERS: dict[str, list[Any]] = {
    "entities": [{"customer_id": 42}, {"customer_id": [43, None]}, {"customer_id": [-(1 << 63)]}, {"customer_id": []}],
    "request": [{"amount": 1.5}, {"amount": ["NaN", None]}, {"amount": 1 << 80}, None],
    "min_offsets": [{"transactions": 1}, {"transactions": 1, "cards": -1}, {"cards": 1 << 50}],
    "feature_service": ["fraud.v1", "amounts_v1"],
}
PARAMETERS: dict[str, list[Any]] = {
    "timestamp": ["event_timestamp"], "split": ["train=0.8,test=0.2", "a=1"], "by": ["customer_id", "customer_id,amount"], "null": ["NA"], "name": ["churn-may", "a b"], "q": ["spend", "risk TIME"],
}
# What may be trouble, in the place of each text of a request.
ODD = ["\0", "é/%2F 'x'", "a" * 300, ""]
BODIES: dict[str, list[str | dict[str, list[Any]]]] = {
    ARROW: [TRANSACTIONS, SPINE, SPINE | {"note": ["x", None, ""]}, SPINE | {"amount": ["x", "y", "z"]}],
    "text/csv": [
        "customer_id,amount,event_timestamp\n42,1,2024-05-08\n,NaN,2024-05-09 10:00:00+02\n", "customer_id,network\n42,other\n44,amex\n", "amount,customer_id,event_timestamp,note\n"],
    "application/x-ndjson": ['{"customer_id": 44, "network": "visa"}\n', '{"transaction_id": "n", "customer_id": 42, "occurred_at": "2024-05-03"}\n\n', "[1]\n", "{}\n"],
    "application/yaml": [
        "sets: {fraud.v2: {features: [vs_mean.v1]}}", "features: {spend_30d.v1: {entity: customer, source: cards, expression: count(*)}}", "entities: {customer: {keys: {}}}",
        "- &a [*a]", "features: 1"],
}

BODIES["text/yaml"] = BODIES["application/x-yaml"] = BODIES["application/yaml"]
BODIES["application/ndjson"] = BODIES["application/jsonl"] = BODIES["application/x-ndjson"]


def encoded(body: str | dict[str, list[Any]]) -> bytes:
    if isinstance(body, str):
        return body.encode()
    table, sink = pa.table(body), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


for media_type, known in BODIES.items():
    whole = st.sampled_from([encoded(body) for body in known])
    schemathesis.openapi.media_type(media_type, st.one_of(whole, whole, whole.map(lambda body: body[:-7]), st.binary(max_size=64)))


def closed(part: Any) -> Any:
    """The same, but objects have no members besides those that are described."""
    if isinstance(part, list):
        return [closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {key: closed(one) for key, one in part.items()}
    if part.get("type") == "object" and "properties" in part:
        found.setdefault("additionalProperties", False)
    return found


def strict() -> dict[str, Any]:
    """The document as it is held against the server: an answer may say no more than it, and what is asked for is often there."""
    document = closed(DOCUMENT)
    schemas = document["components"]["schemas"]
    schemas |= {name: {"enum": values} for name, values in SCHEMAS.items()}
    for name in ("LookupRequest", "FeastRequest", "WhyRequest"):
        members = schemas[name]["properties"]
        members |= {member: {"enum": values} for member, values in MEMBERS.items() if member in members}
        schemas[name]["required"] = [*schemas[name].get("required", []), "entities"]
    schemas["FeastRequest"]["properties"]["entities"] = {"enum": [{"customer_id": [42], "amount": [1]}, {"customer_id": [43, None]}, {"customer_id": [], "amount": []}]}
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    for parameter in [*document["components"]["parameters"].values(), *(one for operation in operations for one in operation.get("parameters", []))]:
        if parameter.get("in") == "query" and parameter["name"] in PARAMETERS:
            parameter["schema"] = {"enum": PARAMETERS[parameter["name"]]}
    return document


schema = schemathesis.openapi.from_dict(
    strict(),
    config=schemathesis.Config.from_dict({
        "seed": 1,
        "generation": {"max-examples": 30, "database": "none", "deterministic": True, "no-shrink": True},
        # Of many parameters few go together.
        "operations": [{"include-name": "POST /v1/snapshots", "generation": {"max-examples": 80}}],
        # Examples have a test of their own.
        "phases": {"examples": {"enabled": False}, "coverage": {"unexpected-methods": []}},
    }),
)


@schema.hook
def map_query(context: Any, query: Any) -> Any:
    """What only goes together comes together."""
    if isinstance(query, dict):
        if ("split" in query) != ("by" in query):
            query = {name: value for name, value in query.items() if name not in ("split", "by")}
        if query.get("record") in (False, "false"):
            query = {name: value for name, value in query.items() if name not in ("name", "keep")}
    return query


OPERATIONS = [(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations]


@pytest.fixture(scope="module")
def filled(url: str) -> str:
    """The server, with what the examples ask for."""
    with firn.connect(url) as store:
        store.apply(DEFINITIONS)
        store.push("transactions", pa.table(TRANSACTIONS))
        store.push("cards", pa.table({"customer_id": [42, 43], "network": ["visa", "amex"]}))
        for name, keep in (("churn-may", True), ("churn-june", False)):
            store.snapshot("fraud.v1", pa.table(SPINE), name=name, keep=keep)
        store.record_model("churn.v2", "churn-may", set="fraud.v1", metrics={"auc": 0.91})
        store.point("fraud@production", "fraud.v1")
    return url


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        # As most clients ask: some requests are answered where they come in.
        session.headers["Connection"] = None  # type: ignore[assignment]
        yield session


@dataclass(frozen=True)
class Asked:
    """A request of the document's examples."""

    method: str
    path: str
    values: dict[str, str]
    query: dict[str, str]
    parameters: list[str]
    body: Any = None
    media_type: str | None = None

    def send(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        path = self.path.format(**{name: quote(value, safe="") for name, value in self.values.items()})
        content = self.body if self.body is None or isinstance(self.body, str) else json.dumps(self.body)
        kind = {"Content-Type": self.media_type} if self.media_type else {}
        answer = httpx.request(self.method, url + path, params=self.query, content=content, headers=kind | (headers or {}), timeout=60)
        schema[self.path][self.method].validate_response(answer)
        return answer

    def odd(self) -> Iterator[Asked]:
        """The same with one text that is odd."""
        for word in ODD:
            yield from (replace(self, values=self.values | {name: word}) for name in self.values if word)
            yield from (replace(self, query=self.query | {name: word}) for name in self.parameters)
            if not isinstance(self.body, str):
                yield from (replace(self, body=body) for body in with_odd_text(self.body, word))


def with_odd_text(value: Any, word: str) -> Iterator[Any]:
    """Copies of a value with another text or key in one place."""
    if isinstance(value, str):
        yield word
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in with_odd_text(item, word))
    elif isinstance(value, dict):
        for key, member in value.items():
            yield {word if other == key else other: one for other, one in value.items()}
            yield from (value | {key: other} for other in with_odd_text(member, word))


def examples(method: str, path: str) -> list[Asked]:
    """An operation's example, for each content type that has one."""
    operation = DOCUMENT["paths"][path][method.lower()]
    described = [DOCUMENT["components"]["parameters"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in operation.get("parameters", [])]
    values, query = ({one["name"]: one["example"] for one in described if one["in"] == place and "example" in one} for place in ("path", "query"))
    plain = Asked(method, path, values, query, [one["name"] for one in described if one["in"] == "query"])
    bodies = operation.get("requestBody", {"content": {}})["content"]
    return [replace(plain, body=body["example"], media_type=kind) for kind, body in bodies.items() if "example" in body] or [plain]


def test_the_clients_types_follow_from_the_description() -> None:
    script = Path(__file__).parents[2] / "scripts/python-answers"
    checked = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr



def test_the_server_gives_its_description(url: str) -> None:
    answer = httpx.get(f"{url}/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    # Its version is the build's, which the client's keeps up with.
    assert answer.content == (SERVER / "openapi.json").read_bytes().replace(b'"VERSION"', f'"{firn.__version__}"'.encode())
    assert f'firn_build_info{{version="{firn.__version__}"}}' in httpx.get(f"{url}/metrics").text


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_example_is_answered(method: str, path: str, filled: str) -> None:
    for asked in examples(method, path):
        answer = asked.send(filled)
        assert answer.is_success, answer.text


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_odd_text_is_no_trouble(method: str, path: str, filled: str) -> None:
    for asked in [odd for example in examples(method, path) for odd in example.odd()]:
        answer = asked.send(filled)
        assert not answer.is_server_error, f"{asked}: {answer.text}"


@schema.parametrize()
def test_every_answer_is_described(case: Any, filled: str, session: requests.Session) -> None:
    answer = case.call(base_url=filled, session=session)
    # Not to be as far yet, or to have too much to do, is no fault.
    is_asked_later = answer.status_code == 503 and answer.json()["code"] in ("behind", "overloaded")
    case.validate_response(answer, checks=CHECKS if is_asked_later else [not_a_server_error, *CHECKS])


def test_every_role_is_described(binary: str, filled: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = next(path for path in tmp_path_factory.getbasetemp().iterdir() if path.name.startswith("server"))
    environment = os.environ | {"FIRN_CACHE_DIR": str(directory / "cache")}

    def bearer(role: str) -> dict[str, str]:
        command = [binary, "token", "create", f"openapi-{role}", "--role", role]
        token = subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout.strip()
        return {"Authorization": f"Bearer {token}"}

    roles = ["audit", "read", "write", "admin"]
    bearers = [bearer(role) for role in roles]
    server = subprocess.Popen([binary, "serve", "--port", "0", "--require-tokens"], cwd=directory, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        for method, path in OPERATIONS:
            asked = examples(method, path)[0]
            security = DOCUMENT["paths"][path][method.lower()].get("security", DOCUMENT["security"])
            if not security:
                assert asked.send(found.group()).status_code == 200
                continue
            lowest = roles.index(security[-1]["token"][0])
            assert asked.send(found.group()).status_code == 401
            assert asked.send(found.group(), bearers[lowest]).status_code not in (401, 403)
            assert lowest == 0 or asked.send(found.group(), bearers[lowest - 1]).status_code == 403
    finally:
        server.terminate()
        server.wait(30)
