"""One peer running one network in a process of its own: worker.py ENGINE FOLDER BATCH THREADS

FOLDER is what compare.py prepared for the network. Answers as library_rounds does: first a line of
JSON, then milliseconds for each line "run" and kilobytes for "memory". The first result goes to
FOLDER/ENGINE.npy.
"""
import json
import pathlib
import sys
import time

import numpy


def onnx_runtime(folder, image, batch, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / f"b{batch}.onnx", options,
                                           ["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})[0]


def openvino(folder, image, batch, threads):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(folder / f"b{batch}.onnx", "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(image, shared_memory=True))

    def run():
        request.infer()
        return request.get_output_tensor().data
    return run


def pytorch(channels_last, compiled):
    def make(folder, image, batch, threads):
        import torch

        import networks
        torch.set_num_threads(threads)
        model, x = networks.build(folder.name), torch.from_numpy(image)
        if channels_last and x.dim() == 4:
            model = model.to(memory_format=torch.channels_last)
            x = x.to(memory_format=torch.channels_last)
        if compiled:
            model = torch.compile(model)

        def run():
            with torch.no_grad():
                return model(x).numpy()
        return run
    return make


def pytorch_step(channels_last, compiled):
    def make(folder, image, batch, threads):
        import torch
        from torch.nn import functional

        import networks
        torch.set_num_threads(threads)
        model, x = networks.build(folder.name).train(), torch.from_numpy(image)
        with torch.no_grad():
            scores = model(x)
        shape = (batch, *scores.shape[2:])
        labels = (torch.arange(scores[:, 0].numel()) % min(10, scores.shape[1])).reshape(shape)
        if channels_last and x.dim() == 4:
            model = model.to(memory_format=torch.channels_last)
            x = x.to(memory_format=torch.channels_last)
        forward = torch.compile(model) if compiled else model
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

        def run():
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(forward(x), labels)
            loss.backward()
            optimizer.step()
            return loss.detach().numpy().reshape(1)
        return run
    return make


ENGINES = {
    "ort": onnx_runtime,
    "openvino": openvino,
    "torch": pytorch(False, False),
    "torch-cl": pytorch(True, False),
    "torch-compile": pytorch(False, True),
    "torch-compile-cl": pytorch(True, True),
    "step-torch": pytorch_step(False, False),
    "step-torch-cl": pytorch_step(True, False),
    "step-torch-compile": pytorch_step(False, True),
    "step-torch-compile-cl": pytorch_step(True, True),
}


def peak_rss_kb():
    # Not getrusage: its maximum is inherited from the process that forked this one.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:", 1)[1].split()[0])


def main():
    engine, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    batch, threads = int(sys.argv[3]), int(sys.argv[4])
    image = numpy.load(folder / f"b{batch}.npy")
    start = time.perf_counter()
    run = ENGINES[engine](folder, image, batch, threads)
    output = run()
    first = (time.perf_counter() - start) * 1e3
    numpy.save(folder / f"{engine}.npy", output)
    print(json.dumps({"first_result_ms": first, "peak_rss_kb": peak_rss_kb()}), flush=True)
    for line in sys.stdin:
        if line == "run\n":
            start = time.perf_counter()
            run()
            print((time.perf_counter() - start) * 1e3, flush=True)
        elif line == "memory\n":
            print(peak_rss_kb(), flush=True)
        else:
            sys.exit(f"worker: unknown request {line!r}")


if __name__ == "__main__":
    main()
