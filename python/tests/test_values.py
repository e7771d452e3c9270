"""Values in and out: none is changed on the way, and what can't be taken is refused by name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import firn
from firn._tables import bodies

# Beyond what a float64 holds, and beyond the years of a datetime.
ODD = 9007199254740993
FIRST, LAST = "-4713-11-24T00:00:00Z", "294246-12-31T23:59:59.999999Z"

DEFINITIONS = """
entities:
  thing: {keys: {k: int64}}
  tag: {keys: {t: string}}
sources:
  things: {columns: {k: int64, i: int64, b: bool, f: float64, s: string, u: timestamp, at: timestamp}, event_time: at, id: [k]}
  tags: {columns: {t: string, i: int64, at: timestamp}, event_time: at, id: [t]}
features:
  i.v1: {entity: thing, source: things, expression: latest(i)}
  b.v1: {entity: thing, source: things, expression: latest(b)}
  f.v1: {entity: thing, source: things, expression: latest(f)}
  s.v1: {entity: thing, source: things, expression: latest(s)}
  u.v1: {entity: thing, source: things, expression: latest(u)}
  tagged.v1: {entity: tag, source: tags, expression: latest(i)}
  plus.v1: {entity: thing, source: things, request: {x: float64, when: timestamp}, expression: "case when request.when > latest(at) then request.x else -1.0 end"}
sets: {kinds.v1: {features: [i.v1, b.v1, f.v1, s.v1, u.v1]}, plus.v1: {features: [plus.v1]}}
"""
AT = datetime(2024, 1, 1, tzinfo=timezone.utc)
# After whatever is pushed here.
NOW = datetime(2999, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def kinds(store: firn.Client) -> firn.Client:
    store.apply(DEFINITIONS)
    store.push("things", [
        {"k": 1, "i": ODD, "b": True, "f": 0.5, "s": "x", "u": "2024-01-01T00:00:00.5Z", "at": AT},
        {"k": 2, "i": -ODD, "b": False, "f": 1.5, "s": "y", "u": FIRST, "at": AT},
        {"k": 3, "i": 7, "b": None, "f": None, "s": None, "u": LAST, "at": AT},
    ])
    return store


def spine(keys: list[Any]) -> pa.Table:
    return pa.table({"k": pa.array(keys, pa.int64()), "event_timestamp": pa.array([NOW] * len(keys), pa.timestamp("us", "UTC"))})


def test_what_stands_beside_a_null_keeps_its_bits(kinds: firn.Client) -> None:
    snapshot = kinds.snapshot("kinds.v1", spine([1, 2, 9]))
    lookup = kinds.lookup("kinds.v1", {"k": [1, 2, 9]})
    for frame in (snapshot.to_pandas(), firn.to_pandas(kinds.compute("kinds.v1", spine([1, 2, 9]))), lookup.to_pandas()):
        assert [str(frame[name].dtype) for name in "ibf"] == ["Int64", "boolean", "float64"]
        assert frame["i"].iloc[0] == ODD and frame["i"].iloc[1] == -ODD and frame["i"].isna().tolist() == [False, False, True]
        assert frame["b"].tolist()[:2] == [True, False] and frame["b"].iloc[2] is pandas.NA
    full = kinds.snapshot("kinds.v1", spine([1, 2])).to_pandas()
    assert [str(full[name].dtype) for name in "kib"] == ["int64", "int64", "bool"] and full["i"].tolist() == [ODD, -ODD]
    # A frame of what came back is the same again.
    again = kinds.snapshot("kinds.v1", snapshot.to_pandas()[["k", "event_timestamp"]])
    assert again.digest == snapshot.digest


def test_every_integer_keeps_its_width() -> None:
    types = {"i8": pa.int8(), "i16": pa.int16(), "i32": pa.int32(), "i64": pa.int64(), "u8": pa.uint8(), "u16": pa.uint16(), "u32": pa.uint32(), "u64": pa.uint64()}
    table = pa.table({name: pa.array([2 ** (kind.bit_width - 1) - 1, None], kind) for name, kind in types.items()})
    frame = firn.to_pandas(table)
    assert [str(kind) for kind in frame.dtypes] == ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"]
    assert pa.Table.from_pandas(frame).to_pydict() == table.to_pydict()
    assert firn.to_pandas(table.slice(0, 0)).shape == (0, 8) and firn.to_pandas(pa.table({})).shape == (0, 0)


def test_a_time_outside_pythons_years_fails_no_batch(kinds: firn.Client) -> None:
    lookup = kinds.lookup("kinds.v1", {"k": [1, 2, 3]})
    assert [row[4] for row in lookup.rows] == [datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=timezone.utc), FIRST, LAST]
    snapshot = kinds.snapshot("kinds.v1", spine([1, 2, 3]))
    assert lookup.to_arrow()["u"].equals(snapshot.to_arrow()["u"])
    for frame in (lookup.to_pandas(), snapshot.to_pandas()):
        assert "294246-12-31" in frame.to_csv() and "294246-12-31" in repr(frame["u"])
        assert frame["u"].tolist() == [lookup.rows[0][4], numpy.datetime64("-4713-11-24T00:00:00", "us"), numpy.datetime64("294246-12-31T23:59:59.999999", "us")]
    # A frame of what came back can be pushed.
    kinds.push("things", frame.reset_index()[["k", "u"]].assign(k=[91, 92, 93], at=AT))
    assert [row[4] for row in kinds.lookup("kinds.v1", {"k": [91, 92, 93]}).rows] == [row[4] for row in lookup.rows]
    # And in: as text, of NumPy, in a column.
    seen = numpy.datetime64("294246-12-31T23:59:59.999999", "us")
    column = pa.array([106_751_982 * 86_400_000_000 - 1], pa.int64()).cast(pa.timestamp("us", "UTC"))
    for when in (LAST, [seen], numpy.array([seen]), column, pandas.Series(column.to_pandas())):
        assert kinds.lookup("plus.v1", {"k": [1]}, request={"x": [2.0], "when": when}).rows == [[2.0]]
    assert kinds.lookup("plus.v1", {"k": [1]}, request={"x": [2.0], "when": FIRST}).rows == [[-1.0]]


def test_dicts_have_the_union_of_their_keys(kinds: firn.Client, binary: str) -> None:
    kinds.push("things", [{"k": 20, "at": AT}, {"k": 21, "i": ODD, "at": AT}, {"k": 22, "at": AT, "s": "z"}])
    assert kinds.lookup("kinds.v1", {"k": [20, 21, 22]}).to_arrow().select(["i", "s"]).to_pydict() == {"i": [None, ODD, None], "s": [None, None, "z"]}
    with pytest.raises(firn.FirnError, match=r"column 'ii': is not declared.*row 2 has it first") as refused:
        kinds.push("things", ({"k": 30 + row, "at": AT} | ({"ii": 1} if row else {}) for row in range(3)))
    assert refused.value.code == "invalid_rows"
    assert kinds.lookup("kinds.v1", {"k": [30, 31]}).statuses == [["not_found"] * 5] * 2
    with pytest.raises(firn.FirnError, match="row 2 is of type str, not a dict"):
        kinds.push("things", [{"k": 1, "at": AT}, "x"])
    asked = [{"k": 1, "event_timestamp": NOW}, {"k": 9, "event_timestamp": NOW, "note": "late"}]
    assert kinds.snapshot("kinds.v1", asked).to_pandas()["note"].tolist()[1] == "late"
    with pytest.warns(firn.FirnWarning, match="things doesn't declare 'ii': passed over"):
        values = firn.eval(DEFINITIONS, rows={"things": [{"k": 1, "at": AT}, {"k": 9, "at": AT, "i": ODD, "ii": 3}]}, spine=asked, set="kinds.v1", binary=binary)
    assert values["i"].to_pylist() == [None, ODD]


def test_eval_says_what_it_passes_over_unless_it_is_asked_to(binary: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    rows = pa.table({"k": [1], "i": [3], "at": ["2024-01-01"], "more": [[1]], "i ": [5]})
    options: dict[str, Any] = {"spine": spine([1]), "set": "kinds.v1", "binary": binary}
    assert firn.eval(DEFINITIONS, rows={"things": rows}, ignore_extra=True, **options)["i"].to_pylist() == [3]
    assert not [warning for warning in recwarn if "passed over" in str(warning.message)]
    with pytest.warns(firn.FirnWarning, match="doesn't declare 'more', 'i ': passed over"):
        firn.eval(DEFINITIONS, rows={"things": rows}, **options)
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.warns(firn.FirnWarning, match="doesn't declare 'more', 'i ': passed over"):
        assert firn.eval(DEFINITIONS, rows={"things": tmp_path / "rows.parquet"}, **options)["i"].to_pylist() == [3]
    (tmp_path / "rows.ndjson").write_text('{"k": 1, "at": "2024-01-01"}\n{"k": 1, "at": "2024-01-01", "ii": 2}\n')
    with pytest.raises(firn.FirnError, match=r"rows.ndjson:2.*column 'ii': is not declared.*'ignore_extra'"):
        firn.eval(DEFINITIONS, rows={"things": tmp_path / "rows.ndjson"}, **options)


def test_categories_in_several_chunks(kinds: firn.Client, binary: str) -> None:
    def chunk(key: int, word: str, number: int) -> pa.Table:
        return pa.table({
            "k": [key], "s": pa.array([word]).dictionary_encode(), "i": pa.array([number]).dictionary_encode(), "at": pa.array([AT], pa.timestamp("us", "UTC"))})

    rows = pa.concat_tables([chunk(40, "one", ODD), chunk(41, "two", 2)])
    values = firn.eval(DEFINITIONS, rows={"things": rows}, spine=spine([40, 41]), set="kinds.v1", binary=binary)
    assert values.select(["s", "i"]).to_pydict() == {"s": ["one", "two"], "i": [ODD, 2]}
    assert kinds.push("things", rows).accepted == 2
    asked = pa.concat_tables([spine([40]).append_column("c", pa.array(["a"]).dictionary_encode()), spine([41]).append_column("c", pa.array(["b"]).dictionary_encode())])
    assert kinds.compute("kinds.v1", asked).select(["s", "i", "c"]).to_pydict() == {"s": ["one", "two"], "i": [ODD, 2], "c": ["a", "b"]}


class Stream:
    """What only has Arrow's stream."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def frames() -> Iterator[Any]:
    frame = polars.DataFrame({"k": [50], "i": [ODD], "at": [AT]}, {"k": polars.Int128, "i": polars.Int128, "at": polars.Datetime("us", "UTC")})
    yield frame
    yield frame.lazy()
    yield Stream(frame.with_columns(polars.col("k", "i").cast(polars.Int64)).to_arrow())
    yield duckdb.sql(f"select 50::hugeint as k, sum({ODD}::bigint) as i, timestamptz '2024-01-01 00:00:00+00' as at")
    yield pa.table({"k": pa.array([Decimal(50)]), "i": pa.array([Decimal(ODD)], pa.decimal256(50, 0)), "at": pa.array([AT], pa.timestamp("ns", "UTC"))})
    yield pandas.DataFrame({"k": [numpy.int64(50)], "i": pandas.Series([ODD], dtype=object), "at": pandas.Series([AT], dtype=object)})


@pytest.mark.parametrize("rows", [*frames()], ids=lambda rows: type(rows).__name__)
def test_tables_of_every_library_are_read(kinds: firn.Client, rows: Any) -> None:
    pushed = kinds.push("things", rows)
    assert pushed.accepted + pushed.duplicates == 1
    assert kinds.lookup("kinds.v1", {"k": [50]}).rows[0][0] == ODD


def test_what_does_not_fit_is_refused_by_name(kinds: firn.Client) -> None:
    with pytest.raises(firn.FirnError, match=r"column 'i' is Int128 and holds numbers beyond int64 \(in Polars: .cast"):
        kinds.push("things", polars.DataFrame({"k": [1], "i": [2**70]}, {"k": polars.Int64, "i": polars.Int128}))
    for rows, message in (
        ([{"k": 2**70}], "column 'k'"), ({"k": 1}, "column 'k' is of type int, not a list"), (pandas.DataFrame([[1, 2]], columns=["k", "k"]), "'k' stands twice"),
        ([{"at": pandas.Timestamp(1)}], "column 'at' has nanoseconds"), (pandas.DataFrame({"s": [1, "x"]}), "column 's'"), (polars.Series([1.0]), "don't make a table"),
    ):
        with pytest.raises(firn.FirnError, match=message) as refused:
            kinds.push("things", rows)
        assert refused.value.code == "invalid_rows"


def test_dates_beside_times_keep_the_time(kinds: firn.Client) -> None:
    # pyarrow makes dates of all.
    kinds.push("things", [{"k": 60, "u": date(2024, 1, 2), "at": AT}, {"k": 61, "u": datetime(2024, 1, 2, 5, 30), "at": AT}])
    assert [row[4] for row in kinds.lookup("kinds.v1", {"k": [60, 61]}).rows] == [datetime(2024, 1, 2, 0, tzinfo=timezone.utc), datetime(2024, 1, 2, 5, 30, tzinfo=timezone.utc)]


def test_uuids_are_texts(kinds: firn.Client, binary: str) -> None:
    one, two = UUID(int=1), UUID(int=2)
    kinds.push("tags", [{"t": one, "i": 1, "at": AT}])
    binary_uuids = (lambda *values: pa.array([value.bytes for value in values], pa.uuid())) if hasattr(pa, "uuid") else lambda *values: pa.array([str(value) for value in values])
    kinds.push("tags", pa.table({"t": binary_uuids(two), "i": [2], "at": [AT]}))
    kinds.push("tags", pandas.DataFrame({"t": [one, two], "i": [1, 2], "at": [AT, AT]}))
    for keys in ([one, two], [str(one), str(two)], pandas.Series([one, two]), binary_uuids(one, two)):
        assert kinds.lookup(features=["tagged.v1"], entities={"t": keys}).rows == [[1], [2]]
    asked = pandas.DataFrame({"t": [one, two, None], "event_timestamp": [NOW] * 3})
    values = firn.eval(DEFINITIONS, rows={"tags": [{"t": one, "i": 5, "at": AT}]}, spine=asked, features=["tagged.v1"], binary=binary)
    assert values["t"].to_pylist() == [str(one), str(two), None] and values.columns[-1].to_pylist() == [5, None, None]


def test_any_number_that_is_whole_does_for_an_integer(kinds: firn.Client) -> None:
    expected = [[ODD], [-ODD], [7]]
    for keys in ([1.0, 2, Decimal("3.0")], pandas.Series([1.0, 2.0, 3.0]), numpy.array([1, 2, 3], numpy.float32), polars.Series([1, 2, 3], dtype=polars.Int128), pa.array([Decimal(1), Decimal(2), Decimal(3)])):
        assert kinds.lookup(features=["i.v1"], entities={"k": keys}).rows == expected
    for keys in (pandas.Series([1.0, float("nan")]), pandas.Series([1, None], dtype="Int64"), [1, pandas.NA], [1, None], pandas.Series([1, pandas.NA], dtype=object)):
        assert kinds.lookup(features=["i.v1"], entities={"k": keys}).rows == [[ODD], [None]]
    frame = pandas.DataFrame({"k": [1.0, 2.0, 3.0], "x": [Decimal("19.90"), 2, None], "when": [pandas.Timestamp("2024-03-01"), pandas.NaT, pandas.Timestamp("2024-03-01")]})
    assert kinds.lookup("plus.v1", frame[["k"]], request=frame[["x", "when"]]).rows == [[19.9], [-1.0], [None]]
    assert kinds.lookup("plus.v1", {"k": 1}, request={"x": Decimal("19.90"), "when": date(2024, 3, 1)}).rows == [[19.9]]
    for wrong in (1.5, Decimal("0.12345678901234567890123")):
        with pytest.raises(firn.FirnError, match="not an int64"):
            kinds.lookup(features=["i.v1"], entities={"k": [wrong]})


@pytest.mark.parametrize(("value", "message"), [
    (b"x", "'k' has a value of type bytes, which can't be looked up: .decode"), (timedelta(1), "of type timedelta"), ([1], "not an int64"), ({"a": 1}, "of type dict"), (object(), "of type object"),
    (pandas.Timestamp(1), "nanoseconds"),
])
def test_what_cannot_be_looked_up_is_named(kinds: firn.Client, value: Any, message: str) -> None:
    with pytest.raises(firn.FirnError, match=message):
        kinds.lookup(features=["i.v1"], entities={"k": [1, value]})


def test_old_times_of_parquet(kinds: firn.Client, tmp_path: Path) -> None:
    # INT96 counts nanoseconds of a day; as 64 bits of them the year 2400 is 1815.
    column = pa.array([13_569_465_600_000_000, 1_704_067_200_000_001, None], pa.timestamp("us"))
    rows = pa.table({"k": [70, 71, 72], "u": column, "at": pa.array([AT] * 3, pa.timestamp("us", "UTC"))})
    pq.write_table(rows, tmp_path / "old.parquet", use_deprecated_int96_timestamps=True)
    assert pq.read_table(tmp_path / "old.parquet")["u"].cast(pa.int64()).to_pylist()[0] < 0
    kinds.import_file("things", tmp_path / "old.parquet", known_now=True)
    assert [row[4] for row in kinds.lookup("kinds.v1", {"k": [70, 71, 72]}).rows] == [
        datetime(2400, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc), None]
    pq.write_table(rows.set_column(1, "u", pa.array([1, 2, 3], pa.timestamp("ns"))), tmp_path / "nano.parquet", use_deprecated_int96_timestamps=True)
    with pytest.raises(firn.FirnError, match="column 'u' has nanoseconds"):
        kinds.import_file("things", tmp_path / "nano.parquet", known_now=True)


def test_files_that_pandas_and_pyarrow_write(kinds: firn.Client, binary: str, tmp_path: Path) -> None:
    frame = pandas.DataFrame({"k": [80], "i": [ODD], "s": pandas.Categorical(["x"]), "at": [AT], "more": [[1.5]]})
    frame.to_feather(tmp_path / "rows.feather")
    assert kinds.import_file("things", tmp_path / "rows.feather", known_now=True, ignore_extra=True).rows == 1
    assert kinds.lookup("kinds.v1", {"k": [80]}).rows[0][:4] == [ODD, None, None, "x"]
    values = firn.eval(DEFINITIONS, rows={"things": str(tmp_path / "rows.feather")}, spine=spine([80]), set="kinds.v1", ignore_extra=True, binary=binary)
    assert values["i"].to_pylist() == [ODD]


def test_files_of_text_by_any_name(kinds: firn.Client, tmp_path: Path) -> None:
    (tmp_path / "A.CSV").write_text(f"k;i;at\n85;{ODD};{AT.isoformat()}\n")
    assert kinds.import_file("things", tmp_path / "A.CSV", known_now=True, delimiter=";").rows == 1
    (tmp_path / "b.jsonl").write_text(f'{{"k": 86, "i": "{ODD}", "at": "{AT.isoformat()}"}}\n')
    assert kinds.import_file("things", tmp_path / "b.jsonl", known_now=True).rows == 1
    assert [row[0] for row in kinds.lookup("kinds.v1", {"k": [85, 86]}).rows] == [ODD, ODD]


def test_a_name_keeps_its_spaces_and_what_is_empty_is_said(kinds: firn.Client) -> None:
    with pytest.warns(firn.FirnWarning, match="i is NULL in all 1 rows"):
        assert kinds.snapshot("kinds.v1", spine([900]), name="a b+c%d").manifest["name"] == "a b+c%d"
    assert kinds.fetch("a b+c%d").manifest["name"] == "a b+c%d"
    with pytest.warns(firn.FirnWarning, match="i is NULL in all 1 rows"):
        kinds.compute("kinds.v1", spine([900]))
    assert kinds.catalog.ledger("source things") != [] and kinds.drift("a b+c%d", "a b+c%d")["passes"]
    assert kinds.verify_lookups()["differences"] == 0


def test_files_that_are_not_there(kinds: firn.Client, binary: str, tmp_path: Path) -> None:
    away = tmp_path / "away"
    calls = [
        *(lambda suffix=suffix: kinds.import_file("things", away.with_suffix(suffix)) for suffix in (".csv", ".parquet", ".arrow", ".arrows")),
        *(lambda suffix=suffix: firn.eval(DEFINITIONS, rows={"things": away.with_suffix(suffix)}, spine=spine([1]), set="kinds.v1", binary=binary) for suffix in (".csv", ".parquet")),
        lambda: kinds.record_model("m.v1", "snap_0", artifacts=[away]), lambda: kinds.apply(away.with_suffix(".yaml")), lambda: kinds.plan(str(away)),
        lambda: firn.eval(str(away), rows={}, spine=spine([1]), set="kinds.v1", binary=binary),
    ]
    for call in calls:
        with pytest.raises(firn.FirnError, match=r"away\S* can't be read: no such file") as refused:
            call()
        assert refused.value.code == "no_file"
    with pytest.raises(firn.FirnError, match=r"can't be run.*FIRN_BINARY") as refused:
        firn.eval(DEFINITIONS, rows={}, spine=spine([1]), set="kinds.v1", binary=str(away))
    assert refused.value.code == "no_binary"


def test_a_part_has_no_more_rows_than_a_server_takes() -> None:
    rows = pa.table({"i": range(600_000)})
    parts = bodies(rows, 16 << 20, 250_000)
    assert [count for count, _ in parts] == [200_000] * 3
    assert pa.concat_tables(pa.ipc.open_stream(body()).read_all() for _, body in parts).equals(rows)


def test_a_large_push_goes_in_parts(kinds: firn.Client) -> None:
    count = 300_000
    texts = pa.array([f"{row:060}" for row in range(count)])
    rows = pa.table({"t": texts, "i": range(count), "at": pa.array([AT] * count, pa.timestamp("us", "UTC"))})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    assert len(sink.getvalue()) > 16 << 20
    pushed = kinds.push("tags", rows, idempotency_key="large")
    assert (pushed.accepted, pushed.duplicates) == (count, 0)
    assert kinds.push("tags", rows, idempotency_key="large") == pushed, "nothing counts twice"
    assert kinds.lookup(features=["tagged.v1"], entities={"t": [texts[0].as_py(), texts[-1].as_py()]}, min_offsets={"tags": pushed.last_offset}).rows == [[0], [count - 1]]
    with pytest.raises(firn.FirnError) as refused:
        kinds.push("tags", rows.slice(0, 10), idempotency_key="large")
    assert refused.value.code == "idempotency_conflict"
    # A bad row far behind: what is in is said.
    bad = rows.set_column(2, "at", pa.array([AT] * (count - 1) + [None], pa.timestamp("us", "UTC"))).set_column(0, "t", pa.array([f"b{row:060}" for row in range(count)]))
    with pytest.raises(firn.FirnError, match=r"may not be NULL.*this part begins with row \d+; rows before it are in.*idempotency_key='\w+'"):
        kinds.push("tags", bad.set_column(0, "t", bad["t"].dictionary_encode()))
    assert kinds.lookup(features=["tagged.v1"], entities={"t": [bad["t"][0].as_py(), bad["t"][-1].as_py()]}).statuses == [["present"], ["not_found"]]
