"""The table as a page of Markdown, with the machine and the day of the run."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import memory_core

from .rows import Part, Row, number, ratio

_INTRODUCTION = """\
# Benchmarks

`make bench-report` wrote this page; `make bench` prints the same rows as they are measured, and
`python -m benchmarks saving querying` only those of the parts named.

## How to read the tables

- **Value** is Holdfast's. **Other** is what stands after the slash in the first column: the same
  work through plain mem0 or chromadb with the same embedder, another call of Holdfast's own, or a
  fixed limit.
- **Ratio** is value / other; below 1 Holdfast is faster or needs less. Both sides are measured in
  the same run: short calls alternately, by their median, so that other load on the machine meets
  both; imports of memories, migrations and counts of many users once; finding and drawing by the
  fastest of three. Between machines compare ratios, not milliseconds.
- **Target** is the largest ratio aimed at; a row beyond it is marked **over**. No test asserts a
  time.
- Rows in `calls` count requests and do not depend on the machine. Where one says *times*, as many
  of mem0's adds as it names were made and the rest reckoned from them.
- S3 Vectors is the stand-in (`standin`), in a process of its own on the same machine. Amazon
  answers far more slowly, so there the number of requests decides.
- A cold load is that of a browser that has seen nothing yet, on a server that was idle for 20
  seconds, until its figures are there and until its charts are drawn; in turns with a page of
  Streamlit's own that says one word.
- Clicks and keys are those of a hand in Chromium; seconds are its waits, and for itself those
  of the keystroke-level model (`benchmarks/tasks.py`).
- Recall is the share of the answering memories that are among the first 1, 3 or 10 found: a ratio
  above 1 is better.
"""
_HEADER = """\
| what | value | other | unit | ratio | target | note |
|---|--:|--:|---|--:|--:|---|
"""


def machine_facts() -> Mapping[str, str]:
    """Return what the figures depend on; never a name of the machine."""
    return {
        "Processor": f"{_cpu_model()}, {os.cpu_count()} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "Operating system": _operating_system(),
        "Python": platform.python_version(),
        "Versions": ", ".join(
            (
                f"Holdfast {memory_core.version.__version__}",
                f"mem0 {version('mem0ai')}",
                f"chromadb {version('chromadb')}",
            )
        ),
    }


def render_report(
    parts: Mapping[str, Part],
    rows: Mapping[str, Sequence[Row]],
    machine: Mapping[str, str],
    measured_at: datetime,
    *,
    tiny: bool,
) -> str:
    """Return the page, with a table for each part."""
    facts = "\n".join(f"- {name}: {fact}" for name, fact in machine.items())
    sections = [_INTRODUCTION, f"## The run\n\n- Date: {measured_at:%Y-%m-%d}\n{facts}\n"]
    if tiny:
        sections.append("This run was at the tiny size: its figures mean nothing.\n")
    for name, part in parts.items():
        sections.append(f"## {part.summary} (`{name}`)\n\n{_table(rows[name])}")
    return "\n".join(sections)


def _table(rows: Iterable[Row]) -> str:
    return _HEADER + "".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    remark = "; ".join(filter(None, ("**over**" if row.over_target else "", row.note)))
    numbers = [number(row.value), number(row.reference), row.unit, ratio(row.ratio)]
    cells = [row.title, *numbers, ratio(row.target), remark]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = re.search(r"^model name\s*: (.+)$", text, re.M)
    return model[1].strip() if model else platform.machine()


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
