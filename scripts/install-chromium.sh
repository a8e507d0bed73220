#!/bin/sh
# Get a Chromium for the browser tests: its headless shell, which takes the least, any that is
# there, Debian's packages, or Playwright's own; and the one library of the system that
# Playwright's Node.js needs. Where they cannot be had, the browser tests say so and fail;
# nothing else depends on it.
set -eu
python=$1

playwright_works() { "$python" -m playwright --version >/dev/null 2>&1; }

chromium_is_there() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return 0
    done
    return 1
}

install_chromium_of_playwright() {
    echo "Installing Playwright's Chromium ..."
    "$python" -m playwright install --only-shell chromium
}

if ! playwright_works; then
    sh scripts/install-package.sh libatomic1 || true
    playwright_works || {
        echo "Playwright does not start; the browser tests will fail. On Debian install libatomic1." >&2
        exit 1
    }
fi
command -v chromium-headless-shell >/dev/null && exit 0
if chromium_is_there; then
    # It does as well, only slower.
    sh scripts/install-package.sh chromium-headless-shell 2>/dev/null || true
    exit 0
fi
sh scripts/install-package.sh chromium-headless-shell || sh scripts/install-package.sh chromium ||
    install_chromium_of_playwright || {
    echo "No Chromium could be installed; the browser tests will fail and say so." >&2
    exit 1
}
