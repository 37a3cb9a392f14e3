#!/bin/sh
# Sets everything up in .venv, from pinned and hashed requirements. Safe to repeat; quick when nothing has changed.
#   ./setup.sh          what a sweep needs
#   ./setup.sh test     and what the tests need besides: a browser to open the report in
set -eu
cd "$(dirname "$0")"

# What Blender links against, and the photographs of configs/quickstart.yaml.
packages="libx11-6 libxext6 libxrender1 libxxf86vm1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 libgomp1"
packages="$packages dataset-fashion-mnist"
[ "${1:-}" = test ] && packages="$packages chromium"

say() { echo "setup: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

apt_updated=
apt_install() {
    command -v apt-get >/dev/null || return 1
    if [ -z "$apt_updated" ]; then as_root apt-get update -qq >/dev/null 2>&1 || return 1; apt_updated=yes; fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

# A package that could not be had is not asked for again until .venv is made anew.
refused=".venv/.not-installable"
missing=
for package in $packages; do
    if grep -qsx "$package" "$refused"; then continue; fi
    # Since Ubuntu 24.04 and Debian 13 some of these are virtual, provided by a package of another name.
    if ! dpkg-query -W -f='${Status} ${Provides}\n' "$package" 2>/dev/null | grep -q '^install ok installed' &&
        ! dpkg-query -W -f='${Status} ${Provides}\n' 2>/dev/null | grep '^install ok installed' | grep -qw "$package"; then
        missing="$missing $package"
    fi
done
if [ -n "$missing" ]; then
    say "installing system packages:$missing"
    for package in $missing; do
        apt_install "$package" || failed="${failed:-} $package"
    done
    if [ -n "${failed:-}" ]; then
        say "could not install$failed; install it by hand: apt-get install$failed"
        [ ! -d .venv ] || printf '%s\n' $failed >>"$refused"
    fi
fi

stamp=".venv/.set-up-$(cat setup.sh pyproject.toml requirements.txt requirements-assets.txt requirements-uv.txt | sha256sum | cut -c1-16)"

# Where the distribution has no chromium of its own (Ubuntu's is a snap), playwright fetches one.
browser() {
    [ "${1:-}" = test ] || return 0
    if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then return 0; fi
    .venv/bin/python -m playwright install --with-deps chromium >/dev/null 2>&1 ||
        say "no browser: the tests that open the report in one are skipped; install chromium"
}

if [ -e "$stamp" ]; then
    browser "$@"
    exit 0
fi

if command -v uv >/dev/null; then
    uv=uv
else
    # Debian's python3 comes without venv and pip.
    if [ ! -x .uv/bin/uv ]; then
        say "fetching uv"
        rm -rf .uv
        python3 -m venv .uv >/dev/null 2>&1 || { rm -rf .uv; apt_install python3-venv && python3 -m venv .uv >/dev/null; } || {
            rm -rf .uv
            say "uv cannot be fetched without Python's venv module; install it: apt-get install python3-venv"
            exit 1
        }
        .uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt
    fi
    uv=.uv/bin/uv
fi

say "installing into .venv (about 6 GB; a minute or two)"
[ -x .venv/bin/python ] || "$uv" venv -q --python 3.11 .venv || {
    say "Blender's wheels need CPython 3.11, which was neither found nor fetched; install python3.11"
    exit 1
}
install="$uv pip install -q --python .venv/bin/python"
$install --compile-bytecode --require-hashes -r requirements.txt
$install --require-hashes --no-deps -r requirements-assets.txt
$install --no-deps --no-build-isolation -e .
touch "$stamp"
browser "$@"
say "done"
