"""A token is sent to the server, and is nowhere else."""

from __future__ import annotations

import copy
import io
import os
import pickle
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

import firn
from firn.sklearn import FeatureTransformer

SECRET = "firn_very_secret"
DEFINITIONS = """
entities: {runner: {keys: {runner_id: int64}}}
sources: {laps: {columns: {runner_id: int64, seconds: float64, at: timestamp}, event_time: at}}
features: {laps.v1: {entity: runner, source: laps, expression: count(*)}}
sets: {runners.v1: {features: [laps.v1]}}
"""


@pytest.fixture(autouse=True)
def _nothing_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRN_TOKEN", raising=False)
    monkeypatch.delenv("FIRN_URL", raising=False)


@pytest.fixture(scope="module")
def guarded(binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server that asks for tokens, and one of an admin."""
    directory = tmp_path_factory.mktemp("guarded")
    environment = os.environ | {"FIRN_CACHE_DIR": str(directory / "cache")}
    subprocess.run([binary, "init"], cwd=directory, env=environment, check=True, capture_output=True)
    command = [binary, "token", "create", "python", "--role", "admin"]
    token = subprocess.run(command, cwd=directory, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    server = subprocess.Popen([binary, "serve", "--port", "0", "--require-tokens"], cwd=directory, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        with firn.connect(found.group(), token) as client:
            client.apply(DEFINITIONS)
            client.push("laps", [{"runner_id": 1, "seconds": 61.5, "at": "2024-01-01"}])
        yield found.group(), token
    finally:
        server.terminate()
        server.wait(30)
        subprocess.run([binary, "stop"], cwd=directory, check=False, capture_output=True)


def spine() -> pandas.DataFrame:
    return pandas.DataFrame({"runner_id": [1, 2], "event_timestamp": pandas.Timestamp("2999-01-01", tz="UTC")})


def said(pipeline: Any) -> dict[str, str]:
    """All that a pipeline says of itself, and its pickles."""
    packed = io.BytesIO()
    joblib.dump(pipeline, packed)
    steps = pipeline.estimator.steps if isinstance(pipeline, GridSearchCV) else pipeline.steps
    return {
        "repr": repr(pipeline), "str": str(pipeline), "page": pipeline._repr_html_(), "parameters": repr(pipeline.get_params()), "variables": repr([vars(step) for _, step in steps]),
        "pickles": " ".join(pickle.dumps(pipeline, protocol).decode("latin-1") for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        "joblib": packed.getvalue().decode("latin-1"), "a refusal": refusal(pipeline),
    }


def refusal(pipeline: Any) -> str:
    with pytest.raises(Exception) as refused:
        pipeline.set_params(nothing=1)
    return str(refused.value)


def test_a_pipeline_never_shows_its_token() -> None:
    pipeline = make_pipeline(FeatureTransformer("runners.v1", token=SECRET), HistGradientBoostingRegressor())
    for one in (pipeline, clone(pipeline), copy.deepcopy(pipeline), copy.copy(pipeline), GridSearchCV(pipeline, {"histgradientboostingregressor__max_iter": [2]})):
        for where, text in said(one).items():
            assert "very_secret" not in text, where
    assert "token" not in FeatureTransformer("runners.v1").get_params()


def test_a_client_never_shows_its_token() -> None:
    client = firn.connect("http://127.0.0.1:1", SECRET, retries=0)
    with pytest.raises(firn.FirnError) as refused:
        client.snapshots()
    # What a traceback that shows local variables has of each frame.
    frames, frame = [], refused.value.__traceback__
    while frame is not None:
        frames.append(frame.tb_frame.f_locals)
        frame = frame.tb_next
    shown = [repr([value for name, value in each.items() if name != "SECRET"]) for each in frames[1:]]
    assert len(shown) > 2 and not any("very_secret" in each for each in [*shown, repr(vars(client)), repr(vars(client._http)), repr(vars(client._http._http)), str(refused.value)])


@pytest.mark.parametrize("token", [SECRET + "\n", "firn_very_secret x", "firn_very_sècret"])
def test_what_cant_be_a_token_is_refused_without_it(url: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRN_TOKEN", token)
    for attempt in (lambda: firn.connect(url, token), lambda: firn.connect(url), lambda: FeatureTransformer("runners.v1", url=url, token=token)):
        with pytest.raises(firn.FirnError, match="the token isn't one that 'firn token create' printed") as refused:
            attempt()
        assert refused.value.code == "invalid_request" and "very_s" not in str(refused.value)


def test_address_and_token_come_from_the_environment(guarded: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    address, token = guarded
    monkeypatch.setenv("FIRN_URL", address)
    with firn.connect() as client, pytest.raises(firn.FirnError) as refused:
        client.catalog.sets()
    assert refused.value.status == 401
    monkeypatch.setenv("FIRN_TOKEN", token)
    with firn.connect() as client:
        assert client.lookup("runners.v1", {"runner_id": 1}).to_pylist()[0]["laps"] == 1
    assert FeatureTransformer("runners.v1").fit_transform(spine())["laps"].tolist() == [1, 0]
    # What is given is taken instead.
    for given in ("", "firn_of_nobody"):
        with firn.connect(token=given) as client, pytest.raises(firn.FirnError) as refused:
            client.catalog.sets()
        assert refused.value.status == 401
    with pytest.raises(firn.FirnError, match="http://127.0.0.1:1 doesn't answer"):
        firn.connect("http://127.0.0.1:1", retries=0).catalog.sets()


def test_copies_keep_the_token_and_pickles_take_the_environments(guarded: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address, token = guarded
    features = FeatureTransformer("runners.v1", url=address, token=token)
    pipeline = Pipeline([("features", features)])
    for one in (features, clone(features), copy.deepcopy(features), copy.copy(features), clone(pipeline), copy.deepcopy(pipeline)):
        assert one.fit_transform(spine())["laps"].tolist() == [1, 0]
    packed = pickle.dumps(pipeline.fit(spine()))
    assert token.encode() not in packed
    loaded = pickle.loads(packed)
    with pytest.raises(firn.FirnError) as refused:
        loaded.transform(spine())
    assert refused.value.status == 401
    loaded.set_params(features__token=token)
    assert loaded.transform(spine())["laps"].tolist() == [1, 0] and token not in repr(loaded) + repr(loaded.get_params())
    monkeypatch.setenv("FIRN_TOKEN", token)
    assert pickle.loads(packed).transform(spine())["laps"].tolist() == [1, 0]
