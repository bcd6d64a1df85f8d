#!/usr/bin/env bash
# scripts/test_data.sh FOLDER: prepares the data sets of FOLDER for the tests and prints the path to
# put into ARGENT_DATA.
#
# FOLDER holds data sets, some packed, and unpack.py, which unpacks them into a folder given to it.
# ARGENT_DATA is one folder with both: links to everything in FOLDER, and beside them what unpack.py
# made (cifar-10-batches-bin/, mnist/*-ubyte, fsdd/, onnx_node/). It is kept under .cache/ and made
# again when unpack.py changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

source=$(cd "${1:?usage: scripts/test_data.sh FOLDER}" && pwd)
data=$PWD/.cache/test-data
venv=.cache/data-venv
stamp=$(printf '%s ' "$source"; sha256sum < "$source/unpack.py")

if [ "$(cat "$data/.complete" 2> /dev/null)" != "$stamp" ]; then
  if ! "$venv/bin/python" -c 'import numpy, PIL' 2> /dev/null; then
    /usr/bin/python3 -m venv "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      numpy==2.2.6 pillow==11.3.0 >&2
  fi
  rm -rf "$data"
  mkdir -p "$data"
  "$venv/bin/python" "$source/unpack.py" "$data" >&2
  for entry in "$source"/*; do
    name=$(basename "$entry")
    if [ ! -e "$data/$name" ]; then
      ln -s "$entry" "$data/$name"
    elif [ -d "$entry" ]; then
      for file in "$entry"/*; do ln -s "$file" "$data/$name/"; done
    fi
  done
  printf '%s\n' "$stamp" > "$data/.complete"
fi
printf '%s\n' "$data"
