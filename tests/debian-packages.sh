#!/bin/sh
# Installs the named Debian packages where that is allowed, and otherwise says which command would.
missing=""
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
install="apt-get install -y --no-install-recommends$missing"
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && $install -qq; } >/dev/null 2>&1 && exit 0
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    echo "Installing Debian packages:$missing"
    { sudo apt-get update -qq && sudo $install -qq; } >/dev/null 2>&1 && exit 0
fi
echo "These Debian packages are missing and could not be installed:$missing"
echo "Install them with:  sudo $install"
exit 1
