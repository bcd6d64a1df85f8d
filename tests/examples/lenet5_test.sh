#!/usr/bin/env bash
# lenet5_test.sh LENET5: what quickstart does after the build. Runs the example program LENET5 on the
# sample of MNIST in the tree, then builds and runs the client of the library it makes.
set -euo pipefail
lenet5=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

"$lenet5" "$source/data/mnist-sample" | tee out.txt
accuracy=$(sed -n 's/^test accuracy \([0-9.]*\) %$/\1/p' out.txt)
awk -v accuracy="$accuracy" 'BEGIN {exit !(accuracy >= 96.5)}' || {
  echo "test accuracy '$accuracy' is below 96.5 %"
  exit 1
}
for file in lenet5.so lenet5.h lenet5.safetensors digits.f32; do
  [ -s "$file" ] || { echo "no $file"; exit 1; }
done

# A run that is stopped says so and leaves nothing.
mkdir stopped
(cd stopped && exec "$lenet5" "$source/data/mnist-sample") 2> said.txt &
run=$!
until grep -q '^epoch 1/5' said.txt; do
  kill -0 $run || { cat said.txt; echo "it ended by itself"; exit 1; }
  sleep 0.2
done
kill -TERM $run
status=0
wait $run || status=$?
[ "$status" = 1 ] && grep -q '^stopped: nothing is saved$' said.txt || {
  cat said.txt
  echo "a stopped run ended with $status"
  exit 1
}
[ -z "$(ls stopped)" ] || { echo "a stopped run left $(ls stopped)"; exit 1; }

# The library needs libc and libm alone.
if readelf -d lenet5.so | grep NEEDED | grep -vE '\[(libc|libm)\.so\.6\]'; then
  echo "lenet5.so needs the libraries above"
  exit 1
fi

g++ -std=c++17 -O2 -Wall -Wextra -Werror -o digits "$source/examples/cpp_client/digits.cpp" -I. \
  ./lenet5.so -Wl,-rpath,'$ORIGIN'
./digits | tee read.txt
# The first ten test images are 7 2 1 0 4 1 4 9 5 9; one may be misread.
right=$(paste -d' ' <(printf '%s\n' 7 2 1 0 4 1 4 9 5 9) \
  <(sed -n 's/^\([0-9]\), read in .*/\1/p' read.txt) | awk '$1 == $2' | wc -l)
[ "$right" -ge 9 ] || { echo "only $right of ten digits read right"; exit 1; }
