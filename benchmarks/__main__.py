"""`make bench`: ratios to the same work through chromadb alone or plain mem0, in one run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import dashboard_memory, importing, migrating, querying, retrieval, s3, saving, users
from .table import Row, print_table


def main() -> None:
    """Measure everything and print one table; nothing is asserted."""
    rows: list[Row] = []
    for measured in (importing, saving, querying, s3, migrating, users, dashboard_memory):
        with tempfile.TemporaryDirectory() as folder:
            rows += measured.measure(Path(folder))
    print_table(rows)
    print()
    retrieval.main([])


if __name__ == "__main__":
    main()
