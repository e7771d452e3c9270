"""What the benchmarks of serving share: stores of their own, servers, load, tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / ".build" / "benchmarks"
FIRN = os.environ["FIRN_BINARY"]
# Which core servers run on, and which those who ask: none in particular.
CORES: dict[str, str | None] = {"server": None, "client": None}

os.environ["FIRN_CACHE_DIR"] = str(WORK / "cache")
# Whoever is asked to end takes away what it started.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def pin(apart: bool) -> str:
    """Servers on the first core and those who ask on the second, or all of them anywhere; says which."""
    if apart:
        CORES.update(server="0", client="1")
    return "servers on core 0, clients on core 1" if apart else f"all share {os.cpu_count()} cores"


def pinned(command: list[str], side: str) -> list[str]:
    core = CORES[side]
    return ["taskset", "-c", core, *command] if core else command


def need(**programs: str) -> None:
    """Installs the Debian packages of programs that are missing, and starts no service of theirs."""
    missing = sorted({package.replace("_", "-") for program, package in programs.items() if shutil.which(program.replace("_", "-")) is None})
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"missing: apt-get install {' '.join(missing)}")
    environment = os.environ | {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *missing], check=True, stdout=sys.stderr, env=environment)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pids: list[int]) -> float:
    """What processes took so far."""
    total = 0
    for pid in set(pids):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Client:
    """One connection that stays open; a request at a time."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @staticmethod
    def request(path: str, body: bytes, type: str = "application/json", headers: str = "", method: str = "POST") -> bytes:
        return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {type}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Sends a request as it is; gives the answer's status and body."""
        self.socket.sendall(request)
        answer = bytearray()
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = bytes(answer[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]) if b"content-length:" in head else None
        if length is None:
            assert b"transfer-encoding: chunked" in head, head
            while not answer.endswith(b"0\r\n\r\n"):
                answer += self._more()
            body, rest = b"", bytes(answer[end + 4 :])
            while (size := int(rest.split(b"\r\n", 1)[0], 16)) > 0:
                rest = rest.split(b"\r\n", 1)[1]
                body, rest = body + rest[:size], rest[size + 2 :]
            return int(head[9:12]), body
        while len(answer) < end + 4 + length:
            answer += self._more()
        return int(head[9:12]), bytes(answer[end + 4 :])

    def post(self, path: str, body: object, type: str = "application/json", headers: str = "") -> tuple[int, bytes]:
        return self.ask(Client.request(path, body if isinstance(body, bytes) else json.dumps(body).encode(), type, headers))

    def answer(self, path: str, body: object) -> dict:
        """Of a request that is expected to succeed."""
        status, text = self.post(path, body)
        assert status == 200, f"{path} answers {status}: {text.decode()}"
        return json.loads(text)

    def get(self, path: str) -> bytes:
        status, text = self.ask(Client.request(path, b"", method="GET"))
        assert status == 200, f"{path} answers {status}: {text.decode()}"
        return text

    def metrics(self) -> dict[str, float]:
        """By name and labels."""
        lines = (line.rsplit(" ", 1) for line in self.get("/metrics").decode().splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def _more(self) -> bytes:
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the connection ended within an answer")
        return piece


class Server:
    """A process of its own group that listens on a port; ended with all it started."""

    def __init__(self, command: list[str], port: int, directory: Path, *, environment: dict[str, str] | None = None, patience: float = 60) -> None:
        self.port = port
        self.log = directory / f"server-{port}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                pinned(command, "server"), cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | (environment or {}), start_new_session=True
            )
        began = time.monotonic()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() - began > patience:
                    self.end(signal.SIGKILL)
                    raise RuntimeError(f"{' '.join(command)} doesn't listen:\n{self.log.read_text()[-2000:]}") from None
                time.sleep(0.02)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            code = self.process.poll()
            print(f"the server {'still runs' if code is None else f'ended with {code}'}; its log ends:\n{self.log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        self.end()

    def tell(self, number: int) -> None:
        """To all of the group that are still there."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.returncode is not None:
            return
        self.tell(signal.SIGCONT)
        self.tell(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            print(f"the server on port {self.port} had to be killed", file=sys.stderr)
        self.tell(signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Stands still meanwhile, so that it takes nothing from another that is measured."""
        self.tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self.tell(signal.SIGCONT)

    @property
    def pids(self) -> list[int]:
        """The process and its children."""
        return [self.process.pid, *(int(pid) for pid in subprocess.run(["pgrep", "-g", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split())]

    @property
    def cpu(self) -> float:
        return cpu_seconds(self.pids)

    @property
    def memory(self) -> float:
        """Resident MiB of the process."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0


class Store:
    """A directory with a PostgreSQL of its own and nothing in it but definitions; gone afterwards."""

    def __init__(self, name: str, definitions: str) -> None:
        # What a run left that was killed.
        for left in (WORK / "serving").glob("*-[0-9]*"):
            if not Path(f"/proc/{left.name.rsplit('-', 1)[1]}").exists():
                self.directory = left
                self.drop()
        self.directory = WORK / "serving" / f"{name}-{os.getpid()}"
        self.drop()
        self.directory.mkdir(parents=True)
        (self.directory / "definitions.yaml").write_text(definitions)
        self.firn("apply", "definitions.yaml")
        self.url = self.firn("url").strip()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        log = self.directory / ".firn" / "cluster" / "log"
        if kind is not None and log.exists():
            print(f"PostgreSQL's log ends:\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        self.drop()

    def drop(self) -> None:
        if not self.directory.exists():
            return
        cluster = self.directory / ".firn" / "cluster"
        if cluster.exists():
            self.firn("stop")
            # Where PostgreSQL's user can't enter the project, the cluster is elsewhere.
            shutil.rmtree(cluster.resolve())
        shutil.rmtree(self.directory)

    def firn(self, *arguments: str) -> str:
        done = subprocess.run(pinned([FIRN, *arguments], "server"), cwd=self.directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"firn {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout

    def sql(self, text: str) -> list[list[str]]:
        return [line.split("\t") for line in self.sql_text(text).splitlines()]

    def sql_text(self, text: str) -> str:
        done = subprocess.run(["psql", self.url, "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", text], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{text}\n{done.stderr}")
        return done.stdout

    def number(self, text: str) -> int:
        return int(self.sql(text)[0][0])

    @property
    def postmaster(self) -> int | None:
        """PostgreSQL's first process; nil where it doesn't run."""
        try:
            pid = int((self.directory / ".firn" / "cluster" / "data" / "postmaster.pid").read_text().split()[0])
            return pid if Path(f"/proc/{pid}/comm").read_text().startswith("postgres") else None
        except OSError:
            return None

    @property
    def database_cpu(self) -> float:
        """Seconds that PostgreSQL's processes that still run took."""
        children = subprocess.run(["pgrep", "-P", str(self.postmaster)], capture_output=True, text=True, check=False).stdout.split()
        return cpu_seconds([int(pid) for pid in children])

    def serve(
        self, *options: str, port: int | None = None, under: list[str] | None = None, program: str = FIRN, patience: float = 60, environment: dict[str, str] | None = None
    ) -> Server:
        port = port or free_port()
        return Server([*(under or []), program, "serve", "--port", str(port), *options], port, self.directory, patience=patience, environment=environment)


@dataclass
class Load:
    """What wrk saw: how many requests were answered in how many seconds, latencies in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float
    most: float
    refused: int
    failed: int
    # Microseconds of the server's processes for each request.
    cpu: float = 0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def start_wrk(port: int, connections: int, seconds: float, threads: int | None = None, **options: object) -> subprocess.Popen[str]:
    """Load by wrk, with `load.lua`'s options."""
    threads = threads or min(2, connections)
    duration = ["-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
    command = ["wrk", "-t", str(threads), "-c", str(connections), *duration, "-s", str(HERE / "load.lua"), f"http://127.0.0.1:{port}", "--"]
    return subprocess.Popen(pinned([*command, *(f"{key}={value}" for key, value in options.items())], "client"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_wrk(process: subprocess.Popen[str]) -> Load:
    out, error = process.communicate()
    if process.returncode != 0 or "{" not in out:
        raise RuntimeError(f"wrk failed:\n{out}{error}")
    return Load(**json.loads(out.splitlines()[-1]))


def wrk(server: Server, connections: int, seconds: float, threads: int | None = None, **options: object) -> Load:
    before = server.cpu
    load = finish_wrk(start_wrk(server.port, connections, seconds, threads, **options))
    load.cpu = (server.cpu - before) * 1e6 / max(1, load.requests)
    assert load.failed == 0 and load.refused == 0, f"{load.refused} requests were refused, {load.failed} failed: {server.log.read_text()[-2000:]}"
    return load


def micro(value: float) -> str:
    return f"{value / 1000:.1f} ms" if value >= 10_000 else f"{value:.0f} µs"


def title(text: str) -> None:
    print(f"\n### {text}\n", flush=True)


def head(*names: str) -> None:
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)


def row(*cells: object) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)
