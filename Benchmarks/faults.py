"""Kills servers and databases under pushes and lookups, and counts what was lost, doubled or wrong: Benchmarks/run faults.

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
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy
from serving import Client, Server, Store, free_port, title

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
        # Status and code of what wasn't answered with 200, by what was asked.
        self.refusals: Counter[str] = Counter()
        # How many pushes and lookups were answered in each second.
        self.seconds: dict[str, Counter[int]] = {"pushes": Counter(), "lookups": Counter()}
        self.began = time.monotonic()
        # What the threads themselves stumbled over.
        self.faults: list[str] = []

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

    def ask(self, request: bytes) -> tuple[int, bytes] | None:
        """Nil where no answer came."""
        try:
            self.client = self.client or Client(self.run.port, timeout=30)
            return self.client.ask(request)
        except (OSError, ValueError):
            if self.client:
                self.client.socket.close()
            self.client = None
            time.sleep(0.02)
            return None


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
        answer = connection.ask(request)
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
        time.sleep(chosen.uniform(0, 0.02))


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
        answer = connection.ask(request)
        if answer and answer[0] == 200:
            lookup.answer = json.loads(answer[1])
            asked.append(lookup)
            run.count("lookups")
        elif answer:
            run.refused("lookup", *answer)
        time.sleep(chosen.uniform(0, 0.02))


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
    print(f"- {time.monotonic() - run.began:.1f} s: {text}", flush=True)


def kill_database(store: Store) -> None:
    """As a crash leaves it: no checkpoint, open transactions are gone."""
    pid = store.postmaster
    assert pid, "PostgreSQL doesn't run"
    os.kill(pid, signal.SIGQUIT)
    while store.postmaster == pid:
        time.sleep(0.01)


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


def happen(store: Store, run: Run, seconds: float, serve: list[str]) -> None:
    """One fault after the other, evenly over the time."""

    def wait(share: float) -> None:
        time.sleep(max(0, run.began + share * seconds - time.monotonic()))

    def begin_anew(number: int) -> None:
        run.server.end(number)
        run.server = store.serve(*serve, port=run.port)

    wait(0.12)
    say(run, "the server is killed, and begins anew")
    begin_anew(signal.SIGKILL)
    wait(0.27)
    say(run, "PostgreSQL is killed, and stays away for three seconds")
    kill_database(store)
    time.sleep(3)
    store.firn("url")
    say(run, "PostgreSQL is back")
    wait(0.42)
    say(run, "nothing can be committed, and 480 MiB are pushed")
    fill(store, run, 40, 15)
    say(run, "all of the burst is answered")
    wait(0.62)
    say(run, "PostgreSQL is killed, and comes back at once")
    kill_database(store)
    store.firn("url")
    wait(0.74)
    say(run, "both are killed, and begin anew")
    kill_database(store)
    begin_anew(signal.SIGKILL)
    wait(0.87)
    say(run, "the server is asked to end, and begins anew")
    begin_anew(signal.SIGTERM)
    wait(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run faults")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pushers", type=int, default=6)
    parser.add_argument("--lookers", type=int, default=6)
    arguments = parser.parse_args()
    title(f"Faults: {arguments.pushers} push and {arguments.lookers} look up for {arguments.seconds:g} s")
    serve = ["--materialize-every", "5", "--log-lookups", "0.05"]
    with Store("faults", DEFINITIONS) as store:
        port = free_port()
        run = Run(port, store.serve(*serve, port=port))
        try:
            run.asked = [[] for _ in range(arguments.lookers)]
            threads = [threading.Thread(target=pusher, args=(run, number)) for number in range(arguments.pushers)]
            threads += [threading.Thread(target=looker, args=(run, number)) for number in range(arguments.lookers)]
            for thread in threads:
                thread.start()
            try:
                happen(store, run, arguments.seconds, serve)
            finally:
                run.ends.set()
                for thread in threads:
                    thread.join()
            # In the end all is seen.
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
        history, receipts = store.firn("verify", "history").strip().splitlines(), store.firn("verify", "lookups").strip().splitlines()
    last = max(second for counts in run.seconds.values() for second in counts)
    print()
    for what, counts in run.seconds.items():
        print(f"- {what} answered, in steps of two seconds: {' '.join(str(counts[second] + counts[second + 1]) for second in range(0, last + 1, 2))}")
    print(f"\nPushes: {', '.join(f'{count:,} {outcome}' for outcome, count in outcomes.items())}; {rows:,} rows in the end.")
    print(f"Lookups, right: {', '.join(f'{count:,} {kind}' for kind, count in right.items())}.")
    print(f"Refused: {', '.join(f'{count:,} × {what}' for what, count in sorted(run.refusals.items())) or 'nothing'}.")
    print(f"`firn verify`: {' '.join(history)}; {' '.join(receipts)}")
    for name, which in (*faults.items(), ("wrong", wrong), ("seen by the threads", run.faults)):
        for fault in which[:5]:
            print(f"  {name}: {fault[:1500]}", file=sys.stderr)
    others = len(faults["half"]) + len(faults["taken though refused"]) + len(faults["strange"]) + len(run.faults)
    print(f"\n{len(faults['lost'])} lost, {len(faults['doubled'])} doubled, {len(wrong)} wrong, {others} other faults", flush=True)
    unexpected = [what for what in run.refusals if what.split(" ", 1)[1].split(" ")[0] != "503"]
    assert not unexpected, f"refused with something else than 503: {unexpected}"
    sys.exit(1 if others or wrong or faults["lost"] or faults["doubled"] else 0)


if __name__ == "__main__":
    main()
