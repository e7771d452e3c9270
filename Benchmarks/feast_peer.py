"""The as-of join in Feast: feast_peer.py prepare|postgres|duckdb DIRECTORY OUT. FEAST_POSTGRES names the PostgreSQL that holds `feast_rows`.

In an environment of its own, since Feast wants other versions than the rest.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Float64
from feast.value_type import ValueType

FEATURES = [f"f{number}" for number in range(10)]


def store(kind: str, data: Path) -> FeatureStore:
    import psycopg.conninfo

    offline: dict[str, object] = {"type": "duckdb"}
    if kind == "postgres":
        parts = psycopg.conninfo.conninfo_to_dict(os.environ["FEAST_POSTGRES"])
        offline = {"type": "postgres", "host": parts["host"], "port": int(parts.get("port", 5432)), "database": parts["dbname"], "user": parts["user"], "password": ""}
        offline["sslmode"] = "disable"
    registry = data / f"feast-{kind}"
    registry.mkdir(exist_ok=True)
    config = RepoConfig(
        project="bench", provider="local", registry=str(registry / "registry.db"), online_store={"type": "sqlite", "path": str(registry / "online.db")},
        offline_store=offline, entity_key_serialization_version=3,
    )
    return FeatureStore(config=config)


def prepare(kind: str, data: Path) -> None:
    """Registers a view without a time to live over ten columns."""
    source: object = FileSource(name="rows", path=str(data / "rows.parquet"), timestamp_field="at")
    if kind == "postgres":
        source = PostgreSQLSource(name="rows", query="select * from public.feast_rows", timestamp_field="at")
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    view = FeatureView(name="rows", entities=[entity], ttl=timedelta(0), schema=[Field(name=name, dtype=Float64) for name in FEATURES], source=source)
    store(kind, data).apply([entity, view])


def fetch(kind: str, data: Path, out: Path) -> None:
    spine = pa.parquet.read_table(data / "spine.parquet")
    spine = spine.append_column("place", pa.array(range(spine.num_rows), pa.int64()))
    job = store(kind, data).get_historical_features(entity_df=spine.to_pandas(), features=[f"rows:{name}" for name in FEATURES])
    table = job.to_arrow().sort_by("place").select(["entity", "event_timestamp", *FEATURES])
    pa.parquet.write_table(table, out)


if __name__ == "__main__":
    work, data, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if work == "prepare":
        prepare(out, data)
    else:
        fetch(work, data, Path(out))
