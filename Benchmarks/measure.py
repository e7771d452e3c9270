"""Runs a command and prints wall and CPU seconds and peak memory in MiB: measure.py COMMAND…

A process of its own, since a child's peak memory begins with that of the process it was forked from.
"""

import os
import sys
import time

start = time.perf_counter()
child = os.fork()
if child == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
sys.exit(1 if status else 0)
