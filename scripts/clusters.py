"""What scripts that try Firn on other PostgreSQLs share: clusters, servers and commands, under a temporary directory that goes with the script."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Failure(Exception):
    """What isn't as it should be."""


def excerpt(said: str) -> str:
    """What a command said, but for the middle where it is long, as a backtrace is."""
    said = said.strip()
    return said if len(said) < 3000 else f"{said[:2000]} … {said[-500:]}"


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Failure(what)


def firn_binary() -> str:
    """FIRN_BINARY, or the release build, made where it has to be."""
    if given := os.environ.get("FIRN_BINARY"):
        return str(Path(given).resolve())
    subprocess.run(["swift", "build", "-c", "release", "--product", "firn"], cwd=ROOT, check=True, stdout=sys.stderr)
    return str(ROOT / ".build" / "release" / "firn")


def need(program: str, package: str) -> bool:
    """Whether a program is there; as root it is installed, and none of its services is started."""
    if shutil.which(program):
        return True
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"installing with apt-get: {package}", file=sys.stderr)
    environment = os.environ | {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]):
        if subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False).returncode != 0:
            return False
    return shutil.which(program) is not None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """One that other users may enter."""
    directory = Path(tempfile.mkdtemp(prefix="firn-"))
    directory.chmod(0o755)
    # Whoever is asked to end takes away what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def as_user(command: list[str]) -> list[str]:
    """PostgreSQL and PgBouncer refuse root."""
    if os.geteuid() != 0:
        return command
    user = _unprivileged()
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failure("PostgreSQL doesn't run as root, and this machine has neither a user postgres nor nobody")


def owned_directory(path: Path) -> Path:
    """A directory of the user that servers run as."""
    path.mkdir()
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


def debian() -> Path | None:
    """PostgreSQL's programs as the system has them."""
    place = Path("/usr/lib/postgresql")
    if not list(place.glob("*/bin/initdb")):
        subprocess.run([str(ROOT / "scripts" / "setup")], stdout=sys.stderr, check=False)
    found = sorted(place.glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Cluster:
    """A PostgreSQL that lives as long as the `with` does; its superuser is postgres, and whoever is on this machine may connect."""

    def __init__(self, programs: Path, directory: Path, **settings: str) -> None:
        self.programs = programs
        self.directory = directory
        self.settings = settings
        self.port = free_port()

    def __enter__(self) -> Cluster:
        owned_directory(self.directory)
        self._run("initdb", "-D", str(self.directory / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Where it doesn't run yet."""
        if subprocess.run(as_user([str(self.programs / "pg_ctl"), "-D", str(self.directory / "data"), "status"]), cwd="/", capture_output=True, check=False).returncode == 0:
            return
        given = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.directory), "shared_buffers": "64MB", **self.settings}
        options = " ".join(f"-c {name}={value}" for name, value in given.items())
        self._run("pg_ctl", "-D", str(self.directory / "data"), "-l", str(self.directory / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        subprocess.run(as_user([str(self.programs / "pg_ctl"), "-D", str(self.directory / "data"), "-m", "immediate", "stop"]), cwd="/", capture_output=True, check=False)

    def _run(self, program: str, *arguments: str) -> None:
        # To a file: the server keeps what it inherits open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(as_user([str(self.programs / program), *arguments]), cwd="/", stdout=said, stderr=said, env=os.environ | {"LC_ALL": "C"}, check=False)
            said.seek(0)
            check(done.returncode == 0, f"{program}: {said.read().strip()[-500:]}")

    @property
    def version(self) -> str:
        return self.sql("show server_version").split()[0]

    def url(self, database: str = "postgres", user: str = "postgres", port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def sql(self, text: str, database: str = "postgres", user: str = "postgres") -> str:
        command = [str(self.programs / "psql"), self.url(database, user), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"{text}: {done.stderr.strip()}")
        return done.stdout.strip()


class Firn:
    """The program, for one database."""

    def __init__(self, binary: str, url: str, directory: Path) -> None:
        self.binary = binary
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("FIRN_")}
        self.environment |= {"FIRN_DATABASE_URL": url, "FIRN_CACHE_DIR": str(directory / "cache")}

    def tried(self, *arguments: str, seconds: float = 120) -> tuple[int | None, str]:
        """Its exit code, nil where it had to be ended, and all that it said."""
        try:
            done = subprocess.run([self.binary, *arguments], cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as late:
            return None, "".join(text.decode() if isinstance(text, bytes) else text or "" for text in (late.stdout, late.stderr))
        return done.returncode, done.stdout + done.stderr

    def __call__(self, *arguments: str) -> str:
        code, said = self.tried(*arguments)
        check(code == 0, f"firn {' '.join(arguments)}: {'no end' if code is None else f'exit code {code}'}: {excerpt(said)}")
        return said

    def json(self, *arguments: str) -> dict:
        done = subprocess.run([self.binary, *arguments, "--json"], cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        check(done.returncode == 0, f"firn {' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()[-800:]}")
        found: dict = json.loads(done.stdout)
        return found

    @contextmanager
    def serve(self, *options: str, is_ready: bool = True) -> Iterator[Served]:
        """A server that is ready, or that has just been started."""
        port = free_port()
        log = self.directory / f"server-{port}.log"
        with log.open("wb") as file:
            command = [self.binary, "serve", "--port", str(port), *options]
            process = subprocess.Popen(command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
        served = Served(port, process, log)
        try:
            if is_ready:
                served.wait_ready()
            yield served
        finally:
            served.end()


class Served:
    """A server that runs."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.process = process
        self.log = log

    def said(self) -> str:
        return self.log.read_text(errors="replace").strip()

    def wait_ready(self, seconds: float = 30) -> None:
        ends, answer = time.monotonic() + seconds, ""
        while time.monotonic() < ends:
            check(self.process.poll() is None, f"firn serve ended with {self.process.returncode}: {self.said()[-800:]}")
            try:
                status, answer = self.ask("GET", "/readyz")
                if status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failure(f"/readyz isn't 200 within {seconds:g} s: {answer or 'no answer'}; {self.said()[-800:]}")

    def ask(self, method: str, path: str, body: object = None, seconds: float = 20, headers: dict[str, str] | None = None) -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(), headers=headers or {})
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def answer(self, method: str, path: str, body: object = None) -> dict:
        status, text = self.ask(method, path, body)
        check(status == 200, f"{method} {path} answers {status}: {text[:500]}; {self.said()[-500:]}")
        found: dict = json.loads(text)
        return found

    def metric(self, name: str, *labels: str) -> float:
        """The sum over all that have these labels."""
        lines = [line.rsplit(" ", 1) for line in self.ask("GET", "/metrics")[1].splitlines() if re.match(rf"{name}(\{{| )", line)]
        return sum(float(value) for what, value in lines if all(label in what for label in labels))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def table(heads: list[str], rows: list[list[str]]) -> None:
    """Markdown, as docs/operating.md has it."""
    widths = [max(len(line[place]) for line in [heads, *rows]) for place in range(len(heads))]
    for line in (heads, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
