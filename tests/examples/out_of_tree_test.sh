#!/usr/bin/env bash
# out_of_tree_test.sh CMAKE NINJA BUILD_FOLDER: installs Argent, moves the prefix, then builds and
# runs examples/out_of_tree against it.
set -euo pipefail
cmake=$1 ninja=$2 build=$3
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$cmake" --install "$build" --prefix "$scratch/first" > "$scratch/install.log"
mv "$scratch/first" "$scratch/moved"
prefix=$scratch/moved

# A prefix that can be moved knows neither where it was built nor where it was first.
if grep -rIl -e "$source" -e "$scratch/first" "$prefix" --include='*.cmake' --include='*.h'; then
  echo "the files above hold paths of this machine"
  exit 1
fi
for binary in "$prefix"/bin/argent "$prefix"/lib/libargent.so "$prefix"/libexec/argent/argent-kc; do
  if readelf -d "$binary" | grep -E 'R(UN)?PATH' | grep -vF '[$ORIGIN'; then
    echo "$binary looks for libraries outside the prefix"
    exit 1
  fi
done
ldd "$prefix/libexec/argent/argent-kc" | grep -F "$prefix/libexec/argent/libHalide.so"
"$prefix/bin/argent" --version

# Users' programs read Argent's headers and the standard library's, no other library's.
printf '#include <argent/argent.h>\n' > "$scratch/user.cpp"
c++ -std=c++20 -M -I "$prefix/include" -I "$prefix/include/argent" "$scratch/user.cpp" |
  tr ' \\' '\n\n' | sed '/^$/d' > "$scratch/read"
grep -q "^$prefix/include/argent/ir/graph.h$" "$scratch/read"
if grep -E '/(fmt|nlohmann|CLI|llvm[^/]*|[Hh]alide|doctest)/|Halide' "$scratch/read"; then
  echo "argent.h reads the headers above"
  exit 1
fi

# Nothing of the build tree may help.
env -u ARGENT_KC "$cmake" -S "$source/examples/out_of_tree" -B "$scratch/build" -G Ninja \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_MAKE_PROGRAM="$ninja"
"$cmake" --build "$scratch/build"
"$scratch/build/show" | tee "$scratch/shown"
grep -q '^1370 parameters$' "$scratch/shown"
"$scratch/build/classify" | tee "$scratch/classified"
grep -qE '^class [0-9], compiled for x86-64-v[23]$' "$scratch/classified"
ARGENT_CPU=x86-64-v2 "$scratch/build/classify" | grep '^class [0-9], compiled for x86-64-v2$'

# Any C program can open the network, knowing the C ABI alone.
cc -std=c99 -Wall -Wextra -Werror -pedantic "$source/examples/c_client/describe.c" \
  -I "$prefix/include" -ldl -o "$scratch/describe"
"$scratch/describe" "$scratch/build/net.argent/net.so" | tee "$scratch/described"
grep -q 'input image \[1, 1, 16, 16\], 1024 bytes' "$scratch/described"
grep -q 'output logits \[1, 10\], 40 bytes' "$scratch/described"
grep -q 'microseconds$' "$scratch/described"
if "$scratch/describe" "$prefix/lib/libargent.so" 2> "$scratch/refused"; then
  echo "describe took a library that holds no network"
  exit 1
fi
grep -q argent_model "$scratch/refused"
