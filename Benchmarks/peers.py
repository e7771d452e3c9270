"""The same work in other tools, each run in a process of its own: peers.py TOOL WORK DIRECTORY OUT."""

from __future__ import annotations

import sys
from pathlib import Path

FEATURES = [f"f{number}" for number in range(10)]
WINDOWS = {"1h": 3_600, "1d": 86_400, "7d": 604_800, "30d": 2_592_000}


def polars_asof(data: Path, out: Path, *, parquet: bool = False) -> None:
    import polars

    rows, spine = (polars.scan_parquet(data / f"{name}.parquet") if parquet else polars.scan_ipc(data / f"{name}.arrow") for name in ("rows", "spine"))
    spine = spine.with_row_index("place")
    joined = spine.sort("event_timestamp").join_asof(
        rows, left_on="event_timestamp", right_on="at", by="entity", strategy="backward", coalesce=True, check_sortedness=False
    )
    joined.sort("place").select("entity", "event_timestamp", *FEATURES).collect().write_ipc(out)


def polars_parquet(data: Path, out: Path) -> None:
    polars_asof(data, out, parquet=True)


def polars_windows(data: Path, out: Path) -> None:
    """Events and spine in one frame by entity and time; the spine's rows carry no value, and see those before and at their instant."""
    import polars
    from polars import col

    rows = polars.read_ipc(data / "rows.arrow", columns=["entity", "at", "f0"]).rename({"at": "t"})
    spine = polars.read_ipc(data / "spine.arrow").rename({"event_timestamp": "t"}).with_row_index("place")
    both = polars.concat([rows, spine], how="diagonal").sort("entity", "t")
    counted = col("f0").is_not_null().cast(polars.Int64)
    values = []
    for name in WINDOWS:
        values += [
            col("f0").rolling_sum_by("t", name).over("entity").alias(f"sum_{name}"),
            counted.rolling_sum_by("t", name).over("entity").alias(f"count_{name}"),
            col("f0").rolling_mean_by("t", name).over("entity").alias(f"avg_{name}"),
            col("f0").rolling_max_by("t", name).over("entity").alias(f"max_{name}"),
        ]
    result = both.with_columns(values).filter(col("place").is_not_null()).sort("place")
    # The sum of nothing is NULL, as in SQL.
    result = result.with_columns(polars.when(col(f"count_{name}") > 0).then(col(f"sum_{name}")).alias(f"sum_{name}") for name in WINDOWS)
    names = [f"{operator}_{name}" for name in WINDOWS for operator in ("sum", "count", "avg", "max")]
    result.select("entity", col("t").alias("event_timestamp"), *names).write_ipc(out)


def duckdb_connection():
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    return connection


def duckdb_asof(data: Path, out: Path, *, ties: bool = False) -> None:
    connection = duckdb_connection()
    rows = f"read_parquet('{data / 'rows.parquet'}')"
    if ties:
        # The last that arrived of each entity's rows at one time.
        rows = f"(select * from read_parquet('{data / 'rows.parquet'}', file_row_number = true) qualify row_number() over (partition by entity, \"at\" order by file_row_number desc) = 1)"
    features = ", ".join(f"r.{name}" for name in FEATURES)
    connection.execute(
        f"""
        copy (select s.entity, s.event_timestamp, {features}
            from read_parquet('{data / 'spine.parquet'}', file_row_number = true) s asof left join {rows} r on s.entity = r.entity and s.event_timestamp >= r."at"
            order by s.file_row_number) to '{out}' (format parquet)
        """
    )


def duckdb_ties(data: Path, out: Path) -> None:
    duckdb_asof(data, out, ties=True)


def duckdb_windows(data: Path, out: Path) -> None:
    """A range join for each window; far slower than the others."""
    connection = duckdb_connection()
    values = []
    for name, seconds in WINDOWS.items():
        inside = f"r.\"at\" > s.event_timestamp - interval '{seconds} seconds'"
        values += [f"{function}(r.f0) filter (where {inside}) as {function}_{name}" for function in ("sum", "count", "avg", "max")]
    connection.execute(
        f"""
        copy (select any_value(s.entity) as entity, any_value(s.event_timestamp) as event_timestamp, {', '.join(values)}
            from read_parquet('{data / 'spine.parquet'}', file_row_number = true) s
            left join read_parquet('{data / 'rows.parquet'}') r on s.entity = r.entity and r."at" <= s.event_timestamp and r."at" > s.event_timestamp - interval '30 days'
            group by s.file_row_number order by s.file_row_number) to '{out}' (format parquet)
        """
    )


if __name__ == "__main__":
    tool, work, data, out = sys.argv[1:]
    globals()[f"{tool}_{work}"](Path(data), Path(out))
