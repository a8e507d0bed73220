#!/bin/sh
# Install what the dashboard runs on into the Python that is first on the path, as a host does
# when it builds: the versions of requirements.txt, and what they bring along by constraints.txt.
set -eu
cd "$(dirname "$0")/.."

python -m pip install --no-cache-dir --disable-pip-version-check \
    --requirement requirements.txt --constraint constraints.txt
if [ "${MEMORY_EMBEDDER:-}" = multilingual ]; then
    python -m pip install --no-cache-dir --disable-pip-version-check \
        --requirement requirements-multilingual.txt --constraint constraints.txt
fi
