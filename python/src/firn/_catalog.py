"""What is registered."""

from __future__ import annotations

from typing import Any, Literal, overload
from urllib.parse import quote

from . import answers
from ._http import Connection
from ._times import Instant, as_text


class Catalog:
    """Everything registered. Each list holds dicts as ``GET /v1/…`` gives them, typed in :mod:`firn.answers`."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def __repr__(self) -> str:
        return f"Catalog({self._http.url})"

    def _list(self, kind: str) -> Any:
        return self._http.json("GET", f"/v1/{kind}")

    def entities(self) -> list[answers.Entity]:
        found: list[answers.Entity] = self._list("entities")
        return found

    def sources(self) -> list[answers.Source]:
        found: list[answers.Source] = self._list("sources")
        return found

    def features(self) -> list[answers.Function]:
        found: list[answers.Function] = self._list("features")
        return found

    def labels(self) -> list[answers.Function]:
        found: list[answers.Function] = self._list("labels")
        return found

    def sets(self) -> list[answers.Set]:
        found: list[answers.Set] = self._list("sets")
        return found

    def snapshots(self) -> list[answers.Manifest]:
        found: list[answers.Manifest] = self._list("snapshots")
        return found

    def models(self) -> list[answers.Model]:
        found: list[answers.Model] = self._list("models")
        return found

    def pointers(self, as_of: Instant | None = None) -> list[answers.Pointer]:
        """Where each pointer points, or pointed then."""
        found: list[answers.Pointer] = self._http.json("GET", "/v1/pointers", params={} if as_of is None else {"as_of": as_text(as_of)})
        return found

    def lineage(self, name: str, *, direction: Literal["up", "down"] | None = None, as_of: Instant | None = None) -> answers.Lineage:
        """What a column, source, feature, set, snapshot, model, pointer or receipt is made of, and what is made of it: nodes and edges.

        Args:
            direction: ``up`` for what it is made of alone, ``down`` for what is made of it.
            as_of: as it was then.
        """
        params = {"direction": direction, "as_of": as_text(as_of)}
        found: answers.Lineage = self._http.json("GET", f"/v1/lineage/{quote(name, safe='')}", params={key: value for key, value in params.items() if value})
        return found

    def ledger(self, subject: str | None = None, *, kind: str | None = None, before: int | None = None, count: int = 100) -> list[answers.LedgerEntry]:
        """What was registered, loaded and governed, the newest first: of one subject, such as ``spend_7d.v1``, or one kind, such as ``point``."""
        params = {"subject": subject, "kind": kind, "before": before, "count": count}
        found: list[answers.LedgerEntry] = self._http.json("GET", "/v1/ledger", params={key: value for key, value in params.items() if value is not None})
        return found

    def ledger_head(self) -> answers.LedgerEntry:
        """The newest entry: its hash, written down elsewhere, proves all entries before it (``firn verify --expect``)."""
        found: answers.LedgerEntry = self._http.json("GET", "/v1/ledger/head")
        return found

    @overload
    def get(self, kind: Literal["entities"], name: str) -> answers.Entity: ...

    @overload
    def get(self, kind: Literal["sources"], name: str) -> answers.Source: ...

    @overload
    def get(self, kind: Literal["features", "labels"], name: str) -> answers.Function: ...

    @overload
    def get(self, kind: Literal["sets"], name: str) -> answers.Set: ...

    @overload
    def get(self, kind: Literal["snapshots"], name: str) -> answers.Manifest: ...

    @overload
    def get(self, kind: Literal["models"], name: str) -> answers.Model: ...

    @overload
    def get(self, kind: Literal["pointers"], name: str) -> answers.Pointer: ...

    def get(self, kind: str, name: str) -> Any:
        """One by its name, such as ``get("features", "spend_7d.v1")``."""
        return self._http.json("GET", f"/v1/{kind}/{quote(name, safe='')}")

    def search(self, text: str) -> list[answers.CatalogEntry]:
        """Whatever has the text in its name, notes, columns or expression."""
        found: list[answers.CatalogEntry] = self._http.json("GET", "/v1/search", params={"q": text})
        return found
