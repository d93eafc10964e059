"""Work in several processes is the same work, and leaves none behind."""

import math
import subprocess
import sys
import time

import psutil

from ovseg_core.processes import CHUNK, FEW, map_numbers

SCRIPT = """
import multiprocessing, threading, time
from ovseg_core.processes import map_numbers
threading.Thread(target=lambda: list(map_numbers(time.sleep, 1000, 2)), daemon=True).start()
while len(multiprocessing.active_children()) < 2:
    time.sleep(0.1)
print(*(child.pid for child in multiprocessing.active_children()), flush=True)
time.sleep(60)
"""


def test_two_processes_give_what_one_gives_in_order():
    count = FEW + CHUNK + 1
    wanted = [math.sqrt(number) for number in range(count)]
    assert list(map_numbers(math.sqrt, count, 2)) == wanted
    assert list(map_numbers(math.sqrt, count, 1)) == wanted
    assert list(map_numbers(math.sqrt, 3, 2)) == wanted[:3]


def test_processes_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < end:
        time.sleep(0.1)
    left = [pid for pid in children if alive(pid)]
    for pid in left:
        psutil.Process(pid).kill()
    assert not left


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
