"""Reads from Firn with Feast's own client: run by test_feast.py in an environment that has Feast."""

import json
import sys
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

url, directory = sys.argv[1], Path(sys.argv[2])
store = FeatureStore(config=RepoConfig(
    project="firn", provider="local", registry=str(directory / "registry.db"), online_store={"type": "remote", "path": url}, entity_key_serialization_version=3,
))
customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
(directory / "rows.parquet").write_bytes(b"")
source = FileSource(name="rows", path=str(directory / "rows.parquet"), timestamp_field="at")
view = FeatureView(
    name="plain_v1", entities=[customer], ttl=timedelta(days=1), source=source,
    schema=[Field(name="spend_7d", dtype=Float64), Field(name="last_shop", dtype=String), Field(name="clicks", dtype=Int64)],
)
service = FeatureService(name="plain_v1", features=[view])
store.apply([customer, view, service])
rows = [{"customer_id": 7000}, {"customer_id": 7001}, {"customer_id": 5000}]
references = ["plain_v1:spend_7d", "plain_v1:last_shop", "plain_v1:clicks"]
answers = [
    store.get_online_features(features=references, entity_rows=rows).to_dict(),
    store.get_online_features(features=references, entity_rows=rows, full_feature_names=True).to_dict(),
    store.get_online_features(features=store.get_feature_service("plain_v1"), entity_rows=rows).to_dict(),
]
print(json.dumps(answers))
