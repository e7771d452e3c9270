"""Times as Firn writes them: RFC 3339 in UTC, from 4714 BC to the year 294246, which is more than Python's ``datetime`` holds."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

from ._errors import FirnError

#: A time; without a zone it is UTC. A date is its midnight.
Instant = date | str

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The calendar comes again after 400 years.
_CYCLE = 146_097 * 86_400_000_000
_WRITTEN = re.compile(r"(-?\d{4,6})(-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z")

#: Microseconds since 1970 of the first and the last instant that a ``datetime`` holds.
FIRST, LAST = ((datetime(year, 1, 1, tzinfo=timezone.utc) - EPOCH) // timedelta(microseconds=1) + offset for year, offset in ((1, 0), (9999, 365 * 86_400_000_000 - 1)))


def written(microseconds: int) -> str:
    """Microseconds since 1970 as Firn writes them."""
    cycles = (microseconds - FIRST) // _CYCLE
    moved = EPOCH + timedelta(microseconds=microseconds - cycles * _CYCLE)
    year = moved.year + 400 * cycles
    fraction = f".{moved.microsecond:06}".rstrip("0") if moved.microsecond else ""
    return f"{'-' if year < 0 else ''}{abs(year):04}{moved:-%m-%dT%H:%M:%S}{fraction}Z"


def microseconds(text: str) -> int:
    """What ``written`` was given."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise FirnError(f"'{text}' is not a time as Firn writes it", code="invalid_answer")
    year, rest, fraction = int(found[1]), found[2], (found[3] or "").ljust(6, "0")
    cycles = year // 400 - 1
    moved = datetime.fromisoformat(f"{year - 400 * cycles:04}{rest}.{fraction}+00:00")
    return (moved - EPOCH) // timedelta(microseconds=1) + cycles * _CYCLE


def as_python(microseconds: int) -> datetime | str:
    """A ``datetime`` where one holds it, else the text that Firn writes."""
    return EPOCH + timedelta(microseconds=microseconds) if FIRST <= microseconds <= LAST else written(microseconds)


def days(day: date | str) -> int:
    """Days since 1970 of a date, or of one as Firn writes it."""
    return microseconds(f"{day}T00:00:00Z") // 86_400_000_000


def as_date(text: str) -> date | str:
    """A ``date`` where one holds it, else the text that Firn writes."""
    number = days(text)
    return (EPOCH + timedelta(days=number)).date() if FIRST <= number * 86_400_000_000 <= LAST else text


def as_text(instant: Instant | None) -> str | None:
    """A time of any library as Firn reads it."""
    if isinstance(instant, datetime):
        if getattr(instant, "nanosecond", 0):  # pandas
            raise FirnError("a time has nanoseconds; times carry microseconds (in pandas: .floor('us'))", code="invalid_request")
        aware = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        return written((aware - EPOCH) // timedelta(microseconds=1))
    if isinstance(instant, date):
        return instant.isoformat()
    given: Any = instant
    if getattr(getattr(given, "dtype", None), "kind", None) == "M":  # NumPy
        moment = given.astype("datetime64[us]")
        if moment != given:
            raise FirnError("a time has nanoseconds; times carry microseconds (in NumPy: .astype('datetime64[us]'))", code="invalid_request")
        return written(int(moment.astype("int64")))
    if instant is not None and not isinstance(instant, str):
        raise FirnError(f"a {type(instant).__name__} is no time: give a datetime, or a text such as 2024-05-01T09:30:00Z", code="invalid_request")
    return instant
