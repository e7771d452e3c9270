"""Dates and decimals from every tool, into a store and out again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pandas
import polars
import pyarrow as pa
import pytest

import firn

DEFINITIONS = """
entities:
  booking: {keys: {day: date, price: "decimal(20, 0)"}}
sources:
  bookings:
    columns: {day: date, price: "decimal(20, 0)", n: int64, due: date, amount: "decimal(12, 2)", at: timestamp}
    event_time: at
    id: [n]
  days: {columns: {day: date, amount: "decimal(12, 2)"}, event_time: day}
features:
  due.v1: {entity: booking, source: bookings, expression: latest(due)}
  amount.v1: {entity: booking, source: bookings, expression: latest(amount)}
  total.v1: {entity: booking, source: bookings, expression: sum(amount)}
  left.v1: {entity: booking, source: bookings, request: {limit: "decimal(12, 2)", until: date}, expression: case when latest(due) <= request.until then request.limit - sum(amount) end}
sets:
  money.v1: {features: [due.v1, amount.v1, total.v1]}
  left.v1: {features: [left.v1]}
"""
DAY, BIG = date(2024, 2, 29), Decimal("99999999999999999999")
ROWS: list[dict[str, Any]] = [
    {"day": DAY, "price": BIG, "n": 1, "due": date(2024, 3, 1), "amount": Decimal("19.90"), "at": datetime(2024, 1, 1, tzinfo=timezone.utc)},
    {"day": DAY, "price": BIG, "n": 2, "due": date(1969, 12, 31), "amount": Decimal("-0.05"), "at": datetime(2024, 1, 2, tzinfo=timezone.utc)},
    {"day": date(1969, 12, 31), "price": Decimal(-1), "n": 3, "due": None, "amount": None, "at": datetime(2024, 1, 3, tzinfo=timezone.utc)},
]
SCHEMA = pa.schema([("day", pa.date32()), ("price", pa.decimal128(20, 0)), ("n", pa.int64()), ("due", pa.date32()), ("amount", pa.decimal128(12, 2)), ("at", pa.timestamp("us", "UTC"))])
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)
EXPECTED = [[date(1969, 12, 31), Decimal("-0.05"), Decimal("19.85")], [None, None, None]]
KEYS = {"day": [DAY, date(1969, 12, 31)], "price": [BIG, Decimal(-1)]}
# After whatever is pushed here.
NOW = datetime(2999, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def money(store: firn.Client) -> firn.Client:
    store.apply(DEFINITIONS)
    return store


def spine() -> pa.Table:
    return pa.table({"day": pa.array(KEYS["day"], pa.date32()), "price": pa.array(KEYS["price"], pa.decimal128(20, 0)), "event_timestamp": pa.array([NOW] * 2, pa.timestamp("us", "UTC"))})


FORMS: dict[str, Callable[[], Any]] = {
    "dicts": lambda: ROWS,
    "arrow": lambda: TABLE,
    "pandas": lambda: pandas.DataFrame(ROWS).astype({"due": object}),
    "pandas with times": lambda: TABLE.to_pandas().assign(day=lambda frame: pandas.to_datetime(frame["day"]), due=lambda frame: pandas.to_datetime(frame["due"])),
    "polars": lambda: polars.from_arrow(TABLE),
    "duckdb": lambda: duckdb.from_arrow(TABLE).to_arrow_table(),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_goes_in_comes_out(money: firn.Client, form: str) -> None:
    money.push("bookings", FORMS[form]())
    assert money.lookup("money.v1", KEYS).rows == EXPECTED
    assert money.lookup("money.v1", spine().drop_columns("event_timestamp")).rows == EXPECTED
    snapshot = money.snapshot("money.v1", spine())
    fetched = snapshot.to_arrow()
    assert [fetched.schema.field(name).type for name in ("day", "price", "due", "amount", "total")] == [pa.date32(), pa.decimal128(20, 0), pa.date32(), pa.decimal128(12, 2), pa.decimal128(38, 2)]
    assert [list(row.values())[-3:] for row in fetched.to_pylist()] == EXPECTED
    assert snapshot.verify()


def test_request_inputs_are_exact(money: firn.Client) -> None:
    money.push("bookings", ROWS)
    for limit in (Decimal("100.10"), "100.10", 100.1):
        assert money.lookup("left.v1", KEYS, request={"limit": limit, "until": date(2024, 1, 1)}).rows[0] == [Decimal("80.25")]
    with pytest.raises(firn.FirnError, match=r"not a decimal\(12,2\)"):
        money.lookup("left.v1", KEYS, request={"limit": Decimal("0.001"), "until": DAY})
    with pytest.raises(firn.FirnError, match="not a date"):
        money.lookup("left.v1", KEYS, request={"limit": 1, "until": datetime(2024, 1, 1, 12)})


def test_frames_of_a_lookup_have_the_types(money: firn.Client) -> None:
    money.push("bookings", ROWS)
    lookup = money.lookup("money.v1", KEYS)
    assert lookup.to_arrow().schema.field("amount").type == pa.decimal128(12, 2) and lookup.to_arrow().schema.field("due").type == pa.date32()
    assert lookup.to_pandas()["amount"].tolist() == [Decimal("-0.05"), None]


def test_what_would_lose_something_is_refused(money: firn.Client) -> None:
    row = ROWS[0] | {"n": 9}
    for wrong, message in [
        ({"amount": Decimal("0.001")}, "amount"), ({"amount": 0.1 + 0.2}, "amount"), ({"due": datetime(2024, 1, 1, 12, tzinfo=timezone.utc)}, "due"),
        ({"price": Decimal(10) ** 20}, "price"), ({"amount": "NaN"}, "amount"),
    ]:
        with pytest.raises(firn.FirnError, match=message):
            money.push("bookings", [row | wrong])


def test_a_day_is_an_event_time_with_a_warning(money: firn.Client) -> None:
    plan = money.plan(DEFINITIONS.replace("days:", "other_days:"))
    assert any("known_at: {after: 24h}" in warning for warning in plan["warnings"])
    money.push("days", [{"day": DAY, "amount": Decimal("1.00")}])
