#!/bin/sh
# Makes .venv with the first Python of at least 3.11 that can make one.
set -eu
[ -x .venv/bin/python ] && exit 0
for python in python3.13 python3.12 python3.11 python3.14 python3 python; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    "$python" -m venv .venv && exit 0
    rm -rf .venv
done
echo "No Python of at least 3.11 with venv was found (on Debian: apt-get install python3-venv)." >&2
exit 1
