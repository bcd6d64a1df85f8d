#!/usr/bin/env bash
# ./test --gpu [--dry-run]: everything that needs an NVIDIA GPU, in one go. Builds, then on the device
#   1. all op rows and their gradients equal the interpreter
#   2. LeNet-5, ResNet-20, and training steps of LeNet-5 and ModernCNN equal the processor
#   3. compute-sanitizer, where it is installed, finds nothing in a part of these
#   4. a table of time per network beside PyTorch (PEERS_PYTHON=PROGRAM names a Python that has it)
# --dry-run does the same on the driver of the tests, with a few rows and one network, without
# compute-sanitizer and PyTorch: that the command works, not that a GPU does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

dry=false
[ "${1:-}" != --dry-run ] || dry=true
say() { printf '\n== %s\n' "$*"; }

if [ -z "${ARGENT_BUILT:-}" ]; then
  scripts/setup.sh
  scripts/build.sh release argent_command argent_kc op_cases_compiled_test cuda_networks_test \
    fake_cuda
fi
build=${ARGENT_BUILT:-build}
export ARGENT_KC=$build/argent-kc ARGENT_TEST_TARGET=cuda
rows=$build/tests/op_cases_compiled_test networks=$build/tests/cuda_networks_test

if $dry; then
  export LD_LIBRARY_PATH=$build/tests/ptx/driver ARGENT_OP_CASES=relu
else
  export ARGENT_CUDA_NETWORKS=all
  command -v nvidia-smi > /dev/null && nvidia-smi -L
fi

say "op rows and their gradients"
"$rows" -tc='compiled rows*'
say "networks and training steps"
"$networks"

if ! $dry; then
  if sanitizer=$(command -v compute-sanitizer); then
    for tool in memcheck racecheck synccheck; do
      say "compute-sanitizer $tool"
      ARGENT_OP_CASES=pool "$sanitizer" --tool $tool --error-exitcode 1 "$rows" -tc='compiled rows*'
      ARGENT_CUDA_NETWORKS= "$sanitizer" --tool $tool --error-exitcode 1 "$networks" \
        -tc='LeNet-5*,training steps*'
    done
  else
    echo "skipped: compute-sanitizer is not installed"
  fi
fi

say "time per network"
python=${PEERS_PYTHON:-python3}
if $dry; then
  echo "dry run: the times are those of the tests' driver and mean nothing"
  python3 benchmarks/peers/gpu.py --alone --seconds 0 lenet5
elif "$python" -c 'import torch, safetensors; assert torch.cuda.is_available()' 2> /dev/null; then
  "$python" benchmarks/peers/gpu.py
else
  echo "skipped: PyTorch. PEERS_PYTHON=PROGRAM names a Python with torch for CUDA and safetensors"
  python3 benchmarks/peers/gpu.py --alone
fi
say "all GPU checks passed"
