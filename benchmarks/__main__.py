"""`make bench`: ratios to the same work through chromadb alone or plain mem0, in one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .parts import PARTS
from .report import machine_facts, render_report
from .rows import FULL, TINY, Part
from .runner import run_parts


def main(arguments: Sequence[str], parts: Mapping[str, Part] = PARTS) -> int:
    """Run the parts named, or all, and return the exit code: 1 where one failed."""
    parser = _parser(parts)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.part if name not in parts]
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; choose from {', '.join(parts)}")
    chosen = {name: parts[name] for name in options.part or parts}
    results = run_parts(chosen, TINY if options.tiny else FULL)
    if results.failures:
        if options.report:
            print(f"{options.report} was not written.", file=sys.stderr)
        return 1
    if options.report:
        text = render_report(
            chosen, results.rows, machine_facts(), datetime.now(UTC), tiny=options.tiny
        )
        options.report.write_text(text, encoding="utf-8")
        print(f"{options.report} was written.")
    return 0


def _parser(parts: Mapping[str, Part]) -> argparse.ArgumentParser:
    summaries = "".join(f"\n  {name:<18}{part.summary}" for name, part in parts.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Holdfast beside plain mem0 and chromadb, as ratios.",
        epilog=f"parts:{summaries}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="*", help="a part to run; all without a name")
    parser.add_argument(
        "--tiny", action="store_true", help="check that the parts run; the figures mean nothing"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the table as Markdown if no part fails"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
