"""How long `import memory_core` takes beside `import mem0`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

from .rows import Row, Size

_CODE = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def measure(size: Size, folder: Path) -> Iterator[Row]:
    """Start interpreters that import one or the other, alternately, and time themselves."""
    environ = {**os.environ, "MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder)}
    spent: dict[str, list[float]] = {"memory_core": [], "mem0": []}
    for _ in range(size.long_calls):
        for module, seconds in spent.items():
            command = [sys.executable, "-c", _CODE.format(module=module)]
            done = subprocess.run(
                command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True
            )
            seconds.append(float(done.stdout))
    ours, theirs = (statistics.median(seconds) * 1000 for seconds in spent.values())
    yield Row("import memory_core", ours, "ms", "import mem0", theirs, 0.10)
