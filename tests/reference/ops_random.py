"""Argent's counter-based random numbers, written from the paper: Salmon, Moraes, Dror, Shaw,
"Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011), Philox4x32-10."""
import math

import torch

MASK = 0xFFFFFFFF


def philox(key, counter):
    key, counter = list(key), list(counter)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * counter[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * counter[2], 1 << 32)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B9) & MASK, (key[1] + 0xBB67AE85) & MASK]
    return counter


# The paper's authors' known answers (Random123, kat_vectors).
assert philox([0, 0], [0, 0, 0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([MASK, MASK], [MASK] * 4) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def words(key, stream, shape):
    count = math.prod(shape)
    stream &= (1 << 64) - 1
    drawn = []
    for block in range((count + 3) // 4):
        drawn += philox([int(word) for word in key],
                        [block & MASK, block >> 32, stream & MASK, stream >> 32])
    return torch.tensor(drawn[:count], dtype=torch.int64).reshape(shape)


def uniform(key, stream, shape):
    return (words(key, stream, shape) >> 8).double() / 2 ** 24


def random_bits(a, type_, key):
    return words(key, a["stream"], type_["shape"])


def random_uniform(a, type_, key):
    return uniform(key, a["stream"], type_["shape"])


def random_normal(a, type_, key):
    first, second = uniform(key, a["stream"], [2] + type_["shape"])
    return torch.sqrt(-2 * torch.log1p(-first)) * torch.cos(2 * math.pi * second)


def dropout(a, type_, x, key):
    kept = words(key, a["stream"], x.shape) >= round(a["rate"] * 2 ** 32)
    return x * kept / (1 - a["rate"])
