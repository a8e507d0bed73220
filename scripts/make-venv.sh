#!/bin/sh
# Make the folder .venv with the Python that is named, whatever was left there by an attempt before.
# Debian's python3 alone cannot fill it: then virtualenv or pip do, or the package it lacks is
# installed, where that is allowed without a password.
set -eu
python=$1

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Holdfast needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2
    exit 1
}
# Made before .venv/venv.stamp was written, and in use.
if [ -e .venv/run.stamp ] && [ -x .venv/bin/python ]; then
    exit 0
fi
package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')

venv_works() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
with_venv() { "$python" -m venv --clear .venv; }
with_virtualenv() {
    "$python" -m virtualenv --quiet --clear .venv 2>/dev/null ||
        virtualenv --quiet --clear --python "$python" .venv 2>/dev/null
}
with_pip() {
    "$python" -m pip --version >/dev/null 2>&1 &&
        "$python" -m venv --clear --without-pip .venv &&
        "$python" -m pip --quiet --python .venv/bin/python install pip
}

if venv_works; then
    with_venv
elif with_virtualenv || with_pip; then
    exit 0
elif sh scripts/install-package.sh "$package" && venv_works; then
    with_venv
else
    echo "Could not make .venv: $python lacks ensurepip; on Debian install $package first." >&2
    exit 1
fi
