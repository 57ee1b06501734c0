"""Worker processes: results in order, errors that name the task, and nobody left behind, however
the owner ends."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from perfedavg.runtime.errors import PerfedavgError
from perfedavg.runtime.pool import Pool

NAMES = [f"client c{n}" for n in range(9)]


def process_and_product(factor, number):
    return os.getpid(), factor * number


def sleep_and_say_when(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return os.getpid(), began


def fail(kind, number):
    if number == 3:
        if kind == "bug":
            return 1 / 0
        if kind == "advice":
            raise PerfedavgError("Do this.")
        if kind == "exit":
            os._exit(7)
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def first_and_last_byte(memory, write):
    mapped = memory.map()
    found = mapped[0], mapped[memory.size - 1]
    mapped[memory.size - 1] = write
    return found


@pytest.fixture
def children():
    """The child processes that a test started and that still run."""
    before = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in before]


def run(pool, call, tasks, sizes=None, **more):
    return pool.run(call, [(task,) for task in tasks], NAMES, sizes or [0] * len(tasks), **more)


def test_results_are_in_the_order_of_the_tasks_and_of_several_processes(children):
    done = []
    with Pool(2) as pool:
        results = run(pool, partial(process_and_product, 10), range(9), done=done.append)
        assert [product for _, product in results] == [10 * n for n in range(9)]
        assert sorted(done) == list(range(9))
        assert {pid for pid, _ in results} <= {child.pid for child in children()}
        assert len(children()) == 2
        assert run(pool, partial(process_and_product, 2), [5])[0][1] == 10, (
            "another function, fewer tasks than workers"
        )
        assert len({pid for pid, _ in run(pool, sleep_and_say_when, [0.1, 0.1])}) == 2
    assert children() == []


def test_the_largest_tasks_start_first():
    with Pool(1) as pool:
        began = [began for _, began in run(pool, sleep_and_say_when, [0] * 4, sizes=[1, 5, 2, 5])]
    assert sorted(range(4), key=lambda n: began[n]) == [1, 3, 2, 0]


def test_memory_is_shared_and_grows():
    with Pool(2) as pool:
        small = pool.memory(10)
        small.map()[0] = 3
        assert run(pool, partial(first_and_last_byte, small), [4]) == [(3, 0)]
        assert small.map()[9] == 4
        large = pool.memory(100_000)
        assert pool.memory(50) == large
        assert run(pool, partial(first_and_last_byte, large), [5]) == [(3, 0)]
        assert large.map()[99_999] == 5


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("bug", "^client c3, in a worker process: unexpected ZeroDivisionError: division by zero"),
        ("advice", "^Do this.$"),
        ("exit", "^client c3: its worker process ended with exit code 7; "),
        ("kill", "^client c3: its worker process was ended by SIGKILL, perhaps for lack of memory"),
    ],
)
def test_errors_name_the_task_and_leave_no_process(kind, message, children):
    with Pool(2) as pool:
        with pytest.raises(PerfedavgError, match=message) as raised:
            run(pool, partial(fail, kind), range(9))
        assert children() == [], "before the pool is closed, too"
        assert ("return 1 / 0" in raised.value.trace) == (kind == "bug"), "for the log alone"
        assert run(pool, partial(fail, "none"), [1, 2]) == [1, 2], "and new ones can be had"


def test_a_worker_that_died_between_two_calls_is_an_error(children):
    with Pool(2) as pool:
        run(pool, partial(fail, "none"), [1, 2])
        for child in children():
            child.kill()
            while child.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
        with pytest.raises(
            PerfedavgError, match="client c0: its worker process was ended by SIGKILL"
        ):
            run(pool, partial(fail, "none"), [1, 2])
        assert children() == []


def test_an_interrupt_leaves_no_process(children):
    def interrupt(_):
        raise KeyboardInterrupt

    with Pool(2) as pool:
        with pytest.raises(KeyboardInterrupt):
            run(pool, partial(fail, "none"), range(9), done=interrupt)
        assert children() == []


OWNER = """
from perfedavg.runtime.pool import Pool
from tests.runtime.test_pool import sleep_and_say_when
with Pool(2) as pool:
    print("ready", flush=True)
    pool.run(sleep_and_say_when, [(60,), (60,)], ["a", "b"], [0, 0])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_owner(how):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    owner.stdout.readline()
    deadline = time.monotonic() + 60
    while len(workers := psutil.Process(owner.pid).children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(owner.pid, how)  # as a terminal does: to the owner's whole group
    _, errors = owner.communicate()
    assert errors.count(b"Traceback") == (how == signal.SIGINT), "of the owner alone"
    assert owner.returncode == -how
    assert len(workers) == 2
    assert psutil.wait_procs(workers, timeout=30)[1] == []
