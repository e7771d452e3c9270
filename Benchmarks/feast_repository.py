"""Makes a Feast repository over a Parquet file and fills its online store: feast_repository.py DIRECTORY postgres|redis ADDRESS.

In Feast's own environment. ADDRESS is PostgreSQL's URI or Redis' host:port.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType


def online(kind: str, address: str) -> dict[str, object]:
    if kind == "redis":
        return {"type": "redis", "connection_string": address}
    import psycopg.conninfo

    # Feast takes the address in pieces, and knows no requirepeer.
    parts = psycopg.conninfo.conninfo_to_dict(address.split("&")[0])
    where = {"host": parts["host"], "port": int(parts.get("port", 5432)), "database": parts["dbname"], "user": parts["user"], "password": ""}
    return {"type": "postgres", **where, "sslmode": "disable", "conn_type": "pool", "min_conn": 4, "max_conn": 10}


def main() -> None:
    directory, kind, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    configuration = {
        "project": "bench", "provider": "local", "registry": str(directory / "registry.db"), "online_store": online(kind, address), "offline_store": {"type": "duckdb"},
        "entity_key_serialization_version": 3,
    }
    (directory / "feature_store.yaml").write_text(yaml.safe_dump(configuration))
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    source = FileSource(name="events", path=str(directory.parent / "rows.parquet"), timestamp_field="at")
    schema = [Field(name=f"f{number}", dtype=Float64) for number in range(10)]
    view = FeatureView(name="rows_v1", entities=[entity], ttl=timedelta(0), schema=schema, source=source, online=True)
    store = FeatureStore(repo_path=str(directory))
    store.apply([entity, view])
    store.materialize(datetime(2023, 1, 1, tzinfo=timezone.utc), datetime(2025, 1, 1, tzinfo=timezone.utc))


if __name__ == "__main__":
    main()
