"""The client: one object for each server."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pyarrow as pa

from . import _definitions, _files, answers
from ._catalog import Catalog
from ._definitions import Definitions
from ._errors import FirnError, FirnWarning
from ._http import ARROW, Connection
from ._lookup import Lookup
from ._snapshot import Snapshot
from ._tables import TableLike, bodies, to_bytes, to_table
from ._times import Instant, as_text
from ._token import Token
from ._values import json_values

#: Seconds that a lookup may take, unless the call says otherwise.
LOOKUP_SECONDS = 10.0
#: Where a server is that nobody names.
_URL = "http://127.0.0.1:7070"
#: What a server takes of a push in one body.
_PUSH_BYTES = 16 << 20
_PUSH_ROWS = 250_000
_YAML = {"Content-Type": "application/yaml"}


def connect(url: str | None = None, token: "str | Token | None" = None, *, timeout: float = 600.0, retries: int = 3) -> "Client":
    """A client of the server at ``url``.

    Args:
        url: without it the environment's ``FIRN_URL``, or ``http://127.0.0.1:7070``.
        token: a text that is sent as a bearer token, where the server asks for one; without it the environment's ``FIRN_TOKEN``. An empty one is none.
        timeout: seconds that an answer may take; snapshots of millions of rows take some. Each call may have its own; a lookup's is 10 without one.
        retries: how often a request is made again that the server puts off, or that a lost connection leaves unanswered; within its time, and never where
            it might be done twice. A push has a key of its own, so that it isn't.
    """
    token = Token.of(os.environ.get("FIRN_TOKEN") if token is None else token)
    return Client(url or os.environ.get("FIRN_URL") or _URL, token, timeout=timeout, retries=retries)


def _reading(set: str, timestamp: str, hindsight: bool, known_by: Instant | None, at: "str | Snapshot | None") -> dict[str, str]:
    """What is read, and how, as parameters."""
    params = {"set": set, "timestamp": timestamp}
    if hindsight:
        params["hindsight"] = "true"
    if known_by is not None:
        params["known_by"] = str(as_text(known_by))
    if at is not None:
        params["at"] = at.id if isinstance(at, Snapshot) else at
    return params


@dataclass(frozen=True)
class Push:
    """What a push did. A lookup with ``min_offsets={source: last_offset}`` sees the rows, whichever server answers."""

    accepted: int
    duplicates: int
    last_offset: int


@dataclass(frozen=True)
class Import:
    """What an import did."""

    rows: int
    duplicates: int
    last_offset: int
    warnings: list[str]


class Client:
    """A Firn server. Safe to share between threads; ``close`` it, or use it in a ``with``."""

    def __init__(self, url: str, token: "str | Token | None" = None, *, timeout: float = 600.0, retries: int = 3) -> None:
        token = Token.of(token)
        self._http = Connection(url, token, timeout, retries)
        self.catalog = Catalog(self._http)

    def __repr__(self) -> str:
        return f"Client({self._http.url})"

    def __reduce__(self) -> str:
        raise FirnError("a client isn't copied or pickled, for it holds a connection and may hold a token: firn.connect makes another", code="invalid_request")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # Training

    def snapshot(
        self,
        set: str,
        spine: TableLike,
        *,
        name: str | None = None,
        timestamp: str = "event_timestamp",
        hindsight: bool = False,
        known_by: Instant | None = None,
        at: "str | Snapshot | None" = None,
        split: Mapping[str, float] | None = None,
        by: str | Sequence[str] | None = None,
        keep: bool = True,
        timeout: float | None = None,
    ) -> Snapshot:
        """A training set: the values of a set for each row of a spine, as they were known at the row's instant.

        Args:
            set: such as ``fraud.v1``, or a pointer such as ``fraud@production``.
            spine: the set's keys and request inputs, a column of instants, and any others, which pass through.
            timestamp: the column of instants.
            hindsight: reads what is known today at every instant.
            known_by: reads only rows known by then.
            at: a snapshot whose cuts are taken, so that no later row is read.
            split: names with shares that come to 1; adds a column ``split`` by a hash of the columns ``by``.
            keep: whether the server keeps the rows for others to fetch; without, they are computed again each time.
            timeout: seconds that the answer may take; without it the client's.
        """
        params: dict[str, Any] = {**_reading(set, timestamp, hindsight, known_by, at), "keep": str(keep).lower()}
        if name is not None:
            params["name"] = name
        if split is not None:
            params["split"] = ",".join(f"{part}={share!r}" for part, share in split.items())
            params["by"] = by if isinstance(by, str) or by is None else ",".join(by)
        table = to_table(spine)
        manifest = self._http.json(
            "POST", "/v1/snapshots", params=params, content=lambda: to_bytes(table), headers={"Content-Type": ARROW}, timeout=timeout, repeats=False
        )
        for warning in manifest.pop("warnings", []):
            warnings.warn(warning, FirnWarning, stacklevel=2)
        return Snapshot(self, manifest, getattr(spine, "index") if hasattr(spine, "iloc") else None)

    def compute(
        self,
        set: str,
        spine: TableLike,
        *,
        timestamp: str = "event_timestamp",
        hindsight: bool = False,
        known_by: Instant | None = None,
        at: "str | Snapshot | None" = None,
        timeout: float | None = None,
    ) -> "pa.Table":
        """The rows that ``snapshot`` with the same arguments has, without a record of them: nothing can be fetched or verified later.

        For what is computed often and never asked for again, such as a step of a pipeline. ``firn.to_pandas`` makes a frame of them.
        """
        params = {**_reading(set, timestamp, hindsight, known_by, at), "record": "false"}
        table = to_table(spine)
        rows, said = self._http.table_and_warnings(
            "POST", "/v1/snapshots", params=params, content=lambda: to_bytes(table), headers={"Content-Type": ARROW}, timeout=timeout
        )
        for warning in said:
            warnings.warn(warning, FirnWarning, stacklevel=2)
        return rows

    def fetch(self, id: str) -> Snapshot:
        """A snapshot by its id, or the newest of a name."""
        return Snapshot(self, self._http.json("GET", f"/v1/snapshots/{quote(id, safe='')}"))

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the newest first."""
        return [Snapshot(self, manifest) for manifest in self.catalog.snapshots()]

    def diff_snapshots(self, left: "str | Snapshot", right: "str | Snapshot") -> answers.SnapshotComparison:
        """What differs between two snapshots: settings, definitions, cuts, rows (by keys and instant), values."""
        names = [quote(one.id if isinstance(one, Snapshot) else one, safe="") for one in (left, right)]
        found: answers.SnapshotComparison = self._http.json("GET", f"/v1/snapshots/{names[0]}/diff/{names[1]}")
        return found

    # Serving

    def lookup(
        self,
        set: str | None = None,
        entities: Any = None,
        *,
        features: Sequence[str] | None = None,
        request: Any = None,
        as_of: Instant | None = None,
        min_offsets: Mapping[str, int] | None = None,
        cuts: bool = False,
        log: bool = False,
        timeout: float | None = None,
    ) -> Lookup:
        """The values of a set, or of some features, for some entities at this moment or a past one.

        Args:
            set: such as ``fraud.v1``, or a pointer such as ``fraud@production``.
            entities: for each key a list of values, or one value for all; or a DataFrame. Whole floats stand for integers, as pandas makes them.
            request: the request inputs, in the same way.
            as_of: a past instant; without one, now.
            min_offsets: offsets that the answer must have seen, by source.
            cuts: whether the answer says how far each source's log was read.
            log: whether the lookup is kept, so that it can be proven; the answer has its receipt.
            timeout: seconds that it may take in all; 10, or the client's where that is less.
        """
        body: dict[str, Any] = {"entities": json_values({} if entities is None else entities), "types": True}
        if set is not None:
            body["set"] = set
        if features is not None:
            body["features"] = list(features)
        if request is not None:
            body["request"] = json_values(request)
        if as_of is not None:
            body["as_of"] = as_text(as_of)
        if min_offsets:
            body["min_offsets"] = {source: int(offset) for source, offset in min_offsets.items()}
        if cuts:
            body["cuts"] = True
        if log:
            body["log"] = True
        answer = self._http.json("POST", "/v1/lookup", json=body, timeout=min(LOOKUP_SECONDS, self._http.timeout) if timeout is None else timeout)
        return Lookup(answer, body["entities"])

    def why(
        self,
        feature: str,
        entities: Any = None,
        *,
        request: Any = None,
        as_of: Instant | None = None,
        hindsight: bool = False,
        known_by: Instant | None = None,
        rows: int | None = None,
        timeout: float | None = None,
    ) -> answers.WhyAnswer:
        """A value of one entity taken apart: its aggregates with the rows that counted, the nearest that didn't, and why.

        Args:
            feature: a feature or label, such as ``spend_7d.v1``.
            entities: for each key its value.
            rows: how many rows of each sort are given per aggregate; 20 without it.
        """
        body: dict[str, Any] = {"feature": feature, "entities": json_values({} if entities is None else entities), "hindsight": hindsight}
        body.update({key: value for key, value in (("as_of", as_text(as_of)), ("known_by", as_text(known_by)), ("rows", rows)) if value is not None})
        if request is not None:
            body["request"] = json_values(request)
        found: answers.WhyAnswer = self._http.json("POST", "/v1/why", json=body, timeout=timeout)
        return found

    def diff(self, left: str, right: str, *, sample: int | None = None, as_of: Instant | None = None, timeout: float | None = None) -> answers.Comparison:
        """Two features or labels side by side, and how many values of a sample differ.

        Args:
            sample: how many values; 1,000 at most, and without it.
            as_of: compares all entities at one past instant; without it each as of its newest rows.
        """
        params = {"left": left, "right": right, "sample": sample, "as_of": as_text(as_of)}
        found: answers.Comparison = self._http.json("GET", "/v1/diff", params={key: value for key, value in params.items() if value is not None}, timeout=timeout)
        return found

    # What is decided

    def record_model(
        self,
        name: str,
        snapshots: "str | Snapshot | Sequence[str | Snapshot]",
        *,
        set: str | None = None,
        commit: str | None = None,
        run: str | None = None,
        metrics: Mapping[str, float] | None = None,
        artifacts: Sequence[str | Path] = (),
        description: str | None = None,
    ) -> answers.Model:
        """Records a trained model, once: the same again is the same, and another under its name is refused.

        Args:
            name: such as ``churn.v3``.
            snapshots: the training sets that it learned from.
            set: what it takes in; without it the first snapshot's.
            commit: of the code it was trained with.
            run: where the training run can be looked at.
            metrics: figures such as ``{"auc": 0.91}``.
            artifacts: its files, of which name, size and SHA-256 are kept.
        """
        ids = [snapshots] if isinstance(snapshots, (str, Snapshot)) else snapshots
        body: dict[str, Any] = {"name": name, "snapshots": [one.id if isinstance(one, Snapshot) else one for one in ids]}
        body.update({key: value for key, value in (("set", set), ("commit", commit), ("run", run), ("description", description)) if value is not None})
        if metrics:
            body["metrics"] = {key: float(value) for key, value in metrics.items()}
        if artifacts:
            body["artifacts"] = [_files.artifact(Path(path)) for path in artifacts]
        recorded: answers.Model = self._http.json("POST", "/v1/models", json=body)
        return recorded

    def point(self, name: str, target: str) -> answers.Pointer:
        """Moves a pointer such as ``fraud@production`` to a version of the set or model; ``model:churn.v3`` says which, where both have the name."""
        pointer: answers.Pointer = self._http.json("POST", "/v1/pointers", json={"name": name, "target": target})
        return pointer

    def deprecate(self, name: str, reason: str, *, successor: str | None = None) -> None:
        """Says of a feature, label, set or model that it is on its way out: whoever uses it is told."""
        self._http.json("POST", "/v1/stages", json={"name": name, "stage": "deprecated", "reason": reason, "successor": successor}, repeats=False)

    def retire(self, name: str, reason: str, *, force: bool = False) -> None:
        """Ends the life of a feature, label, set or model: nothing new is made of it. Refused while it is in use, unless forced."""
        self._http.json("POST", "/v1/stages", json={"name": name, "stage": "retired", "reason": reason, "force": force}, repeats=False)

    # Rows in

    def push(self, source: str, rows: TableLike, *, idempotency_key: str | None = None, timeout: float | None = None) -> Push:
        """Appends rows to a source, all or none; they are known from their commit on.

        More than a server takes at once (16 MiB, 250,000 rows) goes in parts, one after the other: each is taken whole or not at all, and where one is refused the
        error says which rows are in.

        Args:
            idempotency_key: the same key with the same rows gives the first answer again, for seven days. Without one the client makes one, so that
                a push that it sends again counts once.
            timeout: seconds that each part may take; without it the client's.
        """
        if isinstance(rows, Iterator) and not hasattr(rows, "__arrow_c_stream__"):
            rows = list(rows)
        key = uuid.uuid4().hex if idempotency_key is None else idempotency_key
        path, done = f"/v1/sources/{quote(source, safe='')}/rows", Push(0, 0, 0)
        first = 1
        for part, (count, body) in enumerate(bodies(to_table(rows), _PUSH_BYTES, _PUSH_ROWS), 1):
            headers = {"Content-Type": ARROW, "Idempotency-Key": key if part == 1 else _part(key, part)}
            try:
                answer = self._http.json("POST", path, content=body(), headers=headers, timeout=timeout)
            except FirnError as error:
                message = str(error) + _first_with(rows, str(error))
                if part > 1:
                    message += f" (this part begins with row {first}; rows before it are in: push the others alone, or all again with idempotency_key='{key}')"
                raise FirnError(message, code=error.code, status=error.status) from error
            done = Push(done.accepted + answer["accepted"], done.duplicates + answer["duplicates"], answer["last_offset"])
            first += count
        return done

    def import_file(
        self,
        source: str,
        path: str | Path,
        *,
        known_now: bool = False,
        again: bool = False,
        ignore_extra: bool = False,
        null: str | None = None,
        epoch: Literal["s", "ms", "us"] | None = None,
        delimiter: str | None = None,
        columns: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Import:
        """Takes a file's history into a source, all rows or none: Parquet, Arrow (``.arrow``, ``.arrows``, ``.feather``), CSV or NDJSON (also ``.gz``, ``.zst``).

        Args:
            known_now: rows are known from now on, as if they were pushed.
            again: takes a file that was imported before.
            ignore_extra: passes over columns that the source doesn't declare.
            null: one more word that means NULL in CSV, such as ``NA``.
            epoch: the unit of times that are integers since 1970.
            delimiter: what stands between the fields of CSV, where it is no comma.
            columns: names in the file by the source's names, where they differ.
        """
        path = Path(path)
        params: dict[str, Any] = {"file": path.name}
        for flag, value in (("known_now", known_now), ("again", again), ("ignore_extra", ignore_extra)):
            if value:
                params[flag] = "true"
        if null is not None:
            params["null"] = null
        if epoch is not None:
            params["epoch"] = epoch
        if delimiter is not None:
            params["delimiter"] = delimiter
        if (text := _files.text_kind(path)) is not None:
            if columns:
                raise FirnError("columns are renamed in Parquet and Arrow files only", code="invalid_request")
            content, kind = _files.text_bytes(path), text
        else:
            # What isn't declared may be of any type, and needn't travel.
            declared = {*self.catalog.get("sources", source)["columns"], "firn_known_at"} if ignore_extra else None
            content, kind = _files.arrow_bytes(path, {theirs: ours for ours, theirs in (columns or {}).items()}, declared), ARROW
        answer = self._http.json(
            "POST", f"/v1/sources/{quote(source, safe='')}/import", params=params, content=content, headers={"Content-Type": kind}, timeout=timeout, repeats=False
        )
        for warning in answer["warnings"]:
            warnings.warn(warning, FirnWarning, stacklevel=2)
        return Import(answer["rows"], answer["duplicates"], answer["last_offset"], answer["warnings"])

    # Definitions

    def plan(self, definitions: Definitions) -> answers.RegistrationPlan:
        """What ``apply`` would register.

        Args:
            definitions: YAML text, the path of a file or of a directory (of which all ``.yaml`` and ``.yml`` below are read), or several of these.
        """
        plan: answers.RegistrationPlan = self._http.json("POST", "/v1/definitions/plan", content=_definitions.document(definitions).encode(), headers=_YAML)
        return plan

    def apply(self, definitions: Definitions) -> answers.RegistrationPlan:
        """Registers definitions, given as for ``plan``: all of them or nothing."""
        applied: answers.RegistrationPlan = self._http.json("POST", "/v1/definitions/apply", content=_definitions.document(definitions).encode(), headers=_YAML)
        return applied

    # What is held against what was

    def drift(
        self,
        snapshot: "str | Snapshot",
        other: "str | Snapshot | None" = None,
        *,
        set: str | None = None,
        since: Instant | None = None,
        max_psi: float = 0.2,
        max_ks: float = 0.2,
        timeout: float | None = None,
    ) -> answers.Drift:
        """How far the values of two snapshots are apart, feature by feature; without another, of a snapshot and the lookups that are kept.

        Args:
            set: the set or pointer that is served, where it isn't the snapshot's.
            since: lookups from then on; without it of the last day.
            max_psi, max_ks: the bounds; features with so few rows that chance alone may be beyond one are ``too_few``, and pass.
        """
        names = [one.id if isinstance(one, Snapshot) else one for one in (snapshot, other)]
        params = {"other": names[1], "live": None if names[1] is not None else "true", "set": set, "since": as_text(since), "max_psi": max_psi, "max_ks": max_ks}
        given = {key: value for key, value in params.items() if value is not None}
        found: answers.Drift = self._http.json("GET", f"/v1/snapshots/{quote(str(names[0]), safe='')}/drift", params=given, timeout=timeout)
        return found

    def verify_lookups(self, *, since: Instant | None = None, receipt: str | None = None, timeout: float | None = None) -> answers.ReplayedLookups:
        """Computes lookups that are kept again, as training rows at their cuts, and compares every bit: of all, of those since an instant, or of one receipt."""
        params = {key: value for key, value in (("since", as_text(since)), ("receipt", receipt)) if value is not None}
        found: answers.ReplayedLookups = self._http.json("POST", "/v1/lookups/verify", params=params, timeout=timeout)
        return found



def _part(key: str, part: int) -> str:
    """The key of a later part of a push; keys have at most 255 bytes."""
    made = f"{key}/{part}"
    return made if len(made.encode()) <= 255 else hashlib.sha256(made.encode()).hexdigest()


def _first_with(rows: Any, message: str) -> str:
    """Of rows that are dicts, which one has an undeclared column first."""
    found = re.search(r"column '(.+?)': is not declared", message)
    if found is None or not isinstance(rows, Sequence):
        return ""
    row = next((place for place, row in enumerate(rows, 1) if isinstance(row, Mapping) and any(str(name)[:63] == found[1] for name in row)), None)
    return "" if row is None else f"; row {row} has it first"
