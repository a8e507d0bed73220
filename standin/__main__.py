"""Run the stand-in as a process: prints its endpoints as one JSON line, ends on SIGTERM."""

from __future__ import annotations

import argparse
import json
import signal
import threading

from .profiles import PROFILES
from .standin import REGION, StandIn


def main() -> None:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m standin", description=__doc__)
    parser.add_argument("--state-dir", help="keep everything stored in this directory")
    parser.add_argument("--port", type=int, default=0, help="of S3 Vectors; 0 picks one")
    parser.add_argument("--s3-port", type=int, default=0, help="of S3; 0 picks one")
    parser.add_argument("--region", default=REGION, help="for the printed environment")
    parser.add_argument("--profile", default="aws", choices=[*PROFILES], help="whose manners")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with StandIn(
        options.state_dir,
        port=options.port,
        s3_port=options.s3_port,
        region=options.region,
        profile=options.profile,
    ) as standin:
        ready = {
            "url_s3vectors": standin.url_s3vectors,
            "url_s3": standin.url_s3,
            "environ": standin.environ(),
        }
        print(json.dumps(ready), flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
