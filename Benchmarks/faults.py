"""Kills, stops and fills servers and databases under pushes and lookups, and counts what was lost, doubled, wrong or late: Benchmarks/run faults.

Everything that was answered is held against a naive twin: for each lookup, its aggregates over the rows that its cuts and its instant let count, as the
database has them in the end.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy
import pyarrow
from serving import Client, Server, Store, free_port, need, title

COLUMNS = "{pusher: int64, push: int64, place: int64, fact: int64, entity: int64, amount: float64, note: string, at: timestamp}"
SOURCES, ENTITIES, WINDOW = ("plain", "facts"), 40, 20
OUTPUTS = [f"{source}_{what}" for source in SOURCES for what in ("count", "sum", "newest", "all")]
DEFINITIONS = (
    f"""
entities: {{thing: {{keys: {{entity: int64}}}}}}
sources:
  plain: {{columns: {COLUMNS}, event_time: at}}
  facts: {{columns: {COLUMNS}, event_time: at, id: [fact]}}
features:
"""
    + "".join(
        f"  {source}_{what}.v1: {{entity: thing, source: {source}, expression: {expression}}}\n"
        for source in SOURCES
        for what, expression in (("count", f"count(*) over last_{WINDOW}s"), ("sum", f"sum(amount) over last_{WINDOW}s"), ("newest", "latest(amount)"), ("all", "count(*)"))
    )
    + f"sets:\n  twin.v1: {{features: [{', '.join(f'{output}.v1' for output in OUTPUTS)}]}}\n"
)
# Within how many seconds each kind of request has to be answered whatever happens: the server's --deadline, which is 30, and /readyz at once; two more where everything
# shares two cores.
DEADLINES = {"lookup": 32.0, "push": 32.0, "ready": 3.0, "body": 32.0}
# Longer than any of them.
PATIENCE = 60
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def micros(text: str) -> int:
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)


@dataclass
class Push:
    pusher: int
    push: int
    source: str
    rows: int
    # acknowledged, refused (nothing of it may be there), or unknown (all of it or nothing).
    outcome: str = ""
    last_offset: int = 0
    attempts: int = 0


@dataclass
class Asked:
    entities: list[int]
    kind: str
    # How far each source's log was acknowledged when it was sent.
    floor: dict[str, int]
    answer: dict = field(default_factory=dict)


class Run:
    """What all threads share."""

    def __init__(self, port: int, server: Server) -> None:
        self.port = port
        self.server = server
        self.lock = threading.Lock()
        self.ends = threading.Event()
        self.pushes: list[Push] = []
        self.asked: list[list[Asked]] = []
        self.acknowledged = dict.fromkeys(SOURCES, 0)
        # The longest that a thread rests between two requests.
        self.rest = 0.02
        # Status and code of what wasn't answered with 200, by what was asked.
        self.refusals: Counter[str] = Counter()
        # How many pushes and lookups were answered in each second.
        self.seconds: dict[str, Counter[int]] = {"pushes": Counter(), "lookups": Counter()}
        self.began = time.monotonic()
        # What the threads themselves stumbled over.
        self.faults: list[str] = []
        # What happens right now.
        self.event = "nothing"
        self.is_quiet = False
        # By kind of request: the longest that one took, and meanwhile; those beyond their deadline.
        self.slowest: dict[str, tuple[float, str]] = {}
        self.late: list[str] = []
        # What /readyz said, by what happened.
        self.ready: dict[str, Counter[str]] = defaultdict(Counter)

    def took(self, kind: str, seconds: float, event: str, answer: str) -> None:
        with self.lock:
            if seconds > self.slowest.get(kind, (0.0, ""))[0]:
                self.slowest[kind] = (seconds, event)
            if seconds > DEADLINES[kind]:
                self.late.append(f"a {kind} took {seconds:.1f} s while {event}: {answer}")

    def count(self, what: str) -> None:
        self.seconds[what][int(time.monotonic() - self.began)] += 1

    def refused(self, what: str, status: int, body: bytes) -> str:
        try:
            code = str(json.loads(body)["code"])
        except (ValueError, KeyError):
            code = body[:60].decode(errors="replace")
        with self.lock:
            self.refusals[f"{what}: {status} {code}"] += 1
        return code


class Connection:
    """A connection that is opened again when it was lost."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.client: Client | None = None

    def ask(self, kind: str, request: bytes) -> tuple[int, bytes] | None:
        """Nil where no answer came: the server is gone, or was when it should have answered."""
        event, began, answer = self.run.event, time.monotonic(), None
        try:
            self.client = self.client or Client(self.run.port, timeout=PATIENCE)
            answer = self.client.ask(request)
            return answer
        except (OSError, ValueError):
            if self.client:
                self.client.socket.close()
            self.client = None
            time.sleep(0.02)
            return None
        finally:
            self.run.took(kind, time.monotonic() - began, event, str(answer[0]) if answer else "no answer")


def body(records: list[dict], lines: bool) -> bytes:
    text = ("\n" if lines else ",").join(json.dumps(record, separators=(",", ":")) for record in records)
    return (text if lines else f"[{text}]").encode()


def send(run: Run, connection: Connection, push: Push, body: bytes, *, keyed: bool, lines: bool) -> None:
    """Sends rows; with an Idempotency-Key again and again until they are acknowledged."""
    headers = f"Idempotency-Key: {push.pusher}-{push.push}\r\n" if keyed else ""
    request = Client.request(f"/v1/sources/{push.source}/rows", body, "application/x-ndjson" if lines else "application/json", headers)
    gives_up = time.monotonic() + 60
    while True:
        push.attempts += 1
        answer = connection.ask("push", request)
        if answer and answer[0] == 200:
            said = json.loads(answer[1])
            push.outcome, push.last_offset = "acknowledged", said["last_offset"]
            with run.lock:
                run.acknowledged[push.source] = max(run.acknowledged[push.source], said["last_offset"])
                run.count("pushes")
                if said["accepted"] != push.rows or said["duplicates"]:
                    run.faults.append(f"a push of {push.rows} new rows is answered {said}")
            return
        # Of what is too much, nothing is taken. Where the database or the server went away, it may have been committed before.
        code = run.refused("push", *answer) if answer else ""
        push.outcome = "refused" if code == "overloaded" and push.outcome in ("", "refused") else "unknown"
        if not keyed or time.monotonic() > gives_up:
            return
        time.sleep(0.05)


def pusher(run: Run, number: int) -> None:
    """Pushes of one row, of some, now and then of hundreds; corrections of its own facts among them, some of which move to another entity."""
    chosen, connection, facts = random.Random(number), Connection(run), 0
    keyed, count = number % 2 == 0, 0
    while not run.ends.is_set():
        count += 1
        rows = chosen.choice((1, 1, 1, 1, 3, 8, 300 if count % 40 == 0 else 1))
        push = Push(number, count, SOURCES[chosen.random() < 0.5], rows)
        records = []
        for place in range(rows):
            facts += 1
            fact = facts if chosen.random() < 0.7 else chosen.randint(max(1, facts - 200), facts)
            # Some events are old, and some are yet to come.
            at = datetime.now(timezone.utc) - timedelta(seconds=chosen.uniform(-4, 1.5 * WINDOW))
            record = {"pusher": number, "push": count, "place": place, "fact": number * 10_000_000 + fact, "entity": chosen.randrange(ENTITIES)}
            records.append(record | {"amount": chosen.randrange(4000) / 4, "at": at.isoformat()})
        run.pushes.append(push)
        lines = chosen.random() < 0.3
        send(run, connection, push, body(records, lines), keyed=keyed, lines=lines)
        time.sleep(chosen.uniform(0, run.rest))


def looker(run: Run, number: int) -> None:
    """Lookups as most are, lookups that ask for their cuts, and of a moment ago."""
    chosen, connection, asked = random.Random(-number), Connection(run), run.asked[number]
    while not run.ends.is_set():
        lookup = Asked(chosen.sample(range(ENTITIES), chosen.choice((1, 1, 2, 5))), chosen.choice(("plain", "plain", "cuts", "cuts", "past")), {})
        body: dict[str, object] = {"set": "twin.v1", "entities": {"entity": lookup.entities}}
        if lookup.kind != "plain":
            body["cuts"] = True
        if lookup.kind == "past":
            body["as_of"] = (datetime.now(timezone.utc) - timedelta(seconds=chosen.uniform(1, 30))).isoformat()
        request = Client.request("/v1/lookup", json.dumps(body, separators=(",", ":")).encode())
        lookup.floor = dict(run.acknowledged)
        answer = connection.ask("lookup", request)
        if answer and answer[0] == 200:
            lookup.answer = json.loads(answer[1])
            asked.append(lookup)
            run.count("lookups")
        elif answer:
            run.refused("lookup", *answer)
        time.sleep(chosen.uniform(0, run.rest))


def asker(run: Run) -> None:
    """Whether it is ready, ten times a second."""
    connection, request = Connection(run), Client.request("/readyz", b"", method="GET")
    while not run.ends.is_set():
        event = run.event
        answer = connection.ask("ready", request)
        try:
            body = json.loads(answer[1]) if answer else {}
            said = str(body.get("code") or body.get("status"))
        except ValueError:
            said = "?"
        with run.lock:
            run.ready[event][f"{answer[0]} {said}" if answer else "no answer"] += 1
            if answer and answer[0] not in (200, 503):
                run.refusals[f"ready: {answer[0]}"] += 1
        time.sleep(0.1)


# MARK: The twin


class Twin:
    """A source's rows as the database has them in the end, and what lookups over them have to say."""

    def __init__(self, store: Store, source: str) -> None:
        self.source = source
        text = store.sql_text(
            f"""copy (select b.base_offset + r.firn_position, r.pusher, r.push, r.place, r.fact, r.entity, r.amount, (extract(epoch from r."at") * 1000000)::bigint,
            (extract(epoch from b.known_at) * 1000000)::bigint, b.base_offset, b.count from firn_source.{source} r join firn.batches b on b.batch = r.firn_batch
            where b.source = '{source}') to stdout (format csv)"""
        )
        rows: list[tuple] = [tuple(float(value) if place == 6 else int(value) for place, value in enumerate(line)) for line in csv.reader(io.StringIO(text))]
        self.rows = rows
        self.by_push: dict[tuple[int, int], list[tuple]] = defaultdict(list)
        for row in rows:
            self.by_push[row[1], row[2]].append(row)
        batches = store.sql(f"select base_offset, count, (extract(epoch from known_at) * 1000000)::bigint from firn.batches where source = '{source}' order by base_offset")
        self.batches = [tuple(int(value) for value in batch) for batch in batches]
        self.ends = numpy.array([base + count for base, count, _ in self.batches], dtype="int64")
        self.known = numpy.array([known for _, _, known in self.batches], dtype="int64")
        # Of each entity, the rows of every fact that was ever its own, or without facts its rows: by fact, time known and offset.
        column = {name: numpy.array([row[place] for row in rows]) for place, name in enumerate(("offset", "pusher", "push", "place", "fact", "entity", "amount", "at", "known"))}
        self.entities = {}
        for entity in range(ENTITIES):
            own = column["entity"] == entity if rows else numpy.zeros(0, dtype=bool)
            if source == "facts" and rows:
                own = numpy.isin(column["fact"], column["fact"][own])
            order = numpy.flatnonzero(own)
            keys = ("offset", "known", "fact") if source == "facts" else ("offset", "known")
            order = order[numpy.lexsort([column[key][order] for key in keys])] if len(order) else order
            self.entities[entity] = {name: values[order] for name, values in column.items()}

    def log_faults(self) -> list[str]:
        """The log has no gaps, and time doesn't run back in it."""
        faults, end, known = [], 0, 0
        for base, count, at in self.batches:
            if base != end or at < known:
                faults.append(f"{self.source}: a batch at {base} known at {at} follows one that ends at {end}, known at {known}")
            end, known = base + count, at
        return faults

    def value(self, entity: int, instant: int, cut: int) -> tuple[list, bool]:
        """Count, sum, newest and count of all, and whether the entity is known."""
        rows = self.entities[entity]
        admitted = (rows["offset"] <= cut) & (rows["known"] <= instant)
        is_known = bool((admitted & (rows["entity"] == entity)).any())
        standing = numpy.flatnonzero(admitted)
        if self.source == "facts" and len(standing):
            # Of each fact, the version known last.
            facts = rows["fact"][standing]
            standing = standing[numpy.append(facts[1:] != facts[:-1], True)]
        counts = standing[(rows["entity"][standing] == entity) & (rows["at"][standing] <= instant)]
        if not len(counts):
            return [0, None, None, 0], is_known
        within = counts[rows["at"][counts] > instant - WINDOW * 1_000_000]
        newest = counts[numpy.lexsort((rows["offset"][counts], rows["known"][counts], rows["at"][counts]))[-1]]
        total = float(rows["amount"][within].sum()) if len(within) else None
        return [len(within), total, float(rows["amount"][newest]), len(counts)], is_known

    def candidates(self, instant: int, floor: int) -> list[int]:
        """Where an answer of an instant may have cut the log: at the end of any batch known by then, the newest first, but not before what was acknowledged."""
        last = int(numpy.searchsorted(self.known, instant, side="right"))
        ends = [int(end) for end in self.ends[max(0, last - 400) : last][::-1] if end >= floor]
        return ends + ([0] if floor == 0 else [])


def check_lookups(run: Run, twins: dict[str, Twin]) -> tuple[Counter[str], list[str]]:
    """How many answers were right, by kind, and what is wrong with the others."""
    right: Counter[str] = Counter()
    wrong: list[str] = []
    for asked in run.asked:
        latest = 0
        for lookup in asked:
            answer, instant = lookup.answer, micros(lookup.answer["as_of"])
            statuses = {status for row in answer["rows"] for status in row["statuses"]}
            is_stale = "stale" in statuses
            faults = []
            if answer["features"] != OUTPUTS or len(answer["rows"]) != len(lookup.entities):
                faults.append("another shape")
            if is_stale and (statuses != {"stale"} or "age_ms" not in answer):
                faults.append("partly stale")
            for place, (source, twin) in enumerate(twins.items()):
                # Away from its database, a server may not have read what was acknowledged last; the past needs no more than was known then.
                floor = 0 if is_stale or lookup.kind == "past" else lookup.floor[source]
                cuts = [answer["cuts"][source]] if lookup.kind != "plain" else twin.candidates(instant, floor)
                if any(cut < floor for cut in cuts):
                    faults.append(f"{source} is cut at {cuts[0]}, though {floor} was acknowledged before")
                given = [(row["values"][4 * place : 4 * place + 4], row["statuses"][4 * place : 4 * place + 4]) for row in answer["rows"]]
                for cut in cuts:
                    expected = []
                    for entity in lookup.entities:
                        values, is_known = twin.value(entity, instant, cut)
                        expected.append((values, ["stale" if is_stale else "not_found" if not is_known else "null" if value is None else "present" for value in values]))
                    if expected == given:
                        break
                else:
                    faults.append(f"{source}: {given} instead of {expected} at {cuts[:3]}")
            if lookup.kind != "past":
                # One connection's answers come from one server after the other, and each server's clock is the database's.
                if instant < latest and not is_stale:
                    faults.append(f"time ran back by {latest - instant} µs")
                latest = max(latest, instant)
            right["stale" if is_stale else lookup.kind] += not faults
            if faults:
                wrong.append(f"{lookup.kind} {lookup.entities} at {answer['as_of']}: " + "; ".join(faults))
    return right, wrong


def check_pushes(run: Run, twins: dict[str, Twin]) -> tuple[Counter[str], dict[str, list[str]]]:
    """Counts of pushes by their outcome, and what was lost, doubled, halved, or taken though it was refused."""
    outcomes: Counter[str] = Counter()
    faults: dict[str, list[str]] = {"lost": [], "doubled": [], "half": [], "taken though refused": [], "strange": []}
    for push in run.pushes:
        rows = twins[push.source].by_push.pop((push.pusher, push.push), [])
        outcomes[push.outcome] += 1
        places = Counter(row[3] for row in rows)
        name = f"push {push.push} of pusher {push.pusher} to {push.source}, {push.rows} rows, {push.outcome} after {push.attempts} attempts: {len(rows)} rows"
        if places and max(places.values()) > 1:
            faults["doubled"].append(name)
        if rows and len(places) != push.rows:
            faults["half"].append(name)
        if push.outcome == "acknowledged" and not rows:
            faults["lost"].append(name)
        if push.outcome == "refused" and rows:
            faults["taken though refused"].append(name)
        if push.outcome == "acknowledged" and rows and {row[9] + row[10] for row in rows} != {push.last_offset}:
            faults["strange"].append(f"{name}, last_offset {push.last_offset}")
        if push.outcome == "unknown":
            outcomes["unknown, but there"] += bool(rows)
    for source, twin in twins.items():
        faults["strange"] += [f"{source} has rows of a push that nobody sent: {key}" for key in twin.by_push] + twin.log_faults()
    return outcomes, faults


# MARK: What happens


def say(run: Run, text: str) -> None:
    run.event = text
    if not run.is_quiet:
        print(f"- {time.monotonic() - run.began:.1f} s: {text}", flush=True)


def kill_database(store: Store) -> None:
    """As a crash leaves it: no checkpoint, open transactions are gone."""
    pid = store.postmaster
    assert pid, "PostgreSQL doesn't run"
    os.kill(pid, signal.SIGQUIT)
    while store.postmaster == pid:
        time.sleep(0.01)


def children(store: Store) -> dict[int, str]:
    """PostgreSQL's processes but the first, and what each says that it is."""
    found = {}
    for pid in map(int, subprocess.run(["pgrep", "-P", str(store.postmaster)], capture_output=True, text=True, check=False).stdout.split()):
        try:
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def clients(store: Store) -> list[int]:
    """Those that work for somebody."""
    return [pid for pid, name in children(store).items() if "[local]" in name]


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that stand still, as on a disk that gives no answer: what they were asked is neither done nor refused."""

    def tell(number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    tell(signal.SIGSTOP)
    try:
        yield
    finally:
        tell(signal.SIGCONT)


class Disk:
    """A file system of its own, in memory, that can be made full. Root alone mounts one."""

    def __init__(self, name: str, mebibytes: int, owner: int) -> None:
        self.bytes = mebibytes << 20
        self.path = Path(f"/tmp/firn-{name}-{os.getpid()}")
        self.owner = owner

    def __enter__(self) -> Disk:
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.bytes}", "tmpfs", str(self.path)], check=True)
        os.chown(self.path, self.owner, -1)
        self.path.chmod(0o700)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self.path.rmdir()

    @contextmanager
    def full(self) -> Iterator[None]:
        """As large as what is on it."""
        for attempt in range(20):
            seen = os.statvfs(self.path)
            try:
                # No size at all would be no bound.
                self._resize(max(4096, (seen.f_blocks - seen.f_bfree) * seen.f_frsize))
                break
            except subprocess.CalledProcessError:
                # Meanwhile more was written.
                if attempt == 19:
                    raise
        try:
            yield
        finally:
            self._resize(self.bytes)

    def _resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.path)], check=True, capture_output=True)


class Disks:
    """The database on a disk of its own, the write-ahead log on another, and the server's temporary files on a third."""

    def __init__(self, store: Store, stack: ExitStack) -> None:
        cluster = (store.directory / ".firn" / "cluster").resolve()
        owner = (cluster / "data").stat().st_uid
        self.tables, self.wal, self.bodies = (stack.enter_context(Disk(name, size, owner)) for name, size, owner in (("tables", 4096, owner), ("wal", 4096, owner), ("bodies", 1024, 0)))
        for statement in (f"create tablespace disk location '{self.tables.path}'", "alter database firn set tablespace disk"):
            subprocess.run(["psql", store.url.replace("/firn?", "/postgres?"), "-Xq", "-v", "ON_ERROR_STOP=1", "-c", statement], check=True)
        store.firn("stop")
        place = cluster / "data" / "pg_wal"
        for entry in place.iterdir():
            shutil.move(entry, self.wal.path / entry.name)
        for path in self.wal.path.rglob("*"):
            os.chown(path, owner, -1)
        place.rmdir()
        place.symlink_to(self.wal.path)
        os.chown(place, owner, -1, follow_symlinks=False)
        store.firn("url")


class Pooler:
    """PgBouncer in session mode between the server and PostgreSQL."""

    def __init__(self, store: Store) -> None:
        need(pgbouncer="pgbouncer")
        self.port = free_port()
        self.directory = Path(f"/tmp/firn-pooler-{os.getpid()}")
        self.socket = parse_qs(urlsplit(store.url).query)["host"][0]
        self.owner = (store.directory / ".firn" / "cluster").resolve().stat()
        self.url = f"postgresql://firn@127.0.0.1:{self.port}/firn"

    def __enter__(self) -> Pooler:
        self.directory.mkdir()
        settings = {"pool_mode": "session", "default_pool_size": 60, "max_client_conn": 400, "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "", "auth_type": "trust"}
        # How long it refuses clients after PostgreSQL was away; 15 s without it.
        settings |= {"server_login_retry": 1, "auth_file": str(self.directory / "users")}
        (self.directory / "users").write_text('"firn" ""\n')
        (self.directory / "ini").write_text("\n".join(["[databases]", f"firn = host={self.socket}", "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items()), ""]))
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        shutil.rmtree(self.directory)

    def begin(self) -> None:
        # It refuses root, and the cluster knows its own user.
        user = ["setpriv", f"--reuid={self.owner.st_uid}", f"--regid={self.owner.st_gid}", "--clear-groups"] if os.geteuid() == 0 else []
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([*user, "pgbouncer", "-q", str(self.directory / "ini")], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        time.sleep(0.3)
        assert self.process.poll() is None, (self.directory / "log").read_text()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def fill(store: Store, run: Run, pushes: int, seconds: float) -> None:
    """Nothing can be committed for a while, and more comes than may wait: pushes of twelve rows of a MiB each."""
    note, now = "x" * (1 << 20), datetime.now(timezone.utc).isoformat()
    bodies = {}
    for number in range(1000, 1000 + pushes):
        records = [{"pusher": number, "push": 1, "place": place, "fact": place, "entity": place, "amount": 1, "at": now, "note": ""} for place in range(12)]
        bodies[number] = body(records, lines=True).replace(b'"note":""', f'"note":"{note}"'.encode())
    threads = []
    for number, rows in bodies.items():
        run.pushes.append(Push(number, 1, "plain", 12))
        threads.append(threading.Thread(target=send, args=(run, Connection(run), run.pushes[-1], rows), kwargs={"keyed": False, "lines": True}))
    holder = subprocess.Popen(["psql", store.url, "-Xq"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert holder.stdin
    print("begin; lock table firn.batches in exclusive mode;", file=holder.stdin, flush=True)
    time.sleep(0.3)
    for thread in threads:
        thread.start()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not any("overloaded" in refusal for refusal in run.refusals):
        time.sleep(0.1)
    say(run, "the queue is full" if any("overloaded" in refusal for refusal in run.refusals) else "the queue isn't full yet")
    holder.communicate("commit;\n")
    for thread in threads:
        thread.join()


def large_bodies(store: Store, run: Run) -> None:
    """A spine of 32 MiB whose sender looks for an answer only when all is sent: it is refused, and is told so."""
    spine = pyarrow.table({"entity": [n % ENTITIES for n in range(1 << 21)], "event_timestamp": pyarrow.array([0] * (1 << 21), pyarrow.timestamp("us", "UTC"))})
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, spine.schema) as writer:
        writer.write_table(spine)
    request = Client.request("/v1/snapshots?set=twin.v1&record=false", sink.getvalue(), "application/vnd.apache.arrow.stream")
    answer = Connection(run).ask("body", request)
    if answer is None:
        run.faults.append("a large body whose folder is full gets no answer")
    elif answer[0] == 200:
        run.faults.append("a large body is taken though its folder is full")
    else:
        code = run.refused("body", *answer)
        if answer[0] not in (503, 507) or code in ("", "internal"):
            run.faults.append(f"a large body whose folder is full is answered {answer[0]} {code}")


class Happenings:
    """Each fault, and what puts it right."""

    def __init__(self, store: Store, run: Run, serve: Callable[[], Server], disks: Disks | None, pooler: Pooler | None) -> None:
        self.store, self.run, self.begin, self.disks, self.pooler = store, run, serve, disks, pooler

    @property
    def all(self) -> list[Callable[[], None]]:
        """In this order; what needs root or a pooler only with it."""
        found = [self.kill_server, self.leave_database, self.block, self.kill_database, self.kill_both, self.end_server, self.kill_backend, self.stop_backends, self.stop_database]
        return found + ([self.fill_tables, self.fill_wal, self.fill_bodies] if self.disks else []) + ([self.kill_pooler] if self.pooler else [])

    def serve(self) -> Server:
        """A server that ends as it begins is a fault, and the run goes on."""
        for _ in range(10):
            try:
                return self.begin()
            except RuntimeError as error:
                self.run.faults.append(f"while {self.run.event}: {str(error)[-1000:]}")
                time.sleep(1)
        raise RuntimeError("no server begins any more")

    def begin_anew(self, number: int) -> None:
        self.run.server.end(number)
        self.run.server = self.serve()

    def still_runs(self) -> None:
        """A server ends when it is asked to, and never else."""
        code = self.run.server.process.poll()
        if code is not None:
            self.run.faults.append(f"the server ended with {code} while {self.run.event}: {self.run.server.log.read_text(errors='replace')[-1000:]}")
            self.run.server = self.serve()

    def kill_server(self) -> None:
        say(self.run, "the server is killed, and begins anew")
        self.begin_anew(signal.SIGKILL)

    def end_server(self) -> None:
        say(self.run, "the server is asked to end, and begins anew")
        self.begin_anew(signal.SIGTERM)

    def leave_database(self) -> None:
        say(self.run, "PostgreSQL is killed, and stays away for three seconds")
        kill_database(self.store)
        time.sleep(3)
        self.store.firn("url")
        say(self.run, "PostgreSQL is back")

    def kill_database(self) -> None:
        say(self.run, "PostgreSQL is killed, and comes back at once")
        kill_database(self.store)
        self.store.firn("url")

    def kill_both(self) -> None:
        say(self.run, "both are killed, and begin anew")
        kill_database(self.store)
        self.run.server.end(signal.SIGKILL)
        if self.pooler:
            # Else the server brings it back.
            self.store.firn("url")
        self.run.server = self.serve()

    def kill_backend(self) -> None:
        """PostgreSQL takes all others down for it, and comes back by itself."""
        say(self.run, "one of PostgreSQL's backends is killed")
        for pid in clients(self.store)[:1]:
            os.kill(pid, signal.SIGKILL)

    def block(self) -> None:
        say(self.run, "nothing can be committed, and 480 MiB are pushed")
        fill(self.store, self.run, 40, 15)
        say(self.run, "all of the burst is answered")

    def stop_backends(self) -> None:
        say(self.run, "PostgreSQL's backends stand still for 40 s; it takes new connections")
        with stopped(clients(self.store)):
            time.sleep(40)
        say(self.run, "the backends go on")

    def stop_database(self) -> None:
        say(self.run, "all of PostgreSQL stands still for 40 s")
        pid = self.store.postmaster
        assert pid, "PostgreSQL doesn't run"
        with stopped([pid, *children(self.store)]):
            time.sleep(40)
        say(self.run, "PostgreSQL goes on")

    def fill_tables(self) -> None:
        assert self.disks
        say(self.run, "the tables' disk is full for 20 s")
        with self.disks.tables.full():
            time.sleep(20)
        say(self.run, "the tables' disk has room again")

    def fill_wal(self) -> None:
        """PostgreSQL ends by itself when it can't begin another file."""
        assert self.disks
        say(self.run, "the write-ahead log's disk is full")
        pid = self.store.postmaster
        with self.disks.wal.full():
            ends = time.monotonic() + 60
            while self.store.postmaster == pid and time.monotonic() < ends:
                statements = ["select pg_logical_emit_message(true, 'full', 'full')", "select pg_switch_wal()"]
                subprocess.run(["psql", self.store.url, "-Xq", *(word for text in statements for word in ("-c", text))], capture_output=True, check=False)
            time.sleep(3)
        self.store.firn("url")
        say(self.run, "the write-ahead log's disk has room again")

    def fill_bodies(self) -> None:
        assert self.disks
        say(self.run, "the folder for large bodies is full")
        with self.disks.bodies.full():
            large_bodies(self.store, self.run)
        say(self.run, "the folder for large bodies has room again")

    def kill_pooler(self) -> None:
        assert self.pooler
        say(self.run, "PgBouncer is killed, and comes back after three seconds")
        self.pooler.end()
        time.sleep(3)
        self.pooler.begin()
        say(self.run, "PgBouncer is back")

    def storm(self, kills: int) -> None:
        """Kills at random, mostly before all has recovered from the one before."""
        chosen = random.Random(kills)
        ways = [(self.kill_server, 40), (self.kill_database, 30), (self.kill_both, 10), (self.kill_backend, 15), (self.end_server, 5), *([(self.kill_pooler, 3)] if self.pooler else [])]
        # A line for each would be too many.
        self.run.is_quiet = True
        for number in range(kills):
            if number % 100 == 0:
                print(f"- {time.monotonic() - self.run.began:.1f} s: {number:,} of {kills:,} kills", flush=True)
            if self.store.postmaster is None:
                self.store.firn("url")
            chosen.choices([way for way, _ in ways], [weight for _, weight in ways])[0]()
            time.sleep(chosen.uniform(0.1, 1.5))
            self.still_runs()
        self.run.is_quiet = False


def happen(happenings: Happenings, run: Run, seconds: float, kills: int, only: list[str]) -> None:
    """One fault after the other, with as long a rest between each two of them; then the storm."""
    chosen = [happening for happening in happenings.all if not only or happening.__name__ in only]
    rest = seconds / (len(chosen) + 1)
    for happening in chosen:
        time.sleep(rest)
        happening()
        happenings.still_runs()
    time.sleep(rest)
    happenings.storm(kills)
    if kills:
        say(run, f"{kills:,} kills")
        time.sleep(rest)


def wait_ready(port: int) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            with Client(port) as client:
                if client.ask(Client.request("/readyz", b"", method="GET"))[0] == 200:
                    return
        except OSError:
            pass
        assert time.monotonic() < ends, "the server isn't ready a minute after the last fault"
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run faults")
    parser.add_argument("--seconds", type=float, default=60, help="between the faults, all together")
    parser.add_argument("--pushers", type=int, default=6)
    parser.add_argument("--lookers", type=int, default=6)
    parser.add_argument("--kills", type=int, default=0, help="so many more at random, at the end")
    parser.add_argument("--rest", type=float, default=0.02, help="the longest that a pusher or looker rests between two requests; a storm of a thousand kills wants 0.2")
    parser.add_argument("--pooler", action="store_true", help="the server reaches PostgreSQL through PgBouncer, in session mode")
    parser.add_argument("--only", nargs="*", default=[], help="of the faults before them, these alone, such as stop_backends fill_tables")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("no disk is made full: only root mounts one that can be", file=sys.stderr)
    title(f"Faults: {arguments.pushers} push and {arguments.lookers} look up, {'through PgBouncer, ' if arguments.pooler else ''}{arguments.kills:,} random kills")
    options = ["--materialize-every", "5", "--log-lookups", "0.05"]
    with Store("faults", DEFINITIONS) as store, ExitStack() as stack:
        disks = Disks(store, stack) if os.geteuid() == 0 else None
        # PostgreSQL ends before its disks go.
        stack.callback(store.firn, "stop")
        pooler = stack.enter_context(Pooler(store)) if arguments.pooler else None
        environment = ({"TMPDIR": str(disks.bodies.path)} if disks else {}) | ({"FIRN_DATABASE_URL": pooler.url} if pooler else {})
        port = free_port()

        def serve() -> Server:
            return store.serve(*options, port=port, environment=environment)

        run = Run(port, serve())
        run.rest = arguments.rest
        try:
            run.asked = [[] for _ in range(arguments.lookers)]
            threads = [threading.Thread(target=pusher, args=(run, number)) for number in range(arguments.pushers)]
            threads += [threading.Thread(target=looker, args=(run, number)) for number in range(arguments.lookers)]
            threads.append(threading.Thread(target=asker, args=(run,)))
            for thread in threads:
                thread.start()
            try:
                happen(Happenings(store, run, serve, disks, pooler), run, arguments.seconds, arguments.kills, arguments.only)
            finally:
                run.ends.set()
                for thread in threads:
                    thread.join()
            # In the end all is seen.
            wait_ready(run.port)
            final = Asked(list(range(ENTITIES)), "cuts", dict(run.acknowledged))
            with Client(run.port) as client:
                final.answer = client.answer("/v1/lookup", {"set": "twin.v1", "entities": {"entity": final.entities}, "cuts": True})
            run.asked.append([final])
        finally:
            run.server.end()
        twins = {source: Twin(store, source) for source in SOURCES}
        outcomes, faults = check_pushes(run, twins)
        right, wrong = check_lookups(run, twins)
        rows = sum(len(twin.rows) for twin in twins.values())
        acknowledged = sum(push.rows for push in run.pushes if push.outcome == "acknowledged")
        history, receipts = store.firn("verify", "history").strip().splitlines(), store.firn("verify", "lookups").strip().splitlines()
    report(run, outcomes, faults, right, wrong, rows, acknowledged, [*history, *receipts])


def report(run: Run, outcomes: Counter[str], faults: dict[str, list[str]], right: Counter[str], wrong: list[str], rows: int, acknowledged: int, verified: list[str]) -> None:
    last = max(second for counts in run.seconds.values() for second in counts)
    step = max(2, last // 60)
    print()
    for what, counts in run.seconds.items():
        print(f"- {what} answered, in steps of {step} seconds: {' '.join(str(sum(counts[second + more] for more in range(step))) for second in range(0, last + 1, step))}")
    for event, counts in run.ready.items():
        print(f"- /readyz while {event}: {', '.join(f'{count} × {what}' for what, count in counts.most_common())}")
    print(f"\nPushes: {', '.join(f'{count:,} {outcome}' for outcome, count in outcomes.items())}; {acknowledged:,} rows acknowledged, {rows:,} there in the end.")
    print(f"Lookups, right: {', '.join(f'{count:,} {kind}' for kind, count in right.items())}.")
    print(f"Refused: {', '.join(f'{count:,} × {what}' for what, count in sorted(run.refusals.items())) or 'nothing'}.")
    print(f"The slowest: {', '.join(f'{kind} {seconds:.1f} of {DEADLINES[kind]:g} s, while {event}' for kind, (seconds, event) in run.slowest.items())}.")
    print(f"`firn verify`: {'; '.join(verified)}")
    statuses = {what: what.split(": ", 1)[1].split(" ")[0] for what in run.refusals}
    internal = sum(count for what, count in run.refusals.items() if statuses[what] == "500")
    # Of what Firn can't do now it says so; anything else is a fault of somebody.
    unexpected = [f"{count:,} × {what}" for what, count in run.refusals.items() if statuses[what] != "503" and not (statuses[what] == "507" and what.startswith("body"))]
    for name, which in (*faults.items(), ("wrong", wrong), ("late", run.late), ("seen by the threads", run.faults), ("refused otherwise than with 503", unexpected)):
        for fault in which[:5]:
            print(f"  {name}: {fault[:1500]}", file=sys.stderr)
    others = len(faults["half"]) + len(faults["taken though refused"]) + len(faults["strange"]) + len(run.faults)
    print(f"\n{len(faults['lost'])} lost, {len(faults['doubled'])} doubled, {len(wrong)} wrong, {len(run.late)} late, {internal} × 500, {others} other faults", flush=True)
    sys.exit(1 if others or wrong or faults["lost"] or faults["doubled"] or run.late or unexpected else 0)


if __name__ == "__main__":
    main()
