"""Lists and vectors from every tool, into a store and out again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import duckdb
import numpy
import pandas
import polars
import pyarrow as pa
import pytest

import firn

DEFINITIONS = """
entities:
  product: {keys: {product_id: int64}}
sources:
  products:
    columns: {product_id: int64, n: int64, tags: list(string), sizes: list(int64), prices: "list(decimal(12, 2))", days: list(date), embedding: vector(3), at: timestamp}
    event_time: at
    id: [n]
features:
  tags.v1: {entity: product, source: products, expression: latest(tags)}
  sizes.v1: {entity: product, source: products, expression: latest(sizes)}
  prices.v1: {entity: product, source: products, expression: latest(prices)}
  days.v1: {entity: product, source: products, expression: latest(days)}
  embedding.v1: {entity: product, source: products, expression: latest(embedding)}
  similarity.v1: {entity: product, source: products, request: {query: vector(3)}, expression: "cosine_similarity(request.query, latest(embedding))"}
  asked.v1: {entity: product, source: products, request: {wanted: list(string)}, expression: "latest(tags)[1] = any (request.wanted)"}
  count.v1: {entity: product, source: products, request: {wanted: list(string)}, expression: cardinality(request.wanted)}
sets:
  kept.v1: {features: [tags.v1, sizes.v1, prices.v1, days.v1, embedding.v1]}
  near.v1: {features: [similarity.v1]}
  asked.v1: {features: [asked.v1, count.v1]}
"""
AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
ROWS: list[dict[str, Any]] = [
    {"product_id": 1, "n": 1, "tags": ["a", None, 'b"é'], "sizes": [1, -(2**63)], "prices": [Decimal("1.50"), None], "days": [date(2024, 2, 29)], "embedding": [0.5, -1.0, 2.0], "at": AT},
    {"product_id": 2, "n": 2, "tags": [], "sizes": [], "prices": [], "days": [], "embedding": [0.0, 0.0, 0.0], "at": AT},
    {"product_id": 3, "n": 3, "tags": None, "sizes": None, "prices": None, "days": None, "embedding": None, "at": AT},
]
SCHEMA = pa.schema([("product_id", pa.int64()), ("n", pa.int64()), ("tags", pa.list_(pa.string())), ("sizes", pa.list_(pa.int64())), ("prices", pa.list_(pa.decimal128(12, 2))), ("days", pa.list_(pa.date32())), ("embedding", pa.list_(pa.float32(), 3)), ("at", pa.timestamp("us", "UTC"))])
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)
NAMES = ["tags", "sizes", "prices", "days", "embedding"]
EXPECTED = [[row[name] for name in NAMES] for row in ROWS]
IDS = [1, 2, 3]
NOW = datetime(2999, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def lists(store: firn.Client) -> firn.Client:
    store.apply(DEFINITIONS)
    return store


def spine(**columns: Any) -> pa.Table:
    return pa.table({"product_id": IDS, "event_timestamp": pa.array([NOW] * 3, pa.timestamp("us", "UTC")), **columns})


FORMS: dict[str, Callable[[], Any]] = {
    "dicts": lambda: ROWS,
    "arrow": lambda: TABLE,
    "large lists and float64": lambda: TABLE.set_column(2, "tags", TABLE["tags"].cast(pa.large_list(pa.large_string()))).set_column(6, "embedding", TABLE["embedding"].cast(pa.list_(pa.float64()))),
    "pandas": lambda: pandas.DataFrame(ROWS),
    "pandas of arrow": lambda: TABLE.to_pandas(),
    "polars": lambda: polars.from_arrow(TABLE),
    "polars of lists": lambda: polars.from_arrow(TABLE).with_columns(polars.col("embedding").cast(polars.List(polars.Float64))),
    "duckdb": lambda: duckdb.from_arrow(TABLE).to_arrow_table(),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_goes_in_comes_out(lists: firn.Client, form: str) -> None:
    lists.push("products", FORMS[form]())
    assert lists.lookup("kept.v1", {"product_id": IDS}).rows == EXPECTED
    snapshot = lists.snapshot("kept.v1", spine())
    fetched = snapshot.to_arrow()
    assert [fetched.schema.field(name).type for name in NAMES] == [SCHEMA.field(name).type for name in NAMES]
    assert [[row[name] for name in NAMES] for row in fetched.to_pylist()] == EXPECTED
    assert snapshot.verify()


def test_request_inputs_are_one_for_all_or_one_for_each(lists: firn.Client) -> None:
    lists.push("products", ROWS)
    keys = {"product_id": [1, 2]}
    one = [pytest.approx(0.5 / 5.25**0.5), None]
    for query in ([1, 0, 0], (1.0, 0, 0), numpy.array([1.0, 0, 0], numpy.float32), [[1, 0, 0]], numpy.array([[1, 0, 0], [1, 0, 0]]), pa.array([[1.0, 0, 0]] * 2), pandas.Series([[1, 0, 0], [1, 0, 0]])):
        assert [row[0] for row in lists.lookup("near.v1", keys, request={"query": query}).rows] == one
    assert lists.lookup("asked.v1", keys, request={"wanted": ["a", None]}).rows == [[True, 2], [None, 2]]
    assert lists.lookup("asked.v1", keys, request={"wanted": [["b"], None]}).rows == [[False, 1], [None, None]]
    assert lists.lookup("asked.v1", keys, request={"wanted": []}).rows == [[False, 0], [False, 0]]
    snapshot = lists.snapshot("near.v1", spine(query=pa.array([[1.0, 0, 0]] * 3)))
    assert snapshot.to_arrow()["similarity"].to_pylist()[:2] == one
    assert snapshot.verify()


def test_frames_of_a_lookup_have_the_types(lists: firn.Client) -> None:
    lists.push("products", ROWS)
    lookup = lists.lookup("kept.v1", {"product_id": IDS})
    assert [lookup.to_arrow().schema.field(name).type for name in NAMES] == [SCHEMA.field(name).type for name in NAMES]
    assert lookup.to_arrow().to_pylist() == [dict(zip(NAMES, row)) for row in EXPECTED]
    assert lookup.to_pandas()["tags"].iloc[2] is None


def test_what_would_lose_something_is_refused(lists: firn.Client) -> None:
    row = ROWS[0] | {"n": 9}
    for wrong, message in [
        ({"embedding": [1.0, 2.0]}, "it has 2 components"), ({"embedding": [1.0, None, 2.0]}, "NULL"), ({"embedding": [1.0, float("nan"), 2.0]}, "finite"),
        ({"embedding": [1.0, 1e300, 2.0]}, "beyond a float32"), ({"sizes": [1.5]}, "sizes"), ({"prices": [Decimal("0.001")]}, "prices"), ({"tags": [["a"]]}, "tags"),
        ({"tags": "a"}, "tags"), ({"sizes": list(range(65_537))}, "more than 65536"),
    ]:
        with pytest.raises(firn.FirnError, match=message):
            lists.push("products", [row | wrong])
    for query in ([1, 2], [1, None, 2], ["a", 1, 2], [[1, 2, 3, 4]]):
        with pytest.raises(firn.FirnError, match=r"not a vector\(3\)"):
            lists.lookup("near.v1", {"product_id": 1}, request={"query": query})


def test_definitions_say_what_is_wrong(lists: firn.Client) -> None:
    for wrong, message in [
        ("columns: {k: int64, x: list(list(int64)), at: timestamp}, event_time: at", "single values"),
        ("columns: {k: int64, x: vector(0), at: timestamp}, event_time: at", "8192"),
        ("columns: {k: int64, x: vector, at: timestamp}, event_time: at", r"vector\(384\)"),
        ("columns: {k: int64, x: list(decimal(12, 2)), at: timestamp}, event_time: at", "needs quotes"),
        ("columns: {k: int64, at: list(timestamp)}, event_time: at", "timestamp"),
        ("columns: {k: int64, x: vector(3), at: timestamp}, event_time: at, id: [x]", "x"),
    ]:
        with pytest.raises(firn.FirnError, match=message):
            lists.plan(f"sources:\n  wrong: {{{wrong}}}\n")
    with pytest.raises(firn.FirnError, match="key"):
        lists.plan("entities:\n  wrong: {keys: {x: list(int64)}}\n")
