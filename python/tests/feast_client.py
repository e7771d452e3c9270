"""Reads from Firn with Feast's own client, of whichever version: run by test_feast.py in an environment that has it.

Prints the client's answers by what was asked. Where a third argument names a file, the requests that the client sent are written there.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import feast
import requests
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

url, directory = sys.argv[1], Path(sys.argv[2])
version = tuple(int(part) for part in feast.__version__.split("."))
store = FeatureStore(config=RepoConfig(
    project="firn", provider="local", registry=str(directory / "registry.db"), online_store={"type": "remote", "path": url}, entity_key_serialization_version=3,
))
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
(directory / "rows.parquet").write_bytes(b"")
source = FileSource(name="rows", path=str(directory / "rows.parquet"), timestamp_field="at")
key = Field(name="customer_id", dtype=Int64)
fields = [Field(name="spend", dtype=Float64), Field(name="last_shop", dtype=String), Field(name="clicks", dtype=Int64), Field(name="mean", dtype=Float64)]
plain, versioned = (FeatureView(name=name, entities=[customer], ttl=timedelta(days=1), source=source, schema=[key, *fields]) for name in ("plain", "plain_v1"))
everywhere = FeatureView(name="everywhere", entities=[], ttl=timedelta(days=1), source=source, schema=[Field(name="all_clicks", dtype=Int64)])
# One input that no output reads.
inputs = RequestSource(name="inputs", schema=[Field(name="amount", dtype=Float64), Field(name="note", dtype=String)])


@on_demand_feature_view(sources=[plain, inputs], schema=[Field(name="vs_usual", dtype=Float64)], mode="pandas")
def usual(rows):  # Feast reads the signature, and takes no annotation in quotes.
    import pandas

    return pandas.DataFrame({"vs_usual": rows["amount"] / rows["mean"]})


services = [FeatureService(name="plain", features=[plain]), FeatureService(name="plain_v1", features=[versioned])]
store.apply([customer, plain, versioned, everywhere, usual, *services])

sent: list[dict[str, Any]] = []
answers: dict[str, Any] = {}
send = requests.Session.send


def recording(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
    sent.append({"what": what, "body": json.loads(request.body or b"")})
    return send(session, request, **more)


requests.Session.send = recording  # type: ignore[method-assign]
customers = [{"customer_id": 7000}, {"customer_id": 7001}, {"customer_id": 5000}]
whole = [row | {"amount": 3.0, "note": "x"} for row in customers]
names = [field.name for field in fields]
asked: dict[str, tuple[Any, list[dict[str, Any]], dict[str, Any]]] = {
    "version": ([f"plain_v1:{name}" for name in names], customers, {}),
    "no version": ([f"plain:{name}" for name in names], customers, {}),
    "full names": ([f"plain:{name}" for name in names], customers, {"full_feature_names": True}),
    "service": ("plain_v1", customers, {}),
    "service without version": ("plain", customers, {}),
    "no entity": (["everywhere:all_clicks", "plain:clicks"], customers, {}),
    "on demand": (["plain:clicks", "usual:vs_usual"], whole, {}),
}
# What other versions' clients refuse themselves.
if version >= (0, 50):
    asked["inputs that nobody reads"] = (["plain:clicks"], whole, {})
if version >= (0, 63):
    asked["latest"] = (["plain@latest:clicks"], customers, {})
if version >= (0, 67):
    asked["no entity alone"] = (["everywhere:all_clicks"], [{}], {})
for what, (features, rows, options) in asked.items():  # noqa: B007
    features = store.get_feature_service(features) if isinstance(features, str) else features
    answers[what] = store.get_online_features(features=features, entity_rows=rows, **options).to_dict()
if len(sys.argv) > 3:
    # The order in which a client asks for a view's features is by chance.
    for request in sent:
        request["body"].get("features", []).sort()
    Path(sys.argv[3]).write_text("[\n  " + ",\n  ".join(json.dumps(request) for request in sent) + "\n]\n", encoding="utf-8")
print(json.dumps({"feast": feast.__version__, "answers": answers}))
