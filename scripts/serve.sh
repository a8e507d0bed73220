#!/bin/sh
# Serve the dashboard on every interface, on the port that the host names. Without a login it
# refuses to start; docs/operations.md says which variables to set.
set -eu
cd "$(dirname "$0")/.."

exec python -m streamlit run app.py \
    --server.address 0.0.0.0 --server.port "${PORT:-8501}" "$@"
