#!/bin/sh
# Install a package of Debian, where that is allowed without a password; say something only if it
# takes long or fails.
set -eu
package=$1

command -v apt-get >/dev/null || exit 1
sudo=""
if [ "$(id -u)" != 0 ]; then
    sudo="sudo -n"
    $sudo true 2>/dev/null || exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing $package with apt-get ..."
install() {
    $sudo env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        apt-get -o DPkg::Lock::Timeout=120 install --yes --no-remove --no-install-recommends "$package" >"$log" 2>&1 </dev/null
}
$sudo apt-get update >"$log" 2>&1 </dev/null || true
install && exit 0
# An installation that was cut off has to be finished before the next.
$sudo dpkg --configure -a >/dev/null 2>&1 </dev/null && install && exit 0
tail -n 5 "$log" >&2
exit 1
