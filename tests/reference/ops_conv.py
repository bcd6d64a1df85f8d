"""Argent's general convolution in PyTorch: one plain convolution per group."""
import math

import torch
import torch.nn.functional as F

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def spread(x, axis, step, value=0):
    """x with step - 1 fillings between neighbours along the axis."""
    if step == 1 or x.shape[axis] < 2:
        return x
    filling = torch.full_like(x, value).unsqueeze(axis + 1)
    repeats = [1] * filling.dim()
    repeats[axis + 1] = step - 1
    pieces = torch.cat([x.unsqueeze(axis + 1), filling.repeat(repeats)], axis + 1)
    joined = pieces.flatten(axis, axis + 1)
    return joined.narrow(axis, 0, (x.shape[axis] - 1) * step + 1)


def groups_of(x, letters, roles, groups):
    """One tensor per group, the axis of roles[0] first."""
    capital = next((axis for axis, letter in enumerate(letters) if letter.isupper()), None)
    parts = [x] if capital is None else x.chunk(groups, capital)
    swapped = letters.lower() != roles
    return [part.transpose(0, 1) if swapped else part for part in parts]


def conv(a, type_, x, w):
    operands, out_letters = a["dims"].split("->")
    lhs_letters, rhs_letters = operands.split(",")
    rank = x.dim() - 2
    stride, lhs_dilation, rhs_dilation = (
        a[name] or [1] * rank for name in ("stride", "lhs_dilation", "rhs_dilation"))
    padding = a["padding"] or [0] * (2 * rank)
    for axis in range(rank):
        x = spread(x, axis + 2, lhs_dilation[axis])
    pairs = []
    for axis in reversed(range(rank)):
        pairs += padding[2 * axis:2 * axis + 2]
    x = F.pad(x, pairs)
    if a["reverse"]:
        w = w.flip(list(range(2, w.dim())))
    results = []
    for part, filters in zip(groups_of(x, lhs_letters, "nc", a["groups"]),
                             groups_of(w, rhs_letters, "oi", a["groups"])):
        if rank == 0:
            results.append(part @ filters.T)
        else:
            results.append(CONVOLUTIONS[rank](part, filters, stride=stride, dilation=rhs_dilation))
    if out_letters.lower() != "nc":
        results = [y.transpose(0, 1) for y in results]
    capital = next((axis for axis, letter in enumerate(out_letters) if letter.isupper()), 0)
    return torch.cat(results, capital)


def winograd_matrix(m, dtype):
    """G: from three taps to m + 2 points."""
    points = [0, 1, -1] if m == 2 else [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2]
    # Toom-Cook: the product of a point's distances to the others; F(2x2) halves up to sign.
    scale = [1, 2, 2] if m == 2 else [
        math.prod(p - other for other in points if other != p) for p in points]
    return torch.tensor([[p ** k / s for k in range(3)] for p, s in zip(points, scale)]
                        + [[0, 0, 1]], dtype=dtype)


def winograd_weights(a, type_, w):
    """Weights of 3x3 taps, transformed; no gradients."""
    w = w.detach()
    if a["transposed"]:
        w = w.transpose(0, 1)
    if a["reversed"]:
        w = w.flip(list(range(2, w.dim())))
    g = winograd_matrix(a["tile"], w.dtype)
    return torch.einsum("kp,oi...pq,lq->oi...kl", g, w, g)


def winograd_conv(a, type_, x, u):
    """The convolution of 3x3 taps whose weights were transformed to u; no gradients."""
    inverse = torch.linalg.pinv(winograd_matrix(a["tile"], x.dtype))
    w = torch.einsum("kp,oi...pq,lq->oi...kl", inverse, u.detach(), inverse)
    spatial = x.dim() - 2
    pairs = list(zip(a["padding"][::2], a["padding"][1::2])) or [(0, 0)] * spatial
    x = torch.nn.functional.pad(x.detach(), [n for pair in reversed(pairs) for n in pair])
    convolve = {2: torch.nn.functional.conv2d, 3: torch.nn.functional.conv3d}[spatial]
    return convolve(x, w, dilation=a["dilation"] or 1)


def winograd_backward_weights(a, type_, x, dy):
    """The gradient of a convolution of 3x3 taps towards its weights; no gradients of its own."""
    low_y, high_y, low_x, high_x = a["padding"] or [0] * 4
    x = torch.nn.functional.pad(x.detach(), [low_x, high_x, low_y, high_y])
    return torch.nn.grad.conv2d_weight(x, [dy.shape[1], x.shape[1], 3, 3], dy.detach())
