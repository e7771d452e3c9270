"""Instructions of a lookup, counted by callgrind: the figure that other work on the machine doesn't change: Benchmarks/run instructions."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from online import ENTITIES, STATIC, WORK, Values, build_static, lookup, store, values_hash
from serving import FIRN, HERE, Client, Server, free_port, head, need, row, title


class Callgrind:
    """Servers under callgrind, which counts when it is told to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shim = directory / "sigsuspend.so"
        subprocess.run(["clang", "-shared", "-fPIC", "-O1", "-o", str(self.shim), str(HERE / "sigsuspend.c")], check=True)

    def serve(self, program: str, *arguments: str, port: int) -> Server:
        # Valgrind can't read what the compiler says for debuggers; names stay.
        stripped = self.directory / Path(program).name
        subprocess.run(["strip", "--strip-debug", "-o", str(stripped), program], check=True)
        under = ["env", f"LD_PRELOAD={self.shim}", "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
        return Server([*under, f"--callgrind-out-file={self.directory}/callgrind.out.%p", str(stripped), *arguments], port, self.directory, patience=300)

    def count(self, server: Server, client: Client, requests: list[bytes], keep: str | None = None) -> tuple[float, float, list[bytes]]:
        """Instructions a request, of the thread that answers and of all of them, and the answers."""
        for request in requests[:100]:
            client.ask(request)
        pid = server.process.pid
        self._tell(pid, "-z")
        self._tell(pid, "-i", "on")
        answers = [client.ask(request)[1] for request in requests]
        self._tell(pid, "-i", "off")
        self._tell(pid, "-d")
        threads: dict[str, int] = defaultdict(int)
        for file in self.directory.glob(f"callgrind.out.{pid}*"):
            if keep:
                shutil.copy(file, keep)
            with file.open() as lines:
                thread = "0"
                for line in lines:
                    if line.startswith("thread:"):
                        thread = line
                    elif line.startswith("totals:"):
                        threads[thread] += int(line.split()[1])
            file.unlink()
        # One thread has the connection; the others look for news of the log all the while.
        return max(threads.values()) / len(requests), sum(threads.values()) / len(requests), answers

    @staticmethod
    def _tell(pid: int, *what: str) -> None:
        done = subprocess.run(["callgrind_control", *what, str(pid)], capture_output=True, text=True, check=False)
        if done.returncode != 0 or "Error" in done.stdout + done.stderr:
            raise RuntimeError(f"callgrind_control {' '.join(what)}: {done.stdout}{done.stderr}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/run instructions")
    parser.add_argument("--lookups", type=int, default=2000)
    parser.add_argument("--keep", help="a directory for callgrind's files of Firn and one entity, for callgrind_annotate")
    arguments = parser.parse_args()
    need(valgrind="valgrind", strip="binutils")
    build_static()
    title(f"Instructions of a lookup from memory × 10 features, {arguments.lookups:,} lookups on one connection, by callgrind")
    head("", "entities", "instructions a request", "÷ Firn's", "of all threads, other work too", "values")
    made, truth = store("instructions")
    with made, ExitStack() as stack:
        callgrind = Callgrind(made.directory)
        firn = stack.enter_context(callgrind.serve(FIRN, "serve", "--materialize-every", "0", "--port", str(port := free_port()), port=port))
        for size in (1, 100):
            chosen = random.Random(size)
            asked = [chosen.sample(range(ENTITIES), size) for _ in range(arguments.lookups if size == 1 else arguments.lookups // 10)]
            requests = [Client.request("/v1/lookup", lookup(entities)) for entities in asked]
            with Client(firn.port, timeout=300) as client:
                for start in range(0, ENTITIES, 1000):
                    client.answer("/v1/lookup", json.loads(lookup(list(range(start, start + 1000)))))
                own, every, answers = callgrind.count(firn, client, requests, arguments.keep if size == 1 else None)
            values: Values = [entity["values"] for answer in answers for entity in json.loads(answer)["rows"]]
            assert values == [truth[entity] for entities in asked for entity in entities], "lookups answer something else than the newest rows"
            row("Firn", size, f"{own:,.0f}", "1.00", f"{every:,.0f}", f"`{values_hash(values)}`")
            if size > 1:
                continue
            file = made.directory / "answer.json"
            file.write_bytes(sorted(answers, key=len)[len(answers) // 2])
            program = str(WORK / "static" / "release" / "static-answer")
            for kind, name in STATIC.items():
                with callgrind.serve(program, kind, str(port := free_port()), str(file), port=port) as static, Client(static.port, timeout=300) as client:
                    # Hummingbird answers on other threads than the connection's, and has no other work.
                    _, every, _ = callgrind.count(static, client, requests)
                row(name, size, f"{every:,.0f}", f"{every / own:.2f}", f"{every:,.0f}", "")


if __name__ == "__main__":
    main()
