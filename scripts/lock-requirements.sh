#!/bin/sh
# Write requirements.lock and requirements-dev.lock: every package of requirements.txt and
# requirements-dev.txt and what these bring along, for each platform, with the hashes of its files.
# The versions are those of constraints.txt; run it after a change of one of the three.
set -eu
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/python" -m pip install --quiet uv==0.13.9

lock() {
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --constraint constraints.txt --no-header --no-annotate --no-emit-index-url "$1"
}

lock requirements.txt >"$tools/run"
lock requirements-dev.txt >"$tools/dev"
how="# Made by scripts/lock-requirements.sh; pip refuses a file with another hash."
{ echo "$how"; cat "$tools/run"; } >requirements.lock
# The packages that the first file does not have.
{ echo "$how"; echo "-r requirements.lock"
  awk 'FNR == NR { seen[$0]; next } /^[^ ]/ { new = !($0 in seen) } new' "$tools/run" "$tools/dev"
} >requirements-dev.lock
