#!/bin/sh
# Load examples/memories through the command line, as a person would: one upload for each file.
set -eu
python=$1
examples=examples/memories

for file in "$examples"/people/*.jsonl; do
    "$python" -m memory_core upload "$(basename "$file" .jsonl)" "$file" | head -1
done
for file in "$examples"/documents/*; do
    "$python" -m memory_core upload alice@example.com "$file" | head -1
done
"$python" -m memory_core users
