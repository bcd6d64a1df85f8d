#!/usr/bin/env bash
# scripts/build.sh [PRESET] [TARGET …]: configures a preset of CMakePresets.json (default: release)
# where that is not done yet, and builds it, with a progress line when the output is a terminal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:-release}
shift || true
case $preset in
  release) build=build ;;
  *) build=build-$preset ;;
esac

if [ ! "$build/build.ninja" -nt CMakePresets.json ]; then
  .venv/bin/cmake --preset "$preset" -DCMAKE_MAKE_PROGRAM="$PWD/.venv/bin/ninja"
fi

# One compiler process takes up to 1.5 GB where Halide or LLVM headers are read.
memory_kb=$(awk '/^MemAvailable/ {print $2}' /proc/meminfo)
jobs=$(nproc)
most=$((memory_kb / 1500000))
[ "$most" -ge 1 ] || most=1
[ "$jobs" -le "$most" ] || jobs=$most

# %f of %t steps done, %P per cent, %e seconds gone, %W left; a ninja older than ours, in a folder
# that was configured by hand, does not know %P and %W.
export NINJA_STATUS="[%f/%t]  %es  "
ninja=$(sed -n 's/^CMAKE_MAKE_PROGRAM:[A-Z]*=//p' "$build/CMakeCache.txt")
if [ "$ninja" -ef .venv/bin/ninja ]; then
  NINJA_STATUS="[%f/%t] %P  %es, %W left  "
fi
exec .venv/bin/cmake --build "$build" -j "$jobs" ${@:+--target "$@"}
