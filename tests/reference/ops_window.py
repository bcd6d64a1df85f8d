"""Argent's pooling and resizing in PyTorch."""
import torch
import torch.nn.functional as F

MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
LINEAR_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
ADAPTIVE_POOLS = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def lists(a):
    rank = len(a["window"])
    return (a["window"], a["stride"] or [1] * rank, a["padding"] or [0] * (2 * rank),
            a["dilation"] or [1] * rank)


def padded(a, x, value):
    padding = lists(a)[2]
    pairs = []
    for axis in reversed(range(len(a["window"]))):
        pairs += padding[2 * axis:2 * axis + 2]
    return F.pad(x, pairs, value=value)


def windows(a, x, value):
    """The elements of every window, its taps in one last axis."""
    window, stride, _, dilation = lists(a)
    rank, x = len(window), padded(a, x, value)
    first = x.dim() - rank
    for s in range(rank):
        axis = first + s
        count = (x.shape[axis] - (window[s] - 1) * dilation[s] - 1) // stride[s] + 1
        index = (torch.arange(count)[:, None] * stride[s]
                 + torch.arange(window[s])[None, :] * dilation[s])
        taken = x.index_select(axis, index.flatten()).unflatten(axis, (count, window[s]))
        x = taken.movedim(axis + 1, -1)
    return x.flatten(-rank)


def max_pool(a, type_, x):
    if not x.is_floating_point():
        raise ValueError("references are made in f64")
    window, stride, _, dilation = lists(a)
    values = MAX_POOLS[len(window)](padded(a, x, -torch.inf), window, stride, dilation=dilation)
    taps = windows(a, x.detach(), -torch.inf).argmax(-1)  # the first of equals
    return values, taps


def sum_pool(a, type_, x):
    return windows(a, x, 0).sum(-1)


def window_gather(a, type_, x, taps):
    return windows(a, x, 0).gather(-1, taps.long().unsqueeze(-1)).squeeze(-1)


def window_scatter(a, type_, dy, taps):
    positions = torch.arange(1, 1 + torch.Size(type_["shape"]).numel()).reshape(type_["shape"])
    target = windows(a, positions, 0).gather(-1, taps.long().unsqueeze(-1)).flatten()
    flat = torch.zeros(1 + positions.numel(), dtype=dy.dtype)  # element 0 takes the padding's
    return flat.index_add(0, target, dy.flatten())[1:].reshape(type_["shape"])


def avg_pool(a, type_, x):
    window, stride, padding, _ = lists(a)
    if padding[0::2] != padding[1::2]:
        raise ValueError("PyTorch pads both sides alike")
    return AVG_POOLS[len(window)](x, window, stride, padding[0::2], ceil_mode=a["ceil_mode"],
                                  count_include_pad=a["count_include_pad"])


def global_avg_pool(a, type_, x):
    return x.mean(list(range(2, x.dim())), keepdim=True)


def adaptive_avg_pool(a, type_, x):
    return ADAPTIVE_POOLS[len(a["size"])](x, a["size"])


def resize_linear(a, type_, x):
    return F.interpolate(x, a["size"], mode=LINEAR_MODES[len(a["size"])],
                         align_corners=a["align_corners"])
