"""The tables and the chart of a comparison."""
import math
import re

TITLES = {"argent": "Argent", "argent-direct": "Argent without Winograd", "ort": "ONNX Runtime",
          "openvino": "OpenVINO", "torch": "PyTorch", "torch-cl": "PyTorch channels-last",
          "torch-compile": "torch.compile"}
CHART = "docs/peers.svg"
PAGE = "docs/peers.md"


def title(engine):
    return TITLES[engine.removeprefix("step-")]


def is_ours(engine):
    return engine.removeprefix("step-").startswith("argent")


def summary(row):
    """What a row says: our time, the fastest peer and its time, speed-up, share of the peak."""
    ours = next(iter(row["engines"]))
    peers = {name: about["min_ms"] for name, about in row["engines"].items() if not is_ours(name)}
    fastest = min(peers, key=peers.get)
    time = row["engines"][ours]["min_ms"]
    return {"ours": time, "peer": title(fastest),
            "peer_ms": peers[fastest], "speedup": peers[fastest] / time,
            "percent": 100e3 * row["gflop"] / time / row["peak_gflops"]}


def scaling(by_threads):
    """{threads: how many times as fast as with the fewest we are}, of our minima."""
    first = min(by_threads)
    time = {n: summary(row)["ours"] for n, row in by_threads.items()}
    return {n: time[first] / time[n] for n in sorted(by_threads) if n != first}


def limit_scaling(rows, key):
    """{threads: how many times as much as with the fewest the machine does}, of its best rows."""
    best = {}
    for row in rows:
        best[row["threads"]] = max(best.get(row["threads"], 0), row.get(key, 0))
    first = min(best)
    return {n: best[n] / best[first] for n in sorted(best) if n != first and best[first]}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def label(row):
    name, _, extent = row["name"].partition("@")
    parts = [name, f"{extent}²" if extent else "",
             "training step" if row["mode"] == "step" else "",
             f"batch {row['batch']}" if row["batch"] > 1 else ""]
    return ", ".join(filter(None, parts))


def cases(rows):
    """Rows of one network, mode and batch together: {label: {threads: row}}."""
    found = {}
    for row in rows:
        found.setdefault(label(row), {})[row["threads"]] = row
    return found


def markdown(header, lines):
    return "\n".join("| " + " | ".join(map(str, line)) + " |"
                     for line in [header, ["---"] * len(header), *lines])


def summary_table(rows):
    """One line a network: time and share of the peak with the fewest threads, speed-ups over the
    fastest peer, and what more threads gain, beside what the machine's FMA loop and copies through
    memory gain."""
    counts = sorted({row["threads"] for row in rows})

    def gains(found):
        return [f"{found[n]:.2f}" if n in found else "" for n in counts[1:]]

    lines = []
    for name, by_threads in cases(rows).items():
        first = summary(by_threads[min(by_threads)])
        speedups = [f"{summary(by_threads[n])['speedup']:.2f} ({summary(by_threads[n])['peer']})"
                    if n in by_threads else "" for n in counts]
        lines.append([name, f"{first['ours']:.2f}", f"{first['percent']:.0f}", *speedups,
                      *gains(scaling(by_threads))])
    for (mode, large), text in {("forward", False): "geometric mean, batch 1",
                                ("forward", True): "geometric mean, larger batches",
                                ("step", True): "geometric mean, training steps"}.items():
        chosen = [row for row in rows if row["mode"] == mode and (row["batch"] > 1) == large]
        means = [[summary(row)["speedup"] for row in chosen if row["threads"] == n]
                 for n in counts]
        if len(chosen) > 1:
            lines.append([f"**{text}**", "", "",
                          *[f"**{geometric_mean(values):.2f}**" if values else ""
                            for values in means], *[""] * (len(counts) - 1)])
    if len(counts) > 1:
        for text, key in (("multiply-adds on registers", "peak_gflops"),
                          ("copies through memory", "copy_gb_per_s")):
            lines.append([f"*{text}*", "", "", *[""] * len(counts),
                          *gains(limit_scaling(rows, key))])
    heads = [f"speed-up, {n} thread{'s' if n > 1 else ''}" for n in counts]
    heads += [f"{n} threads : {counts[0]}" for n in counts[1:]]
    return markdown(["network", "ms", "% of FMA peak", *heads], lines)


def times_table(rows):
    """Minimum and median of every engine in every row."""
    engines = list(dict.fromkeys(name.removeprefix("step-") for row in rows
                                 for name in row["engines"]))
    lines = []
    for row in rows:
        times = {name.removeprefix("step-"): about for name, about in row["engines"].items()}
        cells = [f"{times[name]['min_ms']:.2f} ({times[name]['median_ms']:.2f})"
                 if name in times else "" for name in engines]
        copy = f"{row['copy_gb_per_s']:.0f}" if "copy_gb_per_s" in row else ""
        lines.append([label(row), row["threads"], f"{row['peak_gflops']:.0f}", copy, *cells])
    return markdown(["network", "threads", "peak GFLOP/s", "copy GB/s", *map(title, engines)],
                    lines)


def memory_table(rows):
    """Peak RSS, start and size of forward passes with the fewest threads, of engines that say."""
    threads = min(row["threads"] for row in rows)
    chosen = [row for row in rows if row["mode"] == "forward" and row["threads"] == threads]
    engines = [name for name in ("argent", "ort", "openvino")
               if any(name in row["engines"] for row in chosen)]
    lines = []
    for row in chosen:
        about = [row["engines"][name] for name in engines if name in row["engines"]]
        lines.append([label(row), f"{about[0].get('library_bytes', 0) / 1e6:.1f}",
                      f"{about[0].get('compile_seconds', 0):.1f}",
                      *[f"{one['peak_rss_kb'] / 1e3:.0f}" for one in about],
                      *[f"{one['first_result_ms']:.0f}" for one in about],
                      f"{about[0]['error']:.1e}"])
    heads = [f"{what}, {title(name)}" for what in ("peak RSS MB", "first result ms")
             for name in engines]
    return markdown(["network", "library MB", "compile s", *heads, "error"], lines)


def chart(rows, path):
    """Speed relative to the fastest peer, a bar for each row."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "argent"
    from matplotlib import pyplot
    labels = [f"{label(row)}, {row['threads']}t" for row in rows]
    values = [summary(row)["speedup"] for row in rows]
    figure, axes = pyplot.subplots(figsize=(8, 0.24 * len(rows) + 1))
    axes.barh(labels, values, color=["#35648f" if value >= 1 else "#b0703c" for value in values])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("speed relative to the fastest peer (above 1: Argent is faster)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def page(rows):
    return f"""# Argent beside its peers

Written by `benchmarks/peers/run --write` (options: `--help`). Every engine runs the same network
with the same weights in f32 in a process of its own; engines take turns, run by run, in one
session, beside this machine's FMA peak; each waits until the threads of the one before it sleep.
Times are the minimum in milliseconds, the median in brackets. Outputs are held to PyTorch's in
float64 before anything is timed. The peak is that of all threads of a row at the same time, and so
is the copy, of 64 MB that no cache holds.

{times_table(rows)}

## Memory, start, size

Peak RSS of the engine's process in MB, milliseconds from opening the network to its first result,
seconds of `argent compile` (kernels in the cache are not compiled again), and the largest error of
Argent's output as a part of the largest output of PyTorch in float64.

{memory_table(rows)}
"""


def write(rows, root):
    """Replaces what stands between the README's two marks; writes docs/peers.md and the chart."""
    readme = root / "README.md"
    pattern = re.compile(r"(<!-- peers -->\n).*?(<!-- /peers -->)", re.S)
    text, count = pattern.subn(lambda m: m[1] + summary_table(rows) + "\n" + m[2],
                               readme.read_text())
    if count != 1:
        raise RuntimeError("README.md lacks the marks <!-- peers --> and <!-- /peers -->")
    readme.write_text(text)
    (root / PAGE).write_text(page(rows))
    chart(rows, root / CHART)
