#!/usr/bin/env bash
# golden_output_test.sh PROGRAM FILE: runs PROGRAM and compares what it prints with FILE. With
# ARGENT_UPDATE_GOLDEN=1 in the environment the file is rewritten instead.
set -euo pipefail
program=$1 wanted=$2
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
"$program" > "$printed"
if [[ "${ARGENT_UPDATE_GOLDEN:-}" == 1 ]]; then
  cp "$printed" "$wanted"
fi
diff -u "$wanted" "$printed"
