"""One process of a simulated deployment.

Run as `python -m memory_core.redeploy_test.worker TASK RECEIPT`.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..activity import unnoted
from ..errors import BackendError, LedgerError, MemoryCoreError, NotIndexed
from ..model.encoder import encode
from ..service import open_service
from ..settings import Settings
from .deployment import begin, observe
from .receipt import from_file, write_receipt
from .records import clean_up
from .report import Observation

EXIT_NO_ANSWER = 3


def main(task: str, name: str, *arguments: str) -> dict[str, Any]:
    """Do a task and return its answer; the parent process writes the activity entry."""
    settings, path = Settings.from_env(), Path(name)
    if task == "write":
        with open_service(settings, migrate=False) as service:
            begin(
                service,
                int(arguments[0]),
                on_receipt=lambda receipt: write_receipt(receipt, path, settings),
                leave=False,
            )
        return {}
    receipt = from_file(path.read_bytes(), settings)
    if task == "clean":
        with open_service(settings, migrate=False) as service:
            return {"left": clean_up(service, receipt.run)}
    try:
        with open_service(settings, migrate=False) as service:
            observation, left = observe(service, receipt), None
            with suppress(MemoryCoreError):
                # The observations count even if the clean-up fails.
                left = clean_up(service, receipt.run)
            return {"seen": encode(observation), "left": left}
    except MemoryCoreError as exc:
        return {"seen": encode(Observation(None, error=str(exc))), "left": None}


if __name__ == "__main__":
    try:
        with unnoted():
            sys.stdout.write(json.dumps(main(*sys.argv[1:])))
    except MemoryCoreError as exc:
        sys.stderr.write(f"{exc}\n")
        no_answer = isinstance(exc, (BackendError, LedgerError, NotIndexed))
        sys.exit(EXIT_NO_ANSWER if no_answer else 1)
