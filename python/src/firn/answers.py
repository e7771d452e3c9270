"""What the server answers, as types: written by scripts/python-answers from openapi.json.

They are plain dicts; a type checker knows their members.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, Union


ValueType = str
"""The type of a column, key, request input, feature or label: bool, int64, float64, string, timestamp, date, a decimal of so many digits, as in decimal(12,2), a list of one of these, as in list(string), or a vector of so many float32 components, as in vector(384)."""
Instant = str
"""RFC 3339 in UTC, to the microsecond; a fraction only where there is one, without zeros at its end. Years before 1 go on as 0000, -0001, …"""


class Stage(TypedDict):
    stage: Literal["deprecated", "retired"]
    reason: str
    successor: str | None
    """What to use instead."""
    at: Instant
    actor: str


Digest = str
"""SHA-256, in hexadecimal."""


class _LedgerEntry(TypedDict):
    entry: int
    at: Instant
    actor: str
    kind: str
    subject: str
    body: Any
    """What was recorded. In old entries of tokens `hash` is null, and `redacted` true."""
    hash: Digest


class LedgerEntry(_LedgerEntry, total=False):
    redacted: bool
    """The body lacks something that is nobody's to read; then `hash` isn't its."""


Fingerprint = str
"""SHA-256 of what a definition means, in hexadecimal."""


class _Entity(TypedDict):
    kind: Literal["entity"]
    name: str
    keys: dict[str, ValueType]
    """By key; none makes one series for all."""
    description: str | None
    owner: str | None
    tags: list[str]
    used_by: list[str]
    """What is made of it."""
    newest_rows: Instant | None
    """When rows came last into each of the sources that it reads; null where one got none yet, or it reads none."""
    stage: Stage | None
    """Null while it is active."""
    fingerprint: Fingerprint


class Entity(_Entity, total=False):
    """What features describe."""

    history: list[LedgerEntry]
    """What the ledger says of it, the newest first; where it is asked for by its name."""


class SourceRowsDelay(TypedDict):
    """From when rows happened until they were known, of a sample, in microseconds; null without rows, and of static sources."""

    median_us: int
    p95_us: int


class SourceRows(TypedDict):
    """Of one source: how large it is, and how late its rows were known. Lists leave it out."""

    loaded: int
    """Rows without dropped duplicates."""
    batches: int
    bytes: int
    """Of the table with its indexes."""
    delay: SourceRowsDelay | None
    """From when rows happened until they were known, of a sample, in microseconds; null without rows, and of static sources."""


class _Source(TypedDict):
    kind: Literal["source"]
    name: str
    columns: dict[str, ValueType]
    """By column."""
    event_time: str | None
    """The column that says when a row happened; null where the source is static."""
    id: list[str]
    """Columns that name the fact: a later row is a correction."""
    tombstone: str | None
    """A column that takes the fact back."""
    known_at: str
    """When rows are known, in words."""
    description: str | None
    owner: str | None
    tags: list[str]
    used_by: list[str]
    """What is made of it."""
    newest_rows: Instant | None
    """When rows came last into each of the sources that it reads; null where one got none yet, or it reads none."""
    stage: Stage | None
    """Null while it is active."""
    fingerprint: Fingerprint


class Source(_Source, total=False):
    """An append-only stream of rows."""

    rows: SourceRows
    """Of one source: how large it is, and how late its rows were known. Lists leave it out."""
    history: list[LedgerEntry]
    """What the ledger says of it, the newest first; where it is asked for by its name."""


FunctionKind = Literal["feature", "label"]
VersionedName = str
"""A feature, label or set with its version."""


class ColumnStatisticsTop(TypedDict):
    value: str
    count: int


class ColumnStatistics(TypedDict):
    rows: int
    nulls: int
    not_finite: int
    mean: float | None
    """Times are seconds since 1970."""
    deviation: float | None
    quantiles: list[float]
    """The 0th, 1st, … 100th percentile of a sample; empty where there are no numbers."""
    histogram: list[int]
    """Of the sample, in 20 parts of the same width."""
    top: list[ColumnStatisticsTop]
    """Texts, bools and whole numbers that come most often in the sample."""
    sampled: int


class FunctionStatistics(TypedDict):
    snapshot: str
    values: ColumnStatistics


class _Function(TypedDict):
    kind: FunctionKind
    name: str
    expression: str
    type: ValueType
    entity: str
    source: str | None
    join: dict[str, str]
    """By the entity's key: the source's column, where the names differ."""
    request: dict[str, ValueType]
    """By request input that it needs, itself or through what it refers to."""
    windows: list[str]
    """In words."""
    refers_to: list[VersionedName]
    description: str | None
    owner: str | None
    tags: list[str]
    used_by: list[str]
    """What is made of it."""
    newest_rows: Instant | None
    """When rows came last into each of the sources that it reads; null where one got none yet, or it reads none."""
    stage: Stage | None
    """Null while it is active."""
    fingerprint: Fingerprint


class Function(_Function, total=False):
    """A feature or label."""

    statistics: FunctionStatistics | None
    """What its values look like in the newest snapshot that has it; where it is asked for by its name."""
    history: list[LedgerEntry]
    """What the ledger says of it, the newest first; where it is asked for by its name."""


class SetOutput(TypedDict):
    output: str
    """The column's name."""
    function: VersionedName
    type: ValueType
    keys: dict[str, str]
    """By the function's key: the column that carries it."""


class _Set(TypedDict):
    kind: Literal["set"]
    name: str
    features: list[SetOutput]
    labels: list[SetOutput]
    keys: dict[str, ValueType]
    """By column that a spine or lookup brings."""
    request: dict[str, ValueType]
    """By request input."""
    description: str | None
    owner: str | None
    tags: list[str]
    fresh: str | None
    """Values from rows older than this are served as stale, such as 7d."""
    used_by: list[str]
    """What is made of it."""
    newest_rows: Instant | None
    """When rows came last into each of the sources that it reads; null where one got none yet, or it reads none."""
    stage: Stage | None
    """Null while it is active."""
    fingerprint: Fingerprint


class Set(_Set, total=False):
    """What a model takes in."""

    history: list[LedgerEntry]
    """What the ledger says of it, the newest first; where it is asked for by its name."""


CatalogEntry = Union[Entity, Source, Function, Set]
Mode = Literal["as_served", "hindsight"]
"""Whether rows count once they were known at the instant, or all that are known now do."""


class PlanGroupAggregate(TypedDict):
    id: str
    """a1, a2, …: what the outputs call it."""
    aggregate: str
    """As an expression has it."""
    window: str
    """The event times that it sees at an instant t."""
    used_by: list[str]
    """Outputs that read it."""
    state: Literal["constant", "window", "waiting", "history"]
    """What is kept of an entity: as much after a thousand rows as after one, the rows of the window, those too new for it, or more with every row there ever was."""
    reason: str | None
    """Of history: why."""


class PlanGroup(TypedDict):
    source: str
    keys: dict[str, str]
    """By the source's column: the spine's."""
    mode: Mode
    aggregates: list[PlanGroupAggregate]


class PlanOutput(TypedDict):
    name: str
    kind: FunctionKind
    type: ValueType
    expression: str
    """Over the aggregates."""
    grows_with_history: bool


class Plan(TypedDict):
    groups: list[PlanGroup]
    outputs: list[PlanOutput]


DefinitionKind = Literal["entity", "source", "feature", "label", "set"]


class RegistrationPlanStepDetail(TypedDict):
    reason: str
    advice: str


class RegistrationPlanStep(TypedDict):
    kind: DefinitionKind
    name: str
    change: Literal["new", "unchanged", "notes", "extended", "refused"]
    fingerprint: Fingerprint
    stage: str | None
    """Since when it is deprecated or retired, and why."""
    detail: list[str] | RegistrationPlanStepDetail | None
    """Of extended the columns that a source gains; of refused why, and what to do instead."""


class ComparisonPart(TypedDict):
    part: Literal["kind", "entity", "source", "join", "request", "type", "expression", "fingerprint"]
    left: str
    right: str
    same: bool


Float = Union[float, Literal["NaN", "Infinity", "-Infinity"]]
"""A number, or its name where JSON has none."""
Single = Union[bool, float, str, None]
"""A value that is no list and no vector."""
Value = Union[Single, list[Single]]
"""A value of one of the types. An int64 is a whole number, exact to its last digit; a float64 a number, or "NaN", "Infinity", "-Infinity"; a timestamp an Instant; a date a string such as "2024-05-08"; a decimal a string of its digits, such as "19.90"; a list an array of values and nulls, a vector an array of numbers. NULL is null."""


class ComparisonExample(TypedDict):
    keys: dict[str, Value]
    as_of: Instant
    left: Value
    right: Value


class Comparison(TypedDict):
    left: VersionedName
    right: VersionedName
    parts: list[ComparisonPart]
    sample: str | None
    """Where the sample comes from, in words; null where there is none."""
    obstacle: str | None
    """Why there is none, or nothing was compared."""
    rows: int
    """Values that were compared."""
    different: int
    """Those that differ."""
    null_in_left_alone: int
    """Of those."""
    null_in_right_alone: int
    """Of those."""
    null_in_both: int
    """Those that are the same since both are NULL: as many as rows says that the sample compares nothing."""
    median_difference: Float | None
    """Of those where both are numbers: how far they are apart."""
    greatest_difference: Float | None
    examples: list[ComparisonExample]
    """The first that differ."""


class RegistrationPlan(TypedDict):
    steps: list[RegistrationPlanStep]
    """One for each definition of the document."""
    unlisted: list[str]
    """What is registered and isn't in the document, as kind and name."""
    warnings: list[str]
    """What may not be meant."""
    comparisons: list[Comparison]
    """Of new versions with the ones before."""


Offset = int
"""How many rows of a source's log there are up to here."""
Cuts = dict[str, Offset]
"""By source: how far its log was read."""


class ManifestSpine(TypedDict):
    digest: Digest
    """Of the spine as it is kept."""
    timestamp: str
    """Its column of instants."""


class ManifestSplit(TypedDict):
    parts: dict[str, float]
    by: list[str]
    hash: Literal["split 1", "split 2"]
    """How values are hashed: in split 2 by value, in split 1, of older snapshots, by spelling."""


class ManifestOutput(TypedDict):
    name: str
    function: VersionedName
    kind: FunctionKind
    type: ValueType
    fingerprint: Fingerprint


class _Manifest(TypedDict):
    id: str
    name: str | None
    set: VersionedName
    fingerprint: Fingerprint
    mode: Mode
    known_by: Instant | None
    """Only what was known by then was read."""
    rows: int
    """Of the spine."""
    digest: Digest
    """Of keys, instants, request inputs, features and labels."""
    created_at: Instant
    actor: str
    """Who made it."""
    engine: str
    cuts: Cuts
    spine: ManifestSpine
    at: str | None
    """The snapshot whose cuts these are."""
    split: ManifestSplit | None
    outputs: list[ManifestOutput]


class Manifest(_Manifest, total=False):
    """The record of a training set: everything from which the same rows come back."""

    blocks: dict[str, str]
    """By output: the hashes of its blocks of 1,024 rows, one after the other. Not in lists."""
    statistics: dict[str, ColumnStatistics] | None
    """By output: what its values look like; null where that isn't kept any more. Not in lists."""
    warnings: list[str]
    """What of the set is deprecated, where anything is. With the answer to its making."""


class SnapshotComparisonOutput(TypedDict):
    name: str
    left: str | None
    right: str | None


class SnapshotComparisonCut(TypedDict):
    source: str
    left: Offset
    right: Offset


class SnapshotComparisonRows(TypedDict):
    common: int
    """In both spines."""
    only_left: int
    """In one alone."""
    only_right: int
    """In the other alone."""


class SnapshotComparisonValue(TypedDict):
    output: str
    rows: int
    """Common rows whose values differ."""
    first_row: int
    """The first of them in the left spine, from 1."""
    left: Value
    right: Value


class SnapshotComparison(TypedDict):
    left: str
    """An id."""
    right: str
    """An id."""
    same: bool
    settings: list[str]
    """What was asked differently, in words."""
    outputs: list[SnapshotComparisonOutput]
    """Those whose function isn't the same, or that one lacks."""
    cuts: list[SnapshotComparisonCut]
    rows: SnapshotComparisonRows
    values: list[SnapshotComparisonValue]


class ModelSnapshot(TypedDict):
    id: str
    digest: Digest


class Artifact(TypedDict):
    name: str
    digest: Digest
    bytes: int


class Model(TypedDict):
    name: VersionedName
    set: VersionedName
    fingerprint: Fingerprint
    snapshots: list[ModelSnapshot]
    commit: str | None
    run: str | None
    metrics: dict[str, float]
    artifacts: list[Artifact]
    description: str | None
    recorded_at: Instant
    actor: str


class _Pointer(TypedDict):
    name: str
    kind: Literal["set", "model"]
    target: VersionedName
    moved_at: Instant
    actor: str


class Pointer(_Pointer, total=False):
    moves: list[Pointer]
    """The newest first."""


class LineageNode(TypedDict):
    id: str
    kind: Literal["source", "column", "entity", "feature", "label", "set", "snapshot", "model", "pointer", "receipt", "receipts"]
    name: str
    text: str | None
    """What it says of itself: a feature its expression."""


LineageEdge = TypedDict("LineageEdge", {"from": str, "to": str})


class Lineage(TypedDict):
    roots: list[str]
    """The nodes that were asked for."""
    nodes: list[LineageNode]
    edges: list[LineageEdge]


class DriftOfFeature(TypedDict):
    name: str
    psi: float
    """Population stability index: 0 alike, beyond 0.2 much has moved."""
    ks: float | None
    """The greatest distance of the two distributions, of numbers."""
    redefined: bool
    """Whether the outputs are other functions."""
    beyond: bool
    """Whether it is beyond a bound."""
    too_few: bool
    """Whether there are so few rows that chance alone may be beyond a bound: then it passes."""
    left: ColumnStatistics
    right: ColumnStatistics


class Drift(TypedDict):
    left: str
    """A snapshot's id."""
    right: str
    """Another's, or which lookups."""
    passes: bool
    """Whether all features are within the bounds."""
    features: list[DriftOfFeature]
    alone: list[str]
    """Outputs that only one has."""


class ReplayedLookupsFirst(TypedDict):
    """The first that differs."""

    receipt: str
    what: str


class ReplayedLookups(TypedDict):
    lookups: int
    values: int
    differences: int
    first: ReplayedLookupsFirst | None
    """The first that differs."""


class ExplainedRow(TypedDict):
    event_time: Instant | None
    """Null where the source is static."""
    known_at: Instant | None
    """Null where it was never known."""
    offset: Offset
    """Its place in the source's log, from 1."""
    values: dict[str, Value]
    """By column, those that matter here."""
    verdict: Literal["counted", "null", "takes_back", "never_known", "not_yet_known", "known_after", "replaced", "taken_back", "tombstone", "other_entity", "too_old", "too_new", "filtered"]
    """null: it counts, and its value is passed over. takes_back: a tombstone that a plain latest sees. All after it: why it doesn't count."""
    reason: str
    """The same in words."""


class Explanation(TypedDict):
    """An aggregate with the rows that counted, and the nearest that didn't."""

    id: str
    """a1, a2, …: what the expression calls it."""
    aggregate: str
    """As an expression has it."""
    value: Value
    source: str
    keys: dict[str, Value]
    """By the source's column: the entity whose rows are read."""
    mode: Mode
    after: Instant | None
    """Event times after this count; null where all do."""
    up_to: Instant
    """Event times up to this count."""
    counted: int
    """How many rows counted, given or not."""
    rows: list[ExplainedRow]
    """Rows that counted: those that make a minimum or maximum, then the newest; of `earliest` the oldest."""
    missed: list[ExplainedRow]
    """The nearest that didn't."""


class WhyAnswer(TypedDict):
    feature: VersionedName
    inputs: dict[str, Value]
    """Keys and request inputs, as they were asked for."""
    as_of: Instant
    value: Value
    expression: str
    """What the value is computed from: an expression over a1, a2, …, the aggregates."""
    overrides: list[str]
    """What makes the value NULL whatever its aggregates are, in words."""
    aggregates: list[Explanation]
    cuts: Cuts
