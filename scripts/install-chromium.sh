#!/bin/sh
# Get a Chromium for the browser tests: one that is there, Debian's package, or Playwright's own.
# Where none can be had, the browser tests say so and fail; nothing else depends on it.
python=$1

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if command -v apt-get >/dev/null 2>&1 && $sudo true 2>/dev/null; then
    echo "Installing Chromium with apt-get ..."
    $sudo apt-get update -qq && $sudo apt-get install -y -qq chromium >/dev/null && exit 0
fi

echo "Installing Playwright's Chromium ..."
"$python" -m playwright install chromium ||
    echo "No Chromium could be installed; the browser tests will fail and say so." >&2
exit 0
