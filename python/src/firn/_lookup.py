"""What a lookup answers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ._tables import to_pandas
from ._times import EPOCH, as_date, as_python, days, microseconds

_TYPES = {"bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "date": pa.date32()}


def _arrow(kind: str) -> "pa.DataType":
    """The Arrow type of one of Firn's."""
    if kind.startswith("decimal("):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    if kind.startswith("list("):
        return pa.list_(_arrow(kind[5:-1]))
    if kind.startswith("vector("):
        return pa.list_(pa.float32(), int(kind[7:-1]))
    return _TYPES[kind]


def _typed(value: Any, kind: str) -> Any:
    """A value of an answer as Python has it."""
    if value is None:
        return None
    if kind == "float64":
        return float(value)
    if kind == "timestamp":
        return as_python(microseconds(value))
    if kind == "date":
        return as_date(value)
    if kind.startswith("list("):
        return [_typed(item, kind[5:-1]) for item in value]
    return Decimal(value) if kind.startswith("decimal(") else value


class Lookup:
    """The values of the entities asked for, in their order.

    Attributes:
        set: the set asked for; of a pointer the one that it stood for.
        features: names of the values, in their order.
        keys: for each key its values, one for each entity.
        rows: for each entity its values. A decimal is a ``Decimal``, a list or vector a list; a time or date that no ``datetime`` holds is a text.
        statuses: for each value ``present``, ``null``, ``not_found`` or ``stale``.
        as_of: the instant of all values.
        cuts: how far each source's log was read, where it was asked for.
        warnings: what of the set is deprecated or retired.
        receipt: under what the lookup log keeps it, where it was asked for.
    """

    def __init__(self, answer: Mapping[str, Any], keys: Mapping[str, Any] | None = None) -> None:
        self.set: str | None = answer.get("set")
        self.features: list[str] = answer["features"]
        types = answer["types"]
        self.rows: list[list[Any]] = [[_typed(value, kind) for value, kind in zip(row["values"], types)] for row in answer["rows"]]
        # One value stands for all.
        lists = {name: value if isinstance(value, list) else [value] for name, value in (keys or {}).items()}
        self.keys: dict[str, list[Any]] = {name: values * len(self.rows) if len(values) == 1 else values for name, values in lists.items()}
        self._types = dict(zip(self.features, types))
        self.statuses: list[list[str]] = [row["statuses"] for row in answer["rows"]]
        self.as_of: str = answer["as_of"]
        self.cuts: dict[str, int] | None = answer.get("cuts")
        self.warnings: list[str] = answer.get("warnings", [])
        self.receipt: str | None = answer.get("receipt")

    def __repr__(self) -> str:
        return f"Lookup({self.set or ', '.join(self.features)}, {len(self.rows)} entities, {len(self.features)} features, as of {self.as_of})"

    def to_pylist(self) -> list[dict[str, Any]]:
        """A dict for each entity."""
        return [dict(zip(self.features, row)) for row in self.rows]

    def to_pandas(self, *, statuses: bool = False) -> Any:
        """A DataFrame with a row for each entity, of the types that a snapshot's has. Its index is the keys, so that its columns are what a model takes in.

        Args:
            statuses: adds a column for each feature, ``spend_7d.status`` say.
        """
        import pandas

        frame = to_pandas(self.to_arrow())
        if statuses:
            columns = {f"{name}.status": [row[place] for row in self.statuses] for place, name in enumerate(self.features)}
            frame = pandas.concat([frame, pandas.DataFrame(columns, index=frame.index)], axis=1)
        if self.keys:
            levels = [_index(name, values) for name, values in self.keys.items()]
            frame.index = levels[0] if len(levels) == 1 else pandas.MultiIndex.from_arrays(levels, names=list(self.keys))
        return frame

    def to_arrow(self) -> "pa.Table":
        """A table with a row for each entity."""
        columns = [[row[place] for row in self.rows] for place in range(len(self.features))]
        return pa.table([_array(column, kind) for column, kind in zip(columns, self._types.values())], names=self.features)


def _index(name: str, values: list[Any]) -> Any:
    import pandas

    try:
        return pandas.Index(to_pandas(pa.table({name: pa.array(values)}))[name])
    except (pa.ArrowException, OverflowError):  # numbers and "NaN", or beyond 64 bits
        return pandas.Index(values, dtype=object, name=name)


def _array(values: list[Any], kind: str) -> "pa.Array":
    if kind.startswith("list("):
        # Their elements may be times that no ``datetime`` holds.
        items = _array([item for value in values for item in value or []], kind[5:-1])
        ends = [0, *itertools.accumulate(len(value or []) for value in values)]
        starts = [None if value is None else end for value, end in zip(values, ends)]
        return pa.ListArray.from_arrays(pa.array([*starts, ends[-1]], pa.int32()), items)
    if kind == "date":
        return pa.array([None if value is None else days(value) for value in values], pa.int32()).cast(pa.date32())
    if kind != "timestamp":
        return pa.array(values, _arrow(kind))
    return pa.array([_microseconds(value) for value in values], pa.int64()).cast(_TYPES[kind])


def _microseconds(value: datetime | str | None) -> int | None:
    if value is None:
        return None
    return microseconds(value) if isinstance(value, str) else (value - EPOCH) // timedelta(microseconds=1)
