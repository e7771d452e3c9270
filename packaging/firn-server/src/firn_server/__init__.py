"""Runs the firn program that this package carries."""

import ctypes.util
import os
import sys
from pathlib import Path

_LIBPQ = """firn needs PostgreSQL's client library, libpq, which this system doesn't have:
    Debian, Ubuntu    apt-get install libpq5
    Fedora            dnf install libpq
    Alpine            isn't supported: firn needs glibc"""


def binary() -> str:
    """The path of the firn program."""
    return str(Path(__file__).with_name("bin") / "firn")


def main() -> None:
    """Becomes the program, with this process's arguments."""
    if ctypes.util.find_library("pq") is None:
        sys.exit(_LIBPQ)
    os.execv(binary(), ["firn", *sys.argv[1:]])
