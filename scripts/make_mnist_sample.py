#!/usr/bin/env python3
"""make_mnist_sample.py MNIST_FOLDER: makes data/mnist-sample/ from the complete MNIST.

Takes the first images of each class, the same number of every class, in the order in which the
original files hold them, and writes them as gzipped IDX files with the original names. The same
input gives the same bytes.
"""
import gzip
import pathlib
import struct
import sys

PER_CLASS = {"train": 1700, "t10k": 100}
LIMIT = 3_000_000  # bytes of all files together
SAMPLE = pathlib.Path(__file__).resolve().parents[1] / "data" / "mnist-sample"


def read(folder, name):
    """The bytes of an IDX file, gzipped or not."""
    packed = folder / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def choose(labels, per_class):
    """Positions of the first `per_class` samples of each digit, ascending."""
    taken = [0] * 10
    chosen = []
    for position, label in enumerate(labels):
        if taken[label] < per_class:
            taken[label] += 1
            chosen.append(position)
    if min(taken) < per_class:
        sys.exit(f"only {min(taken)} images of digit {taken.index(min(taken))}")
    return chosen


def write(name, content):
    path = SAMPLE / f"{name}.gz"
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
    return path.stat().st_size


def sample(folder, part, per_class):
    """Writes images and labels of one part ("train" or "t10k"); returns the bytes written."""
    images = read(folder, f"{part}-images-idx3-ubyte")
    labels = read(folder, f"{part}-labels-idx1-ubyte")
    magic, count, rows, columns = struct.unpack(">4i", images[:16])
    if (magic, rows, columns) != (2051, 28, 28) or len(labels) != 8 + count:
        sys.exit(f"{folder}: {part}-* are not MNIST's files")
    labels = labels[8:]
    pixels = rows * columns
    chosen = choose(labels, per_class)
    written = write(f"{part}-images-idx3-ubyte", struct.pack(">4i", 2051, len(chosen), 28, 28) +
                    b"".join(images[16 + i * pixels:16 + (i + 1) * pixels] for i in chosen))
    written += write(f"{part}-labels-idx1-ubyte",
                     struct.pack(">2i", 2049, len(chosen)) + bytes(labels[i] for i in chosen))
    print(f"{part}: {len(chosen)} images, {written} bytes")
    return written


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    SAMPLE.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(sys.argv[1])
    total = sum(sample(folder, part, per_class) for part, per_class in PER_CLASS.items())
    if total > LIMIT:
        sys.exit(f"{total} bytes, {LIMIT} at most: take fewer images")


if __name__ == "__main__":
    main()
