"""Keys and request inputs of a lookup as JSON has them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ._errors import FirnError
from ._tables import is_missing_type, plain_column, to_array, to_table
from ._times import as_text, written

_DAY = 86_400_000_000
#: Up to here every whole number is a float64.
_EXACT = 1 << 53


def json_values(given: Any) -> dict[str, Any]:
    """Columns of any library, or single values. What a table of pandas holds as NaN is NULL, as in a spine."""
    if isinstance(given, Mapping):
        return {str(name): _column(str(name), values) for name, values in given.items()}
    table = to_table(given)
    return {name: _listed(name, table[name]) for name in table.column_names}


def _column(name: str, values: Any) -> Any:
    if getattr(values, "ndim", 1) == 0:  # a scalar of NumPy
        return _value(name, values)
    if getattr(values, "ndim", 1) == 2 and not hasattr(values, "iloc"):  # a vector for each row
        return [_value(name, row) for row in values]
    if hasattr(values, "iloc") and values.dtype == object:  # pandas, whose NaN is NULL
        return [None if isinstance(value, float) and math.isnan(value) else _value(name, value) for value in values]
    if isinstance(values, (pa.Array, pa.ChunkedArray)) or hasattr(values, "to_arrow") or hasattr(values, "dtype") and hasattr(values, "__len__") and values.dtype != object:
        return _listed(name, to_array(name, values))
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, bytearray, Mapping)):
        return [_value(name, value) for value in values]
    return _value(name, values)


def _listed(name: str, column: "pa.Array | pa.ChunkedArray") -> list[Any]:
    """An Arrow column's values."""
    column = plain_column(name, column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column]))
    kind = column.type
    if pa.types.is_timestamp(kind):
        return [None if value is None else written(value) for value in column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind):
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        return [None if value is None else written(value * _DAY).partition("T")[0] for value in days]
    return [_value(name, value) for value in column.to_pylist()]


def _value(name: str, value: Any) -> Any:
    """A value: NaN, the infinities and times as texts, whole floats without a point, so that they do where an int64 is asked for, as pandas makes them."""
    kind = type(value)
    if value is None or is_missing_type(kind):
        return None
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) == 1:  # a list or vector
        return [_value(name, item) for item in value]
    if hasattr(value, "dtype") and value.dtype.kind != "M":  # a scalar of NumPy
        value = value.item()
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, date) or hasattr(value, "dtype"):
        return None if str(value) == "NaT" else as_text(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    advice = ": .decode() makes a text of it" if isinstance(value, (bytes, bytearray)) else ": give a number, a text, a bool, a time, a list of these or None"
    raise FirnError(f"'{name}' has a value of type {kind.__name__}, which can't be looked up{advice}", code="invalid_request")


def _float(value: float) -> Any:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    is_whole = value.is_integer() and abs(value) <= _EXACT and (value != 0 or math.copysign(1, value) > 0)
    return int(value) if is_whole else value


def _decimal(value: Decimal) -> Any:
    """A decimal as a number whose digits come back, else as a text of its digits."""
    if not value.is_finite():
        return "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"
    if value == value.to_integral_value():
        return int(value)
    nearest = float(value)
    # More digits than a float64 keeps are for a decimal.
    return nearest if Decimal(f"{nearest:.{max(0, -int(value.as_tuple().exponent))}f}") == value else f"{value:f}"
