#!/bin/sh
# Install what the dashboard runs on into the Python that is first on the path, as a host does
# when it builds: the files that requirements.lock names by their hashes.
set -eu
cd "$(dirname "$0")/.."

python -m pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --requirement requirements.lock
