"""Features as a step of a scikit-learn pipeline."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._client import Client, connect
from ._snapshot import Snapshot
from ._tables import to_pandas, to_table
from ._token import Token

#: Entities that one lookup takes.
_ENTITIES = 10_000


class FeatureTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns a spine into the features of a set.

    Pinned: the set is a version that never changes, and every row is read at the cuts of one snapshot, so the same spine gives the same
    features whenever the pipeline runs. Labels are left out. ``transform`` leaves no record in the store; nor does ``fit`` where ``at`` is given,
    as it should be for cross-validation, which fits often.

    What is pinned never sees a row that comes later, which is right for training and wrong for serving. With ``at="now"`` ``fit`` and ``fit_transform`` are
    pinned, and ``transform``, and so ``predict``, reads what is known by now: each row at its instant, and where the spine has no column of instants by
    lookups at this moment. A pipeline that was fitted goes live with ``pipeline.set_params(featuretransformer__at="now")``.

    Numbers and booleans come as ``float64``, NaN for NULL, whatever rows are asked for: so scikit-learn computes with them, which can't take pandas' nullable
    types everywhere. An int64 column with numbers beyond 2^53 stays whole instead.

    Args:
        set: such as ``flights.v1``.
        at: the snapshot whose cuts are read, itself or its id or name; without it, ``fit`` records one of its spine and keeps to it. Or ``now``.
        url: the server; without it the environment's ``FIRN_URL``, as ``firn.connect`` does.
        token: a bearer token, where the server asks for one; without it the environment's ``FIRN_TOKEN``. It is no parameter that ``get_params``, a pipeline's
            text or its page show, and pickles don't hold it: where one is loaded, other processes of this machine too, the environment's is taken. Clones and
            copies keep it, and ``set_params`` takes another.
        timestamp: the spine's column of instants.

    Attributes:
        at_: the snapshot whose cuts were read by ``fit``.
        features_: the names of the columns that come out.
    """

    # Pickles of older versions have none.
    _token: Token | None = None

    def __init__(self, set: str, *, at: str | Snapshot | None = None, url: str | None = None, token: str | None = None, timestamp: str = "event_timestamp") -> None:
        self.set = set
        self.at = at
        self.url = url
        self.timestamp = timestamp
        self._token = Token.of(token)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return [name for name in super()._get_param_names() if name != "token"]

    def set_params(self, **params: Any) -> "FeatureTransformer":
        if "token" in params:
            self._token = Token.of(params.pop("token"))
        super().set_params(**params)
        return self

    def __sklearn_clone__(self) -> "FeatureTransformer":
        other: FeatureTransformer = super().__sklearn_clone__()
        other._token = self._token
        return other

    def fit(self, X: Any, y: Any = None) -> "FeatureTransformer":
        with self._connect() as client:
            if isinstance(self.at, Snapshot):
                self.at_ = self.at.id
            elif self.at is not None and not self._is_live:
                self.at_ = client.fetch(self.at).id
            else:
                self.at_ = client.snapshot(self.set, X, timestamp=self.timestamp, keep=False).id
            found = client.catalog.get("sets", self.set)
        self.features_ = [entry["output"] for entry in found["features"]]
        self.keys_, self.request_ = list(found["keys"]), list(found["request"])
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = numpy.asarray(X.columns, dtype=object)
        return self

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> Any:
        return self.fit(X, y)._features(X, self.at_)

    def transform(self, X: Any) -> pandas.DataFrame:
        check_is_fitted(self, "at_")
        return self._features(X, None if self._is_live else self.at_)

    def get_feature_names_out(self, input_features: Any = None) -> "numpy.ndarray[Any, Any]":
        check_is_fitted(self, "features_")
        return numpy.asarray(self.features_, dtype=object)

    @property
    def _is_live(self) -> bool:
        return isinstance(self.at, str) and self.at == "now"

    def _connect(self) -> Client:
        return connect(self.url, self._token)

    def _features(self, X: Any, at: str | None) -> pandas.DataFrame:
        with self._connect() as client:
            if at is None and self.timestamp not in X.columns:
                table = self._looked_up(client, to_table(X))
            else:
                table = client.compute(self.set, X, timestamp=self.timestamp, at=at).select(self.features_)
        values = to_pandas(pa.table({name: _number(column) for name, column in zip(table.column_names, table.columns)}))
        if hasattr(X, "index"):
            values.index = X.index
        return values

    def _looked_up(self, client: Client, spine: "pa.Table") -> "pa.Table":
        def answer(part: "pa.Table") -> "pa.Table":
            request = part.select(self.request_) if self.request_ else None
            return client.lookup(self.set, part.select(self.keys_), request=request).to_arrow().select(self.features_)

        return pa.concat_tables([answer(spine.slice(start, _ENTITIES)) for start in range(0, max(1, spine.num_rows), _ENTITIES)])


def _number(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Integers that a float64 holds, and booleans, as float64."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.float64())
    if pa.types.is_integer(kind):
        ends = pc.min_max(column)
        if not ends["min"].is_valid or -(2**53) <= ends["min"].as_py() <= ends["max"].as_py() <= 2**53:
            return column.cast(pa.float64())
    return column
