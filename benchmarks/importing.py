"""How long `import memory_core` takes beside `import mem0`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .table import Row, medians_ms

_TIMES = 7


def measure(folder: Path) -> list[Row]:
    """Start interpreters that import one or the other; the empty interpreter is taken off."""

    def importer(code: str) -> None:
        quiet = {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder)}
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **quiet})

    empty, _ = medians_ms(lambda _: importer("pass"), lambda _: None, _TIMES)
    ours, theirs = medians_ms(
        lambda _: importer("import memory_core"), lambda _: importer("import mem0"), _TIMES
    )
    return [Row("import memory_core / import mem0", ours - empty, theirs - empty, "ms", 0.10)]
