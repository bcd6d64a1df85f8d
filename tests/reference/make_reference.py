#!/usr/bin/env python3
"""Records what PyTorch computes for every row of the table of op cases.

    build/tests/export_cases | tests/reference/make_reference.py

reads the rows (graphs, operands, gradients dy of the results) and writes op_cases.npz beside this
script: "ROW:y0" and so on for the results, "ROW:grad.x0" for the gradients of sum(y * dy), and
"ROW:digest". Needs torch and numpy; the tests need neither.

Every op is written here a second time, with PyTorch's own function where there is one; gradients
are PyTorch's autograd, never ours. Rows in DIRECT are not evaluated node by node but as a whole.
"""
import itertools
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

import ops_conv
import ops_random
import ops_window

DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8,
    "u64": torch.int64, "u32": torch.int64, "u16": torch.int32, "u8": torch.uint8,
    "bool": torch.bool,
}


def to_tensor(array):
    return torch.tensor(array["data"], dtype=DTYPES[array["dtype"]]).reshape(array["shape"])


def broadcast(a, type_, x):
    shape = [1] * len(type_["shape"])
    for axis, extent in zip(a["axes"], x.shape):
        shape[axis] = extent
    return x.reshape(shape).expand(type_["shape"])


def reduction(function):
    def reduce(a, type_, x):
        return function(x, a["axes"]).to(x.dtype)
    return reduce


def slice_(a, type_, x):
    strides = a["stride"] or [1] * x.dim()
    return x[tuple(slice(*bounds) for bounds in zip(a["start"], a["limit"], strides))]


def pad(a, type_, x):
    rank = x.dim()
    low, high, interior = (a[name] or [0] * rank for name in ("low", "high", "interior"))
    for axis in range(rank):
        x = ops_conv.spread(x, axis, interior[axis] + 1, a["value"])
    pairs = itertools.chain.from_iterable(zip(reversed(low), reversed(high)))
    return F.pad(x, list(pairs), value=a["value"])


def iota(a, type_):
    shape = [1] * len(type_["shape"])
    shape[a["axis"]] = -1
    numbers = torch.arange(type_["shape"][a["axis"]], dtype=DTYPES[type_["dtype"]])
    return numbers.reshape(shape).expand(type_["shape"])


def cast(a, type_, x):
    to = DTYPES[type_["dtype"]]
    return x.to(torch.int64).to(to) if to == torch.uint8 and x.dtype != torch.bool else x.to(to)


def divide(a, type_, x, y):
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def matmul(a, type_, x, y):
    x = x.transpose(-1, -2) if a["transpose_a"] else x
    y = y.transpose(-1, -2) if a["transpose_b"] else y
    return torch.matmul(x, y)


def batch_norm_inference(a, type_, x, scale, bias, mean, variance):
    """PyTorch's has no gradients towards the statistics, so: the formula, checked against it."""
    shape = [1, -1] + [1] * (x.dim() - 2)
    normal = (x - mean.reshape(shape)) / torch.sqrt(variance + a["epsilon"]).reshape(shape)
    y = normal * scale.reshape(shape) + bias.reshape(shape)
    with torch.no_grad():
        theirs = F.batch_norm(x, mean, variance, scale, bias, training=False, eps=a["epsilon"])
        torch.testing.assert_close(y, theirs, rtol=1e-10, atol=1e-10)
    return y


def batch_norm_training(a, type_, x, scale, bias):
    axes = [axis for axis in range(x.dim()) if axis != 1]
    y = F.batch_norm(x, None, None, scale, bias, training=True, eps=a["epsilon"])
    return y, x.mean(axes), x.var(axes, unbiased=False)


def batch_norm_grad(a, type_, x, scale, mean, variance, dy):
    """The formula of the paper, for any mean and variance; its values are checked against the
    kernel PyTorch differentiates batch_norm with."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    shape = [1, -1] + [1] * (x.dim() - 2)
    inverse = (variance + a["epsilon"]) ** -0.5
    normal = (x - mean.reshape(shape)) * inverse.reshape(shape)
    dbias, dscale = dy.sum(axes), (dy * normal).sum(axes)
    count = x.numel() / x.shape[1]
    centred = dy - (dbias.reshape(shape) + normal * dscale.reshape(shape)) / count
    results = centred * (scale * inverse).reshape(shape), dscale, dbias
    with torch.no_grad():
        kernel = torch.ops.aten.native_batch_norm_backward(
            dy, x, scale, None, None, mean, inverse, True, a["epsilon"], [True, True, True])
        for ours, theirs in zip(results, kernel):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    return results


def hard_sigmoid(a, type_, x):
    """PyTorch's own multiplies gradients by a 1/6 in single precision."""
    y = F.relu6(x + 3) / 6
    torch.testing.assert_close(y, F.hardsigmoid(x), rtol=1e-12, atol=1e-12)
    return y


def clamped(indices, extent):
    return indices.to(torch.int64).clamp(0, extent - 1)


def scatter_along_add(a, type_, updates, indices):
    extent = type_["shape"][a["axis"]]
    zeros = torch.zeros(type_["shape"], dtype=updates.dtype)
    return zeros.scatter_add(a["axis"], clamped(indices, extent), updates)


def scatter_rows_add(a, type_, updates, indices):
    rows = clamped(indices, type_["shape"][0]).flatten()
    zeros = torch.zeros(type_["shape"], dtype=updates.dtype)
    return zeros.index_add(0, rows, updates.reshape([len(rows)] + type_["shape"][1:]))


def plain(function):
    """An op without attributes."""
    return lambda a, type_, *operands: function(*operands)


def gelu_slope(x):
    return 0.5 * (1 + torch.erf(x * 0.5**0.5)) + x * torch.exp(-0.5 * x * x) / (2 * torch.pi) ** 0.5


def same(a, type_, x):
    return x


OPS = {
    "full": lambda a, t: torch.full(t["shape"], a["value"], dtype=DTYPES[t["dtype"]]),
    "iota": iota,
    "constant": lambda a, t: to_tensor(a["data"]),
    "negate": plain(torch.neg), "abs": plain(torch.abs), "sign": plain(torch.sign),
    "exp": plain(torch.exp), "log": plain(torch.log), "sqrt": plain(torch.sqrt),
    "rsqrt": plain(torch.rsqrt), "reciprocal": plain(torch.reciprocal), "sin": plain(torch.sin),
    "cos": plain(torch.cos), "tanh": plain(torch.tanh), "erf": plain(torch.erf),
    "gelu_slope": plain(gelu_slope),
    "sigmoid": plain(torch.sigmoid), "relu": plain(F.relu), "floor": plain(torch.floor),
    "ceil": plain(torch.ceil), "round": plain(torch.round),
    "logical_not": plain(torch.logical_not), "cast": cast,
    "stop_gradient": plain(torch.Tensor.detach),
    "add": plain(torch.add), "subtract": plain(torch.sub), "multiply": plain(torch.mul),
    "divide": divide, "maximum": plain(torch.maximum), "minimum": plain(torch.minimum),
    "power": plain(torch.pow), "bit_and": plain(torch.bitwise_and),
    "bit_or": plain(torch.bitwise_or), "bit_xor": plain(torch.bitwise_xor),
    "shift_left": plain(torch.bitwise_left_shift), "shift_right": plain(torch.bitwise_right_shift),
    "equal": plain(torch.eq), "not_equal": plain(torch.ne), "less": plain(torch.lt),
    "less_equal": plain(torch.le), "greater": plain(torch.gt), "greater_equal": plain(torch.ge),
    "select": plain(torch.where),
    "broadcast": broadcast,
    "reshape": lambda a, t, x: x.reshape(t["shape"]),
    "transpose": lambda a, t, x: x.permute(a["permutation"]),
    "slice": slice_, "pad": pad,
    "concat": lambda a, t, *parts: torch.cat(parts, a["axis"]),
    "reverse": lambda a, t, x: x.flip(a["axes"]),
    "to_layout": same,
    "reduce_sum": reduction(torch.sum), "reduce_max": reduction(torch.amax),
    "reduce_min": reduction(torch.amin),
    "argmax": lambda a, t, x: x.argmax(a["axis"]), "argmin": lambda a, t, x: x.argmin(a["axis"]),
    "conv": ops_conv.conv, "matmul": matmul, "winograd_conv": ops_conv.winograd_conv,
    "winograd_weights": ops_conv.winograd_weights,
    "winograd_backward_weights": ops_conv.winograd_backward_weights,
    "max_pool": ops_window.max_pool, "sum_pool": ops_window.sum_pool,
    "window_gather": ops_window.window_gather, "window_scatter": ops_window.window_scatter,
    "avg_pool": ops_window.avg_pool, "global_avg_pool": ops_window.global_avg_pool,
    "adaptive_avg_pool": ops_window.adaptive_avg_pool,
    "resize_linear": ops_window.resize_linear,
    "relu6": plain(F.relu6), "silu": plain(F.silu), "mish": plain(F.mish),
    "hard_sigmoid": hard_sigmoid, "hard_swish": plain(F.hardswish),
    "softplus": plain(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "clip": lambda a, t, x: torch.clamp(x, a["low"], a["high"]),
    "leaky_relu": lambda a, t, x: F.leaky_relu(x, a["slope"]),
    "elu": lambda a, t, x: F.elu(x, a["alpha"]),
    "gelu": lambda a, t, x: F.gelu(x, approximate="tanh" if a["approximate"] else "none"),
    "softmax": lambda a, t, x: F.softmax(x, a["axis"]),
    "log_softmax": lambda a, t, x: F.log_softmax(x, a["axis"]),
    "batch_norm_inference": batch_norm_inference,
    "batch_norm_training": batch_norm_training, "batch_norm_grad": batch_norm_grad,
    "layer_norm": lambda a, t, x, scale, bias: F.layer_norm(
        x, x.shape[a["axis"]:], scale, bias, a["epsilon"]),
    "cross_entropy": lambda a, t, x, labels: F.cross_entropy(
        x, labels.long(), label_smoothing=a["label_smoothing"]),
    "mse_loss": plain(F.mse_loss),
    "take_along": lambda a, t, x, i: torch.gather(
        x, a["axis"], clamped(i, x.shape[a["axis"]])),
    "scatter_along_add": scatter_along_add,
    "gather_rows": lambda a, t, x, i: F.embedding(clamped(i, x.shape[0]), x),
    "scatter_rows_add": scatter_rows_add,
    "random_bits": ops_random.random_bits, "random_uniform": ops_random.random_uniform,
    "random_normal": ops_random.random_normal, "dropout": ops_random.dropout,
}

# Whole rows as a user of PyTorch would write them, against our general conv.
DIRECT = {
    "conv.plain_1d": F.conv1d,
    "conv.plain_2d": F.conv2d,
    "conv.plain_3d": F.conv3d,
    "conv.same_5x5": lambda x, w: F.conv2d(x, w, padding=2),
    "conv.stride2": lambda x, w: F.conv2d(x, w, stride=2, padding=1),
    "conv.depthwise": lambda x, w: F.conv2d(x, w, padding=1, groups=5),
    "conv.transposed": lambda x, w: F.conv_transpose2d(
        x, w, stride=(2, 3), padding=(1, 0), output_padding=(1, 0)),
    "conv.transposed_groups": lambda x, w: F.conv_transpose1d(
        x, w, stride=2, dilation=2, groups=2),
    "matmul.broadcast_batch": torch.matmul,
    "reduce_sum.mean": lambda x: x.mean((0, 2)),
    # F.one_hot refuses the labels outside the classes.
    "iota.one_hot": lambda labels: torch.stack(
        [(labels == label).to(torch.float32) for label in range(5)], -1),
}


def evaluate(row, operands):
    """The row's results by name, node by node."""
    values = []
    for node in row["nodes"]:
        attributes = node["attributes"]
        if node["op"] in ("input", "parameter", "state"):
            values.append([operands[attributes["name"]]])
            continue
        arguments = [values[index][result] for index, result in node["operands"]]
        results = OPS[node["op"]](attributes, node["types"][0], *arguments)
        values.append(results if isinstance(results, tuple) else [results])
        for result, type_ in zip(values[-1], node["types"]):
            assert list(result.shape) == type_["shape"], (row["name"], node, result.shape)
    return {name: values[index][result] for name, (index, result) in row["results"].items()}


def gradients(row, operands, results):
    wanted = {name: x for name, x in operands.items() if x.is_floating_point()}
    loss = None
    for name, dy in row["gradients"].items():
        term = (results[name[1:]].double() * to_tensor(dy).double()).sum()
        loss = term if loss is None else loss + term
    if loss is None or not wanted:
        return {}
    if not loss.requires_grad:
        return {name: torch.zeros_like(x) for name, x in wanted.items()}
    found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    return {name: torch.zeros_like(x) if g is None else g
            for (name, x), g in zip(wanted.items(), found)}


def recorded(tensor):
    tensor = tensor.detach()
    return (tensor.double() if tensor.is_floating_point() else tensor).contiguous().numpy()


def reference(row):
    operands = {name: to_tensor(array) for name, array in row["operands"].items()}
    for x in operands.values():
        x.requires_grad_(x.is_floating_point())
    results = evaluate(row, operands)
    if row["name"] in DIRECT:
        whole = {"y0": DIRECT[row["name"]](*operands.values())}
        for name in whole:
            torch.testing.assert_close(results[name], whole[name], rtol=1e-10, atol=1e-10)
        results = whole
    arrays = {name: recorded(y) for name, y in results.items()}
    for name, gradient in gradients(row, operands, results).items():
        arrays["grad." + name] = recorded(gradient)
    arrays["digest"] = np.array(row["digest"], dtype=np.int64)
    for name, array in arrays.items():
        assert np.all(np.isfinite(array)), (row["name"], name)
    return {f"{row['name']}:{name}": array for name, array in arrays.items()}


def main():
    torch.use_deterministic_algorithms(True)
    arrays = {}
    for row in json.load(sys.stdin):
        try:
            arrays.update(reference(row))
        except Exception as error:
            raise RuntimeError(f"row {row['name']}") from error
    target = pathlib.Path(__file__).with_name("op_cases.npz")
    np.savez_compressed(target, **arrays)
    print(f"{target.name}: {len(arrays)} arrays, {math.ceil(target.stat().st_size / 1024)} KiB")


if __name__ == "__main__":
    main()
