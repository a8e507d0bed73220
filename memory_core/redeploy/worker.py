"""One process of a simulated deployment: `python -m memory_core.redeploy.worker TASK RECEIPT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import MemoryCoreError
from ..service import open_service
from ..settings import Settings
from .receipts import Receipt, from_file, to_file
from .testing import begin, clean_up, observe
from .values import Observation, to_json


def write_receipt(path: Path, receipt: Receipt, settings: Settings) -> None:
    """Write the file at once and whole, so that it can be read at any moment."""
    staged = path.with_name(f"{path.name}.new")
    staged.write_bytes(to_file(receipt, settings))
    os.replace(staged, path)


def main(task: str, name: str, *arguments: str) -> dict[str, Any]:
    """Do a task and return what is to be said of it."""
    settings, path = Settings.from_env(), Path(name)
    if task == "write":
        with open_service(settings) as service:
            begin(
                service,
                int(arguments[0]),
                on_receipt=lambda receipt: write_receipt(path, receipt, settings),
            )
        return {}
    receipt = from_file(path.read_bytes(), settings)
    if task == "clean":
        with open_service(settings) as service:
            return {"left": clean_up(service, receipt.run)}
    try:
        with open_service(settings) as service:
            return to_json(observe(service, receipt))
    except MemoryCoreError as exc:
        return to_json(Observation(None, error=str(exc)))


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(main(*sys.argv[1:])))
    except MemoryCoreError as exc:
        sys.exit(str(exc))
