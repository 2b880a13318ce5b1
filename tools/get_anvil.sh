#!/bin/sh
# Install the pinned anvil with npm and link its binary into the virtual environment.
# The binary itself is linked, because the Node wrapper leaves it running when it is killed.
# Without npm the set-up goes on: what needs a chain then says so itself.
set -eu
venv=${1:-.venv}

binary() {
    for path in node_modules/@foundry-rs/anvil-*/bin/anvil; do
        [ -x "$path" ] && echo "$path" && return 0
    done
    return 1
}

say() {
    echo "setup: $1; an anvil of version 1.5 or later on PATH serves as well." >&2
    exit 1
}

command -v npm >/dev/null 2>&1 || say "npm was not found, so the pinned anvil was not installed (install Node.js 20 or later)"
npm install --no-progress --loglevel=error >/dev/null || say "npm could not install the pinned anvil"
# The lock lists the platforms it was made with; any other resolves the same exact version.
binary >/dev/null || npm install --no-package-lock --no-progress --loglevel=error >/dev/null || true
anvil=$(binary) || say "npm has no anvil for this platform"
ln -sf "../../$anvil" "$venv/bin/anvil"
