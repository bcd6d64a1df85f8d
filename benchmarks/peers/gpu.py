#!/usr/bin/env python3
"""Argent beside PyTorch on an NVIDIA GPU: one table of time per network.

Argent's library runs through its C ABI on PyTorch's device memory and stream, so that nothing is
copied; PyTorch runs eagerly and through torch.compile, in f32, with TF32 off and on. Outputs are
compared before anything is timed. `--alone` leaves PyTorch out: tensors in host memory, outputs
compared with the processor's, times with the copies.
"""
import argparse
import array
import ctypes
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARGENT = pathlib.Path(os.environ.get("ARGENT_BUILT", ROOT / "build")) / "argent"
NETWORKS = ["lenet5", "resnet20_cifar", "resnet18", "mobilenet_v2", "resnet50", "vgg16", "vit_b_16"]
PEERS = [(compiled, tf32) for compiled in (False, True) for tf32 in (False, True)]
TOLERANCE = 1e-4  # of the largest output

pointer, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64


class TensorInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("bytes", u64), ("rank", u32), ("dtype", u32), ("role", u32), ("reserved", u32)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", pointer), ("shape", ctypes.POINTER(ctypes.c_int64)), ("bytes", u64),
                ("rank", u32), ("dtype", u32)]


class EntryInfo(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p),
                ("inputs", ctypes.POINTER(ctypes.POINTER(TensorInfo))),
                ("outputs", ctypes.POINTER(ctypes.POINTER(TensorInfo))), ("steps", pointer),
                ("input_count", u32), ("output_count", u32), ("step_count", u32), ("reserved", u32),
                ("arena_bytes", u64)]


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("message", ctypes.c_char * 512)]


class LibraryRecord(ctypes.Structure):
    """struct argent_library of runtime/argent_abi.h."""
    _fields_ = [("abi_version", u32), ("struct_bytes", u32), ("name", ctypes.c_char_p),
                ("target", ctypes.c_char_p), ("entries", ctypes.POINTER(EntryInfo)),
                ("tensors", pointer), ("entry_count", u32), ("tensor_count", u32),
                ("state_bytes", u64), ("weight_bytes", u64)]
    _fields_ += [(name, pointer) for name in (
        "open", "close", "create", "destroy", "run", "get", "set", "prepare", "set_threads",
        "profile", "step_times", "message", "step_details", "trace", "open_device", "set_stream")]


class Library:
    """An instance of a compiled network's first entry, which has one input and one output."""

    def __init__(self, path):
        library = ctypes.CDLL(str(path))
        library.argent_model.restype = ctypes.POINTER(LibraryRecord)
        self.record = library.argent_model()
        self.entry = self.record.contents.entries[0]
        error = Error()
        self.network = self.call("open", pointer, self.record, ctypes.pointer(error))
        self.instance = self.network and self.call("create", pointer, pointer(self.network), u32(1),
                                                   ctypes.pointer(error))
        if not self.instance:
            raise RuntimeError(error.message.decode())

    def call(self, name, result, *arguments):
        return ctypes.CFUNCTYPE(result, *map(type, arguments))(
            getattr(self.record.contents, name))(*arguments)

    def check(self, code):
        if code != 0:
            message = self.call("message", ctypes.c_char_p, pointer(self.instance))
            raise RuntimeError(message.decode())

    def set_stream(self, stream):
        self.check(self.call("set_stream", ctypes.c_int, pointer(self.instance), pointer(stream)))

    def runner(self, source, destination):
        """A function that runs the entry between two addresses."""
        def tensor(info, address):
            info = info.contents
            return Tensor(address, info.shape, info.bytes, info.rank, info.dtype)
        given = tensor(self.entry.inputs[0], source)
        made = tensor(self.entry.outputs[0], destination)
        run = ctypes.CFUNCTYPE(ctypes.c_int, pointer, u32, ctypes.POINTER(Tensor), u32,
                               ctypes.POINTER(Tensor), u32)(self.record.contents.run)
        return lambda: self.check(run(self.instance, 0, given, 1, made, 1))


def compiled_library(folder, name, target, *weights):
    path = folder / f"{name}.so"
    subprocess.run([ARGENT, "compile", name, "--target", target, *weights, "-o", path],
                   check=True, stdout=subprocess.DEVNULL)
    return Library(path)


def milliseconds(run, wait, seconds):
    """The median of the runs that fit into the time."""
    for _ in range(3):
        run()
    wait()
    times, stop = [], time.perf_counter() + seconds
    while len(times) < 5 or (time.perf_counter() < stop and len(times) < 1000):
        start = time.perf_counter()
        run()
        wait()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def check_alike(name, found, wanted):
    largest = max(1.0, max(map(abs, wanted)))
    error = max(abs(a - b) for a, b in zip(found, wanted, strict=True))
    if not error <= TOLERANCE * largest:
        raise RuntimeError(f"{name}: outputs differ by {error:.2e}, the largest is {largest:.2e}")


def on_host(folder, name, target, seconds):
    """The network on the device, with host memory, against the processor; then its time."""
    library, processor = (compiled_library(folder, name, which, "--seed", "0")
                          for which in (target, "host"))
    count = library.entry.inputs[0].contents.bytes // 4
    image = array.array("f", [(i * 37 % 101) / 50 - 1 for i in range(count)])
    results = []
    for one in (library, processor):
        output = array.array("f", bytes(one.entry.outputs[0].contents.bytes))
        run = one.runner(image.buffer_info()[0], output.buffer_info()[0])
        run()
        results.append(output)
        if one is library:
            spent = milliseconds(run, lambda: None, seconds)
    check_alike(name, *results)
    return [spent]


def on_device(folder, name, target, seconds):
    import torch
    from safetensors.torch import save_file

    import networks
    model, image = networks.build(name).eval().cuda(), networks.example(name, 1).cuda()
    weights = folder / "weights.safetensors"
    save_file({key: value.cpu().contiguous() for key, value in model.state_dict().items()
               if not key.endswith("num_batches_tracked")}, weights)
    with torch.no_grad():
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        wanted = model(image)
        library = compiled_library(folder, name, target, "--weights", weights)
        output = torch.empty_like(wanted)
        library.set_stream(torch.cuda.current_stream().cuda_stream)
        run = library.runner(image.data_ptr(), output.data_ptr())
        run()
        torch.cuda.synchronize()
        check_alike(name, output.flatten().tolist(), wanted.flatten().tolist())
        times = [milliseconds(run, torch.cuda.synchronize, seconds)]
        for compiled, tf32 in PEERS:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            torch.compiler.reset()
            peer = torch.compile(model) if compiled else model
            times.append(milliseconds(lambda: peer(image), torch.cuda.synchronize, seconds))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--target", default="cuda")
    parser.add_argument("--seconds", type=float, default=3, help="for each time")
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    options = parser.parse_args()
    heads = ["Argent, copies included"] if options.alone else ["Argent"] + [
        f"{'torch.compile' if compiled else 'PyTorch'}{', TF32' if tf32 else ''}"
        for compiled, tf32 in PEERS]
    print("| network, ms | " + " | ".join(heads) + " |")
    print("| --- |" + " --- |" * len(heads))
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            measure = on_host if options.alone else on_device
            times = measure(folder, name, options.target, options.seconds)
        print(f"| {name} | " + " | ".join(f"{spent:.3f}" for spent in times) + " |", flush=True)


if __name__ == "__main__":
    main()
