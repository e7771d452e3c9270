"""What is registered."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from ._http import Connection
from ._times import Instant, as_text


class Catalog:
    """Everything registered. Each list holds dicts as ``GET /v1/…`` gives them."""

    def __init__(self, http: Connection) -> None:
        self._http = http

    def __repr__(self) -> str:
        return f"Catalog({self._http.url})"

    def _list(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._http.json("GET", f"/v1/{kind}")
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
        found: list[dict[str, Any]] = self._http.json("GET", "/v1/pointers", params={} if as_of is None else {"as_of": as_text(as_of)})
        return found

    def lineage(self, name: str, *, direction: Literal["up", "down"] | None = None, as_of: Instant | None = None) -> dict[str, Any]:
        """What a column, source, feature, set, snapshot, model, pointer or receipt is made of, and what is made of it: nodes and edges.

        Args:
            direction: ``up`` for what it is made of alone, ``down`` for what is made of it.
            as_of: as it was then.
        """
        params = {"direction": direction, "as_of": as_text(as_of)}
        found: dict[str, Any] = self._http.json("GET", f"/v1/lineage/{quote(name, safe='')}", params={key: value for key, value in params.items() if value})
        return found

    def ledger(self, subject: str | None = None, *, kind: str | None = None, before: int | None = None, count: int = 100) -> list[dict[str, Any]]:
        """What was registered, loaded and governed, the newest first: of one subject, such as ``spend_7d.v1``, or one kind, such as ``point``."""
        params = {"subject": subject, "kind": kind, "before": before, "count": count}
        found: list[dict[str, Any]] = self._http.json("GET", "/v1/ledger", params={key: value for key, value in params.items() if value is not None})
        return found

    def get(self, kind: Literal["entities", "sources", "features", "labels", "sets", "snapshots", "models", "pointers"], name: str) -> dict[str, Any]:
        """One by its name, such as ``get("features", "spend_7d.v1")``."""
        found: dict[str, Any] = self._http.json("GET", f"/v1/{kind}/{quote(name, safe='')}")
        return found

    def search(self, text: str) -> list[dict[str, Any]]:
        """Whatever has the text in its name, notes, columns or expression."""
        found: list[dict[str, Any]] = self._http.json("GET", "/v1/search", params={"q": text})
        return found
