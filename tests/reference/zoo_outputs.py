#!/usr/bin/env python3
"""Records what PyTorch's networks answer, for the networks of the zoo that have one there.

    python3 tests/reference/zoo_outputs.py            # all of them
    python3 tests/reference/zoo_outputs.py vit_b_16   # these; the others stay as recorded

writes zoo_outputs.npz beside this script. Needs torch, torchvision, timm and numpy; the tests need
none. Inputs and weights are drawn by name (value_of, and the same in tests/zoo_values.h), so an
output that agrees says that names, shapes and the computation agree. Arrays per network NAME:

    NAME:input    i64    shape of the input, which is drawn under the name "input"
    NAME:classes  i64[1]
    NAME:output   f64[n] every k-th number of the output, k = ceil(numbers / LIMIT)
    NAME:error    f64[1] PyTorch's own error in f32 against f64, over the largest |output|
    NAME:macs     i64[1] multiply-accumulates of the network at its full size, one example
"""
import math
import pathlib
import sys

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))
from philox_init import draw  # noqa: E402
from zoo_networks import NETWORKS  # noqa: E402

SEED, LIMIT = 1, 1000


def value_of(name, shape):
    """Float32 of `shape`, such that every parameter counts and activations stay moderate."""
    count = math.prod(shape)
    if name.endswith("running_var"):
        return 1 + draw(name, shape, "uniform", 0.25, SEED)
    if name.endswith("bias") or name.endswith("running_mean"):
        return draw(name, shape, "uniform", 0.25, SEED)
    if not shape or count == shape[0]:  # scales of normalisations, of channels
        return 1 + draw(name, shape, "uniform", 0.25, SEED)
    return draw(name, shape, "kaiming_uniform", 2 ** 0.5, SEED)


def fill(model):
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            values = value_of(name, tuple(tensor.shape)).astype(np.float32)
            tensor.copy_(torch.from_numpy(np.asarray(values)))


def output_of(model, image):
    with torch.no_grad():
        return model(image).double().flatten()


def multiply_accumulates(model, shape):
    """At the published size; on tensors without data."""
    torch.backends.mha.set_fastpath_enabled(False)  # it is not counted
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.to("meta")(torch.zeros((1, *shape), device="meta"))
    return counter.get_total_flops() // 2


def record(name):
    network = NETWORKS[name]
    full = network.build(network.classes).eval()
    arrays = {"macs": np.array([multiply_accumulates(full, network.full_shape)])}
    model = (network.small or network.build)(network.test_classes).eval()
    fill(model)
    image = torch.from_numpy(draw("input", network.test_shape, "normal", 1.0, SEED))
    single = output_of(model, image)
    output = output_of(model.double(), image.double())
    range_ = output.abs().max()
    assert 1e-3 < range_ < 1e6 and output.std() > 0.01 * range_, (name, range_, output.std())
    step = -(-output.numel() // LIMIT)
    arrays |= {"input": np.array(network.test_shape), "classes": np.array([network.test_classes]),
               "output": output[::step].numpy(),
               "error": np.array([float((single - output).abs().max() / range_)])}
    print(f"{name}: range {range_:.4g}, error of f32 {arrays['error'][0]:.2g}, "
          f"{arrays['macs'][0] / 1e9:.3f} GMAC", flush=True)
    return {f"{name}:{key}": array for key, array in arrays.items()}


def main():
    torch.manual_seed(0)
    target = HERE / "zoo_outputs.npz"
    wanted = sys.argv[1:] or list(NETWORKS)
    arrays = {}
    if sys.argv[1:] and target.exists():
        with np.load(target) as archive:
            arrays = {key: archive[key] for key in archive.files
                      if key.split(":")[0] not in wanted}
    for name in wanted:
        arrays |= record(name)
    np.savez_compressed(target, **dict(sorted(arrays.items())))
    print(f"{target.name}: {math.ceil(target.stat().st_size / 1024)} KiB")


if __name__ == "__main__":
    main()
