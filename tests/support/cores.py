"""Keeps the threads of a process of the tests on one core, where they take a tenth less time.

A test's client and its server are threads of one process, and Python runs one of them at a time.
Each request wakes the other: on a second core that takes longer than what it then does, most of
all on a virtual machine. A test that starts processes has all cores, and so have they.
"""

from __future__ import annotations

import os
from collections.abc import Set

import pytest

ALL = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
"""The cores that the run may use; none where a process cannot choose, as on macOS."""

_FREE = {"browser", "process"}

_put_on: Set[int] = ALL


def cores_of(worker: int, workers: int, cores: Set[int] = ALL) -> Set[int]:
    """Return the core of one of several workers, numbered from 0.

    Those that are left over, one of three on two cores, take whichever is free.
    """
    left_over = workers % len(cores) if workers > len(cores) else 0
    if worker < left_over:
        return cores
    return {sorted(cores)[(worker - left_over) % len(cores)]}


def put_on(cores: Set[int]) -> None:
    """Let all threads of this process run on these cores alone, and those that they start."""
    global _put_on
    if cores == _put_on:
        return
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), cores)
        except ProcessLookupError:
            # It has ended meanwhile.
            continue
    _put_on = cores


def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Choose the cores of a test in a run of several processes."""
    given = getattr(item.config, "workerinput", None)
    if given is None or not ALL:
        return
    own = cores_of(int(given["workerid"].removeprefix("gw")), given["workercount"])
    put_on(ALL if _FREE & {mark.name for mark in item.iter_markers()} else own)
