"""The client: one object for each server."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import httpx
import pyarrow as pa

from ._errors import FirnError, FirnWarning
from ._tables import BATCH_ROWS, TableLike, batches_to_bytes, plain_columns, to_bytes, to_table

ARROW = "application/vnd.apache.arrow.stream"
Instant = datetime | str


def connect(url: str = "http://127.0.0.1:7070", token: str | None = None, *, timeout: float = 600.0) -> "Client":
    """A client of the server at ``url``.

    Args:
        token: sent as a bearer token, where the server asks for one.
        timeout: seconds that an answer may take; snapshots of millions of rows take some.
    """
    return Client(url, token, timeout=timeout)


def _text(instant: Instant | None) -> str | None:
    """A time as Firn reads it; without a zone it is UTC."""
    if isinstance(instant, datetime):
        aware = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        return aware.astimezone(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return instant


def _reading(set: str, timestamp: str, hindsight: bool, known_by: Instant | None, at: "str | Snapshot | None") -> dict[str, str]:
    """What is read, and how, as parameters."""
    params = {"set": set, "timestamp": timestamp}
    if hindsight:
        params["hindsight"] = "true"
    if known_by is not None:
        params["known_by"] = str(_text(known_by))
    if at is not None:
        params["at"] = at.id if isinstance(at, Snapshot) else at
    return params


def _json(value: Any) -> Any:
    """A value as JSON has it: NaN, the infinities and times as texts, NumPy's scalars as Python's."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return _text(value)
    return value


def _values(values: Any) -> dict[str, Any]:
    """Columns of any library, or single values, as JSON has them. What a table of pandas holds as NaN is NULL, as in a spine."""
    if not isinstance(values, Mapping):
        table = to_table(values)
        values = {name: table[name].to_pylist() for name in table.column_names}
    return {name: _column(value) for name, value in values.items()}


def _column(value: Any) -> Any:
    if hasattr(value, "iloc"):  # pandas
        value = pa.Array.from_pandas(value).to_pylist()
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow, Polars, NumPy
        if hasattr(value, method):
            value = getattr(value, method)()
    return [_json(one) for one in value] if isinstance(value, (list, tuple, range)) else _json(value)


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


@dataclass(frozen=True)
class Verification:
    """Whether a snapshot, computed again, is what it was; else what differs first."""

    identical: bool
    faults: list[str]


_TYPES = {"bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64(), "string": pa.string(), "timestamp": pa.timestamp("us", "UTC")}


def _typed(value: Any, kind: str) -> Any:
    """A value of an answer as Python has it."""
    if value is None:
        return None
    if kind == "float64":
        return float(value)
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if kind == "timestamp" else value


class Lookup:
    """The values of the entities asked for, in their order.

    Attributes:
        features: names of the values, in their order.
        rows: for each entity its values.
        statuses: for each value ``present``, ``null`` or ``not_found``.
        as_of: the instant of all values.
        cuts: how far each source's log was read, where it was asked for.
        warnings: what of the set is deprecated or retired.
        receipt: under what the lookup log keeps it, where it was asked for.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.features: list[str] = answer["features"]
        types = answer["types"]
        self.rows: list[list[Any]] = [[_typed(value, kind) for value, kind in zip(row["values"], types)] for row in answer["rows"]]
        self._types = dict(zip(self.features, types))
        self.statuses: list[list[str]] = [row["statuses"] for row in answer["rows"]]
        self.as_of: str = answer["as_of"]
        self.cuts: dict[str, int] | None = answer.get("cuts")
        self.warnings: list[str] = answer.get("warnings", [])
        self.receipt: str | None = answer.get("receipt")

    def to_pylist(self) -> list[dict[str, Any]]:
        """A dict for each entity."""
        return [dict(zip(self.features, row)) for row in self.rows]

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each entity, of the types that a snapshot's has."""
        return self.to_arrow().to_pandas()

    def to_arrow(self) -> "pa.Table":
        """A table with a row for each entity."""
        columns = [[row[index] for row in self.rows] for index in range(len(self.features))]
        return pa.table([pa.array(column, _TYPES[kind]) for column, kind in zip(columns, self._types.values())], names=self.features)


class Snapshot:
    """A training set: a manifest, and rows that come when they are asked for.

    Attributes:
        id: names it for ever.
        manifest: set, definitions, cuts, mode and digests, as the server keeps them.
    """

    def __init__(self, client: "Client", manifest: Mapping[str, Any]) -> None:
        self._client = client
        self._table: pa.Table | None = None
        self.manifest: dict[str, Any] = dict(manifest)
        self.id: str = manifest["id"]

    def __repr__(self) -> str:
        return f"Snapshot({self.id}, {self.manifest['set']}, {self.manifest['rows']} rows)"

    @property
    def digest(self) -> str:
        """SHA-256 of keys, instants, request inputs, features and labels, whatever the format."""
        return str(self.manifest["digest"])

    @property
    def features(self) -> list[str]:
        """The names of the feature columns, in their order."""
        return [output["name"] for output in self.manifest["outputs"] if output["kind"] == "feature"]

    @property
    def labels(self) -> list[str]:
        """The names of the label columns, in their order."""
        return [output["name"] for output in self.manifest["outputs"] if output["kind"] == "label"]

    def to_arrow(self) -> "pa.Table":
        """The spine's columns as they were, then the set's; fetched once."""
        if self._table is None:
            self._table = self._client._table(f"/v1/snapshots/{self.id}/data")
        return self._table

    def to_pandas(self) -> Any:
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        import polars

        return polars.from_arrow(self.to_arrow())

    def verify(self) -> Verification:
        """Has the server compute it again and compare."""
        answer = self._client._json("POST", f"/v1/snapshots/{self.id}/verify")
        return Verification(answer["identical"], answer["faults"])


class Catalog:
    """Everything registered. Each list holds dicts as ``GET /v1/…`` gives them."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def _list(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client._json("GET", f"/v1/{kind}")
        return found

    def entities(self) -> list[dict[str, Any]]:
        return self._list("entities")

    def sources(self) -> list[dict[str, Any]]:
        return self._list("sources")

    def features(self) -> list[dict[str, Any]]:
        return self._list("features")

    def labels(self) -> list[dict[str, Any]]:
        return self._list("labels")

    def sets(self) -> list[dict[str, Any]]:
        return self._list("sets")

    def snapshots(self) -> list[dict[str, Any]]:
        return self._list("snapshots")

    def models(self) -> list[dict[str, Any]]:
        return self._list("models")

    def pointers(self, as_of: Instant | None = None) -> list[dict[str, Any]]:
        """Where each pointer points, or pointed then."""
        found: list[dict[str, Any]] = self._client._json("GET", "/v1/pointers", params={} if as_of is None else {"as_of": _text(as_of)})
        return found

    def lineage(self, name: str, *, direction: Literal["up", "down"] | None = None, as_of: Instant | None = None) -> dict[str, Any]:
        """What a column, source, feature, set, snapshot, model, pointer or receipt is made of, and what is made of it: nodes and edges.

        Args:
            direction: ``up`` for what it is made of alone, ``down`` for what is made of it.
            as_of: as it was then.
        """
        params = {"direction": direction, "as_of": _text(as_of)}
        found: dict[str, Any] = self._client._json("GET", f"/v1/lineage/{quote(name, safe='')}", params={key: value for key, value in params.items() if value})
        return found

    def ledger(self, subject: str | None = None, *, kind: str | None = None, before: int | None = None, count: int = 100) -> list[dict[str, Any]]:
        """What was registered, loaded and governed, the newest first: of one subject, such as ``spend_7d.v1``, or one kind, such as ``point``."""
        params = {"subject": subject, "kind": kind, "before": before, "count": count}
        found: list[dict[str, Any]] = self._client._json("GET", "/v1/ledger", params={key: value for key, value in params.items() if value is not None})
        return found

    def get(self, kind: Literal["entities", "sources", "features", "labels", "sets", "snapshots", "models", "pointers"], name: str) -> dict[str, Any]:
        """One by its name, such as ``get("features", "spend_7d.v1")``."""
        found: dict[str, Any] = self._client._json("GET", f"/v1/{kind}/{quote(name, safe='')}")
        return found

    def search(self, text: str) -> list[dict[str, Any]]:
        """Whatever has the text in its name, notes, columns or expression."""
        found: list[dict[str, Any]] = self._client._json("GET", "/v1/search", params={"q": text})
        return found


class Client:
    """A Firn server. Safe to share between threads; ``close`` it, or use it in a ``with``."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 600.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout)
        self.catalog = Catalog(self)

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
        """
        params: dict[str, Any] = {**_reading(set, timestamp, hindsight, known_by, at), "keep": str(keep).lower()}
        if name is not None:
            params["name"] = name
        if split is not None:
            params["split"] = ",".join(f"{part}={share!r}" for part, share in split.items())
            params["by"] = by if isinstance(by, str) or by is None else ",".join(by)
        manifest = self._json("POST", "/v1/snapshots", params=params, content=to_bytes(to_table(spine)), headers={"Content-Type": ARROW})
        for warning in manifest.pop("warnings", []):
            warnings.warn(warning, FirnWarning, stacklevel=2)
        return Snapshot(self, manifest)

    def compute(
        self,
        set: str,
        spine: TableLike,
        *,
        timestamp: str = "event_timestamp",
        hindsight: bool = False,
        known_by: Instant | None = None,
        at: "str | Snapshot | None" = None,
    ) -> "pa.Table":
        """The rows that ``snapshot`` with the same arguments has, without a record of them: nothing can be fetched or verified later.

        For what is computed often and never asked for again, such as a step of a pipeline.
        """
        params = {**_reading(set, timestamp, hindsight, known_by, at), "record": "false"}
        return self._table("/v1/snapshots", method="POST", params=params, content=to_bytes(to_table(spine)), headers={"Content-Type": ARROW})

    def fetch(self, id: str) -> Snapshot:
        """A snapshot by its id, or the newest of a name."""
        return Snapshot(self, self._json("GET", f"/v1/snapshots/{quote(id, safe='')}"))

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
    ) -> Lookup:
        """The values of a set, or of some features, for some entities at this moment or a past one.

        Args:
            set: such as ``fraud.v1``, or a pointer such as ``fraud@production``.
            entities: for each key a list of values, or one value for all; or a DataFrame.
            request: the request inputs, in the same way.
            as_of: a past instant; without one, now.
            min_offsets: offsets that the answer must have seen, by source.
            cuts: whether the answer says how far each source's log was read.
            log: whether the lookup is kept, so that it can be proven; the answer has its receipt.
        """
        body: dict[str, Any] = {"entities": _values({} if entities is None else entities), "types": True}
        if set is not None:
            body["set"] = set
        if features is not None:
            body["features"] = list(features)
        if request is not None:
            body["request"] = _values(request)
        if as_of is not None:
            body["as_of"] = _text(as_of)
        if min_offsets:
            body["min_offsets"] = dict(min_offsets)
        if cuts:
            body["cuts"] = True
        if log:
            body["log"] = True
        return Lookup(self._json("POST", "/v1/lookup", json=body))

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
    ) -> dict[str, Any]:
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
            body["artifacts"] = [_artifact(Path(path)) for path in artifacts]
        recorded: dict[str, Any] = self._json("POST", "/v1/models", json=body)
        return recorded

    def point(self, name: str, target: str) -> dict[str, Any]:
        """Moves a pointer such as ``fraud@production`` to a version of the set or model; ``model:churn.v3`` says which, where both have the name."""
        pointer: dict[str, Any] = self._json("POST", "/v1/pointers", json={"name": name, "target": target})
        return pointer

    def deprecate(self, name: str, reason: str, *, successor: str | None = None) -> None:
        """Says of a feature, label, set or model that it is on its way out: whoever uses it is told."""
        self._json("POST", "/v1/stages", json={"name": name, "stage": "deprecated", "reason": reason, "successor": successor})

    def retire(self, name: str, reason: str, *, force: bool = False) -> None:
        """Ends the life of a feature, label, set or model: nothing new is made of it. Refused while it is in use, unless forced."""
        self._json("POST", "/v1/stages", json={"name": name, "stage": "retired", "reason": reason, "force": force})

    # Rows in

    def push(self, source: str, rows: TableLike, *, idempotency_key: str | None = None) -> Push:
        """Appends rows to a source, all or none; they are known from their commit on.

        Args:
            idempotency_key: the same key with the same rows gives the first answer again, for seven days.
        """
        headers = {"Content-Type": ARROW}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        body = b"".join(to_bytes(to_table(rows)))
        answer = self._json("POST", f"/v1/sources/{quote(source, safe='')}/rows", content=body, headers=headers)
        return Push(answer["accepted"], answer["duplicates"], answer["last_offset"])

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
        columns: Mapping[str, str] | None = None,
    ) -> Import:
        """Takes a file's history into a source, all rows or none: Parquet, Arrow (``.arrow``, ``.arrows``) or CSV (also ``.gz``, ``.zst``).

        Args:
            known_now: rows are known from now on, as if they were pushed.
            again: takes a file that was imported before.
            ignore_extra: passes over columns that the source doesn't declare.
            null: one more word that means NULL in CSV, such as ``NA``.
            epoch: the unit of times that are integers since 1970.
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
        if path.name.endswith((".csv", ".csv.gz", ".csv.zst")):
            if columns:
                raise FirnError("columns are renamed in Parquet and Arrow files only", code="invalid_request")
            compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
            with pa.input_stream(str(path), compression=compression) as plain_text:
                return self._import(source, params, iter(lambda: plain_text.read(1 << 20), b""), "text/csv")
        try:
            schema, batches = _open(path)
        except pa.ArrowInvalid as error:
            raise FirnError(f"{path.name}: {error}", code="invalid_rows") from error
        names = {theirs: ours for ours, theirs in (columns or {}).items()}
        template = pa.table(plain_columns(schema.empty_table().rename_columns([names.get(field.name, field.name) for field in schema])))

        def renamed() -> Iterator["pa.RecordBatch"]:
            for batch in batches:
                table = pa.table(plain_columns(pa.Table.from_batches([batch]).rename_columns(template.column_names)))
                yield from table.to_batches()

        return self._import(source, params, batches_to_bytes(template.schema, renamed()), ARROW)

    def _import(self, source: str, params: Mapping[str, Any], content: Any, type: str) -> Import:
        answer = self._json("POST", f"/v1/sources/{quote(source, safe='')}/import", params=params, content=content, headers={"Content-Type": type})
        for warning in answer["warnings"]:
            warnings.warn(warning, FirnWarning, stacklevel=4)
        return Import(answer["rows"], answer["duplicates"], answer["last_offset"], answer["warnings"])

    # Definitions

    def plan(self, definitions: str) -> dict[str, Any]:
        """What ``apply`` would register of a YAML document."""
        plan: dict[str, Any] = self._json("POST", "/v1/definitions/plan", content=definitions.encode())
        return plan

    def apply(self, definitions: str) -> dict[str, Any]:
        """Registers a YAML document, all of it or nothing."""
        applied: dict[str, Any] = self._json("POST", "/v1/definitions/apply", content=definitions.encode())
        return applied

    # HTTP

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise FirnError(f"{self._http.base_url} doesn't answer: {error}", code="unreachable") from error
        if response.is_error:
            raise _refusal(response)
        return response.json()

    def _table(self, path: str, method: str = "GET", **arguments: Any) -> "pa.Table":
        try:
            with self._http.stream(method, path, **arguments) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                with pa.ipc.open_stream(pa.PythonFile(_Body(response.iter_bytes()), mode="r")) as reader:
                    return reader.read_all()
        except httpx.HTTPError as error:
            raise FirnError(f"{self._http.base_url} doesn't answer: {error}", code="unreachable") from error


def _artifact(path: Path) -> dict[str, Any]:
    """A file's name, size and digest."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return {"name": path.name, "digest": digest.hexdigest(), "bytes": size}


def _open(path: Path) -> tuple["pa.Schema", Iterator["pa.RecordBatch"]]:
    """A file's schema and its rows, batch by batch."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path)
        return file.schema_arrow, file.iter_batches(batch_size=BATCH_ROWS)
    if path.suffix in (".arrow", ".feather"):
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return reader.schema, (reader.get_batch(index) for index in range(reader.num_record_batches))
    if path.suffix == ".arrows":
        stream = pa.ipc.open_stream(pa.memory_map(str(path)))
        return stream.schema, iter(stream)
    raise FirnError(f"{path.name}: unknown kind of file (name it .parquet, .arrow, .arrows or .csv)", code="invalid_request")


def _refusal(response: httpx.Response) -> FirnError:
    try:
        problem = response.json()
        return FirnError(problem["detail"], code=problem["code"], status=response.status_code)
    except (ValueError, KeyError, TypeError):
        return FirnError(f"status {response.status_code} from {response.request.url.path}", status=response.status_code)


class _Body:
    """An answer's bytes as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        parts = [self._rest]
        held = len(self._rest)
        while count < 0 or held < count:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            held += len(piece)
        whole = b"".join(parts)
        end = len(whole) if count < 0 else count
        self._rest = whole[end:]
        return whole[:end]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
