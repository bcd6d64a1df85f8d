#!/usr/bin/env python3
"""Initial weights with NumPy, bit for bit those of frontend/init/draw.cpp.

    from philox_init import draw
    weight = draw("conv1.weight", (64, 3, 3, 3), "kaiming_normal", 2 ** 0.5, seed=1)

Run as a program it prints the rows recorded in tests/unit/frontend_init_test.cpp.
"""
import math
import zlib

import numpy as np

MASK = np.uint64(0xFFFFFFFF)


def philox(key, counters):
    """Philox4x32-10: `counters` is uint32[n, 4]; the blocks as uint32[n, 4]."""
    c = [counters[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        product0, product1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(product1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), product1 & MASK,
             (product0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), product0 & MASK]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).astype(np.uint32)


def words(key, count):
    """The first `count` words of the stream of `key`."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    counters = np.zeros((len(blocks), 4), np.uint32)
    counters[:, 0], counters[:, 1] = blocks & MASK, blocks >> np.uint64(32)
    return philox(key, counters).ravel()[:count]


def name_key(seed, name):
    hashed = 0xCBF29CE484222325
    for byte in name.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    counter = np.array([[hashed & 0xFFFFFFFF, hashed >> 32, 0, 0]], np.uint32)
    return philox((seed & 0xFFFFFFFF, seed >> 32), counter)[0, :2]


# Wichura's algorithm AS 241, as in frontend/init/normal_quantile.cpp; lowest power first.
CENTRAL = (
    (3.3871328727963666080, 1.3314166789178437745e+2, 1.9715909503065514427e+3,
     1.3731693765509461125e+4,
     4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4,
     2.5090809287301226727e+3),
    (1.0, 4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
     2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
     5.2264952788528545610e+3))
TAIL = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
     7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
     1.05075007164441684324e-9))
FAR_TAIL = (
    (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580,
     2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
     2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
     2.04426310338993978564e-15))


def ratio(rational, x):
    results = []
    for coefficients in rational:
        total = np.full_like(x, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            total = total * x + coefficient
        results.append(total)
    return results[0] / results[1]


def logarithm(x):
    mantissa, exponent = np.frexp(x)
    t = (mantissa - 1.0) / (mantissa + 1.0)
    t2, total = t * t, np.zeros_like(t)
    for k in range(17, -1, -1):
        total = total * t2 + 1.0 / (2 * k + 1)
    return exponent * 0.693147180559945309417 + 2.0 * t * total


def normal_quantile(probability):
    q = probability - 0.5
    central = q * ratio(CENTRAL, 0.180625 - q * q)
    r = np.sqrt(-logarithm(np.where(q < 0.0, probability, 1.0 - probability)))
    x = np.where(r <= 5.0, ratio(TAIL, r - 1.6), ratio(FAR_TAIL, r - 5.0))
    return np.where(np.abs(q) <= 0.425, central, np.where(q < 0.0, -x, x))


def deviation(shape, scheme, value, fan_out):
    if not scheme.startswith(("kaiming", "xavier")):
        return value
    taps = math.prod(shape[2:])
    fan_inputs, fan_outputs = shape[1] * taps, shape[0] * taps
    if scheme.startswith("kaiming"):
        return value / math.sqrt(fan_outputs if fan_out else fan_inputs)
    return value * math.sqrt(2.0 / (fan_inputs + fan_outputs))


def draw(name, shape, scheme, value, seed, fan_out=False):
    """float32 of `shape`; `scheme` and `value` as in frontend/initializer.h."""
    count = math.prod(shape)
    if scheme == "constant":
        return np.full(shape, value, np.float32)
    bits = words(name_key(seed, name), count)
    spread = deviation(shape, scheme, value, fan_out)
    if scheme.endswith("uniform"):
        bound = spread * (1.0 if scheme == "uniform" else math.sqrt(3.0))
        numbers = (2.0 * ((bits >> np.uint32(8)) * 2.0 ** -24) - 1.0) * bound
    else:
        numbers = normal_quantile((bits + 0.5) * 2.0 ** -32) * spread
    return numbers.astype(np.float32).reshape(shape)


RECORDED = [
    ("conv1.weight", (64, 3, 3, 3), "kaiming_normal", 2 ** 0.5, 1, False),
    ("conv1.weight", (64, 3, 3, 3), "kaiming_normal", 2 ** 0.5, 2, False),
    ("layer1.0.conv2.weight", (32, 16, 3, 3), "kaiming_normal", 2 ** 0.5, 1, True),
    ("fc.weight", (10, 300), "kaiming_uniform", (1 / 3) ** 0.5, 1, False),
    ("fc.bias", (10,), "uniform", 1 / 300 ** 0.5, 1, False),
    ("a", (333, 77), "xavier_uniform", 1.0, 0xDEADBEEF12345678, False),
    ("a", (333, 77), "xavier_normal", 1.0, 7, False),
    ("tails", (100003,), "normal", 1.0, 7, False),
]

if __name__ == "__main__":
    for name, shape, scheme, value, seed, fan_out in RECORDED:
        numbers = draw(name, shape, scheme, value, seed, fan_out)
        bits = numbers.view(np.uint32).ravel()
        extents = ", ".join(map(str, shape))
        print(f"{{\"{name}\", {{{extents}}}, InitialScheme::{scheme}, {value!r}, "
              f"{str(fan_out).lower()}, {seed:#x}, {zlib.crc32(numbers.tobytes()):#010x}, "
              f"{bits[0]:#010x}, {bits[-1]:#010x}}},")
