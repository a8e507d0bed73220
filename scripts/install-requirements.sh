#!/bin/sh
# Install a file of requirements, each with its hashes, into .venv. The file .venv/installing is there until pip is done:
# where it is left, an installation was cut off, and the Makefile has .venv made anew.
set -eu
requirements=$1

: >.venv/installing
code=0
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --requirement "$requirements" || code=$?
rm .venv/installing
exit $code
