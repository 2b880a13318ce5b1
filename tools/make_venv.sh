#!/bin/sh
# Make .venv from Python 3.11 or 3.12, trying each in turn; keep one that already serves.
set -eu
venv=${1:-.venv}

fits() { # prints nothing; succeeds when "$1" runs and is 3.11 or 3.12
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1
}

if fits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

found=
for python in python3.11 python3.12 python3 python; do
    fits "$python" || continue
    found="$found $python"
    rm -rf "$venv"
    if "$python" -m venv "$venv" >/dev/null 2>&1; then
        echo "$venv made with $("$python" --version 2>&1)"
        exit 0
    fi
done

rm -rf "$venv"
if [ -n "$found" ]; then
    echo "setup: no virtual environment could be made with$found; install the venv module (on Debian: python3-venv) and run make setup again." >&2
else
    echo "setup: Python 3.11 or 3.12 is needed and neither was found on PATH; install one and run make setup again." >&2
fi
exit 1
