#!/usr/bin/env bash
# scripts/setup.sh: installs what building Argent needs and is not there yet.
#   apt packages   scripts/apt-packages.txt, system-wide (needs root, or sudo without a password)
#   .venv/         cmake, ninja, Halide and ptxas at the versions of scripts/requirements.txt
# Never asks. When everything is there it changes nothing and takes a fraction of a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=.cache/setup.log
mkdir -p .cache
: > "$log"

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Runs a command with its output in the log; shows the log's end when the command fails.
logged() {
  printf '+ %s\n' "$*" >> "$log"
  if ! "$@" >> "$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "'$*' failed; the whole output is in $log"
  fi
}

# The entries of a list file: first word of each line, comments left out.
entries() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

missing_packages() {
  comm -23 <(entries scripts/apt-packages.txt | sort) \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^ii  *//p' | sort)
}

install_packages() {
  command -v dpkg-query > /dev/null ||
    fail "this script knows Debian's packages only; install the counterparts of scripts/apt-packages.txt"
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0

  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2> /dev/null ||
      fail "needs root, or sudo without a password, to install packages. Run this as root, then again:
  apt-get update && apt-get install -y --no-install-recommends" $missing
    as_root=(sudo -n)
  fi
  echo "setup: installing" $missing
  logged "${as_root[@]}" apt-get update
  # shellcheck disable=SC2086  # one word per package
  logged "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing
}

# True when .venv runs and holds every pinned version.
venv_complete() {
  .venv/bin/cmake --version > /dev/null 2>&1 || return 1
  local pin name
  for pin in $(entries scripts/requirements.txt); do
    name=${pin%%==*}
    name=${name//-/_}-${pin##*==}
    compgen -G ".venv/lib/python3*/site-packages/$name.dist-info" > /dev/null || return 1
  done
}

install_venv() {
  venv_complete && return 0
  echo "setup: filling .venv with" $(entries scripts/requirements.txt)
  # .venv may be a link to a venv shared with other checkouts: add to it, never empty it.
  if ! .venv/bin/python -m pip --version > /dev/null 2>&1; then
    rm -rf .venv
    # Debian's own Python: the one whose venv module the package list brings.
    logged /usr/bin/python3 -m venv .venv
  fi
  logged .venv/bin/python -m pip install --disable-pip-version-check --no-deps \
    -r scripts/requirements.txt
}

install_packages
install_venv
