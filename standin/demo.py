"""The dashboard on the S3 backend without an AWS account: `make demo`.

The stand-in keeps what it is given in a folder, so that memories outlive the dashboard and this
process. No account can be reached: whatever the environment says of AWS is left out.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from botocore.exceptions import ClientError

from memory_core import open_service

from .profiles import PROFILES
from .standin import StandIn
from .state import DirectoryInUse

ROOT = Path(__file__).parent.parent
FOLDER = Path("data", "demo")
BUCKET = "holdfast-demo"
_LEFT_OUT = ("AWS_", "CHROMA_", "MEMORY_")


def main() -> int:
    """Serve until the dashboard ends; unknown arguments go on to `streamlit run`."""
    parser = argparse.ArgumentParser(prog="python -m standin.demo", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=FOLDER, help="keep everything there")
    parser.add_argument("--profile", default="aws", choices=[*PROFILES], help="whose manners")
    options, more = parser.parse_known_args()
    if options.state_dir == FOLDER and options.profile != "aws":
        # Each server keeps its own memories.
        options.state_dir = FOLDER.with_name(f"{FOLDER.name}-{options.profile}")
    for name in [name for name in os.environ if name.startswith(_LEFT_OUT)]:
        del os.environ[name]
    try:
        standin = StandIn(options.state_dir, profile=options.profile).start()
    except DirectoryInUse as exc:
        print(f"The demo runs already: {exc}.", file=sys.stderr)
        return 1
    try:
        os.environ.update(standin.environ(), AWS_S3_BUCKET=BUCKET, MEMORY_EMBEDDER="local")
        if standin.profile.manners.vector_bucket == "unshared":
            os.environ["MEMORY_VECTOR_BUCKET"] = f"{BUCKET}-vectors"
        _fill(standin)
        title = standin.profile.title
        print(f"The stand-in for {title} keeps its state in {options.state_dir}.", flush=True)
        command = [sys.executable, "-m", "streamlit", "run", "app.py", *more]
        dashboard = subprocess.Popen(command, cwd=ROOT)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dashboard.terminate())
        code = dashboard.wait()
        return 0 if code == -signal.SIGTERM else code
    finally:
        standin.stop()


def _fill(standin: StandIn) -> None:
    """Make the bucket, and load the example memories where nobody has saved any."""
    try:
        standin.client("s3").create_bucket(Bucket=BUCKET)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    with open_service() as service:
        if service.status().since:
            return
        print("Loading the example memories (once) ...", flush=True)
        for path in sorted((ROOT / "examples" / "memories" / "people").glob("*.jsonl")):
            service.add_document(path.stem, path.name, path.read_bytes(), isolate=False)


if __name__ == "__main__":
    sys.exit(main())
