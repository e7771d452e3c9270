"""Features as a step of a scikit-learn pipeline."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._client import Snapshot, connect


class FeatureTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns a spine into the features of a set.

    Pinned: the set is a version that never changes, and every row is read at the cuts of one snapshot, so the same spine gives the same
    features whenever the pipeline runs. Labels are left out. ``transform`` leaves no record in the store; nor does ``fit`` where ``at`` is given,
    as it should be for cross-validation, which fits often.

    Args:
        set: such as ``flights.v1``.
        at: the snapshot whose cuts are read, itself or its id or name; without it, ``fit`` records one of its spine and keeps to it.
        url: the server.
        token: a bearer token, where the server asks for one.
        timestamp: the spine's column of instants.

    Attributes:
        at_: the snapshot whose cuts are read.
        features_: the names of the columns that come out.
    """

    def __init__(self, set: str, *, at: str | Snapshot | None = None, url: str = "http://127.0.0.1:7070", token: str | None = None, timestamp: str = "event_timestamp") -> None:
        self.set = set
        self.at = at
        self.url = url
        self.token = token
        self.timestamp = timestamp

    def fit(self, X: Any, y: Any = None) -> "FeatureTransformer":
        with connect(self.url, self.token) as client:
            if isinstance(self.at, Snapshot):
                self.at_ = self.at.id
            elif self.at is not None:
                self.at_ = client.fetch(self.at).id
            else:
                self.at_ = client.snapshot(self.set, X, timestamp=self.timestamp, keep=False).id
            found = client.catalog.get("sets", self.set)
        self.features_ = [entry["output"] for entry in found["features"]]
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = numpy.asarray(X.columns, dtype=object)
        return self

    def transform(self, X: Any) -> pandas.DataFrame:
        check_is_fitted(self, "at_")
        with connect(self.url, self.token) as client:
            values = client.compute(self.set, X, timestamp=self.timestamp, at=self.at_).select(self.features_).to_pandas()
        if hasattr(X, "index"):
            values.index = X.index
        return values

    def get_feature_names_out(self, input_features: Any = None) -> "numpy.ndarray[Any, Any]":
        check_is_fitted(self, "features_")
        return numpy.asarray(self.features_, dtype=object)
