"""Snapshots in MLflow: which rows trained a model, for ever."""

from __future__ import annotations

import mlflow

from ._snapshot import Snapshot


def log_snapshot(snapshot: Snapshot, *, prefix: str = "firn") -> None:
    """Writes a snapshot's id, set and digest into the active run, and its manifest beside them.

    With the id, ``store.fetch(id)`` gives the same rows again and ``verify`` proves it.
    """
    mlflow.log_params({
        f"{prefix}.snapshot": snapshot.id,
        f"{prefix}.set": snapshot.manifest["set"],
        f"{prefix}.digest": snapshot.digest,
        f"{prefix}.rows": snapshot.manifest["rows"],
    })
    mlflow.log_dict(snapshot.manifest, f"{prefix}/{snapshot.id}.json")
