#!/bin/sh
# Get a Chromium for the browser tests: one that is there, Debian's package, or Playwright's own.
# Where none can be had, the browser tests say so and fail; nothing else depends on it.
set -eu
python=$1

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done

sh scripts/install-package.sh chromium && exit 0

echo "Installing Playwright's Chromium ..."
"$python" -m playwright install chromium || {
    echo "No Chromium could be installed; the browser tests will fail and say so." >&2
    exit 1
}
