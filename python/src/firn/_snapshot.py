"""Training sets that come back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._errors import FirnError
from ._tables import to_pandas

if TYPE_CHECKING:
    import pyarrow as pa

    from . import answers
    from ._client import Client


@dataclass(frozen=True)
class Verification:
    """Whether a snapshot, computed again, is what it was; else what differs first."""

    identical: bool
    faults: list[str]


class Snapshot:
    """A training set: a manifest, and rows that come when they are asked for.

    A pickle holds the manifest alone: no rows, no address, no token. What comes out of one says which snapshot it is, as ``at=`` and ``record_model`` ask for;
    ``store.fetch(snapshot.id)`` gives its rows.

    Attributes:
        id: names it for ever.
        manifest: set, definitions, cuts, mode and digests, as the server keeps them.
    """

    def __init__(self, client: "Client | None", manifest: Mapping[str, Any], index: Any = None) -> None:
        self._client = client
        self._table: pa.Table | None = None
        self._index = index
        self.manifest: dict[str, Any] = dict(manifest)
        self.id: str = manifest["id"]

    def __repr__(self) -> str:
        return f"Snapshot({self.id}, {self.manifest['set']}, {self.manifest['rows']} rows)"

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Snapshot) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return Snapshot, (None, self.manifest)

    def __copy__(self) -> "Snapshot":
        other = Snapshot(self._client, self.manifest, self._index)
        other._table = self._table
        return other

    def __deepcopy__(self, memo: Any) -> "Snapshot":
        other = copy.copy(self)
        other.manifest = copy.deepcopy(self.manifest, memo)
        return other

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

    @property
    def _store(self) -> "Client":
        if self._client is None:
            raise FirnError(f"{self.id} came without a connection, as pickles do: store.fetch('{self.id}') gives it with one", code="not_connected")
        return self._client

    def to_arrow(self) -> "pa.Table":
        """The spine's columns as they were, then the set's; fetched once."""
        if self._table is None:
            self._table = self._store._http.table("GET", f"/v1/snapshots/{self.id}/data")
        return self._table

    def to_pandas(self) -> Any:
        """The same as a DataFrame (see ``firn.to_pandas``), with the index of the frame that the snapshot was made of here."""
        frame = to_pandas(self.to_arrow())
        if self._index is not None:
            frame.index = self._index
        return frame

    def to_polars(self) -> Any:
        import polars

        return polars.from_arrow(self.to_arrow())

    def verify(self) -> Verification:
        """Has the server compute it again and compare."""
        answer = self._store._http.json("POST", f"/v1/snapshots/{self.id}/verify")
        return Verification(answer["identical"], answer["faults"])

    def diff(self, other: "str | Snapshot") -> answers.SnapshotComparison:
        """What differs from another: settings, definitions, cuts, rows (by keys and instant), values."""
        return self._store.diff_snapshots(self, other)
