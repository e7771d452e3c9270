#!/usr/bin/env bash
# pyarrow 26.0.1: a list that mixes dates and times becomes dates, and the times of day are gone without a word.
#
# pa.array([date, datetime]) takes its type from the first value and cuts the second to its day; the same two the other way round are refused. Rows that come as a list of
# dicts, such as [{"at": date(2024, 5, 8)}, {"at": datetime(2024, 5, 8, 10, 30)}], are two days: as an event time the second counts ten and a half hours too early.
# Firn's client looks at the values first.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$directory/venv/bin/python" - <<'PYTHON'
from datetime import date, datetime

import pyarrow as pa

day, time = date(2024, 5, 8), datetime(2024, 5, 8, 10, 30)
print("pyarrow", pa.__version__)

column = pa.array([day, time])
print("[date, datetime]:", column.type, column.to_pylist())
assert column.type == pa.date32() and column.to_pylist() == [day, day], "it keeps the time of day now"

rows = pa.Table.from_pylist([{"at": day}, {"at": time}])
print("the same as dicts:", rows["at"].type, rows["at"].to_pylist())
assert rows["at"].to_pylist() == [day, day], "it keeps the time of day now"

try:
    other = f"{pa.array([time, day]).type}"
except pa.ArrowException as error:
    other = f"{type(error).__name__}: {error}"
except TypeError as error:
    other = f"TypeError: {error}"
print("[datetime, date]:", other)
PYTHON
