"""The tables and the chart of a comparison."""
import math
import re

TITLES = {"argent": "Argent", "argent-direct": "Argent without Winograd", "ort": "ONNX Runtime",
          "openvino": "OpenVINO", "torch": "PyTorch", "torch-cl": "PyTorch channels-last",
          "torch-compile": "torch.compile", "torch-compile-cl": "torch.compile channels-last"}
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


def limit_scaling(rows, key):
    """{threads: how many times as much as with the fewest the machine does}, of its best rows."""
    best = {}
    for row in rows:
        best[row["threads"]] = max(best.get(row["threads"], 0), row.get(key, 0))
    first = min(best)
    return {n: best[n] / best[first] for n in sorted(best) if n != first and best[first]}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def label(row, with_batch=True):
    name, _, extent = row["name"].partition("@")
    parts = [name, f"{extent}²" if extent else "",
             "training step" if row["mode"] == "step" else "",
             f"batch {row['batch']}" if with_batch and row["batch"] > 1 else ""]
    return ", ".join(filter(None, parts))


def markdown(header, lines):
    return "\n".join("| " + " | ".join(map(str, line)) + " |"
                     for line in [header, ["---"] * len(header), *lines])


def plural(count, what):
    return f"{count} {what}{'s' if count > 1 else ''}"


def summary_table(rows):
    """One line a network: time and share of the peak with the smallest batch and the fewest
    threads; speed-ups over the fastest peer, a column for each batch and number of threads that
    was measured; and what more threads gain, beside what the machine's FMA loop and copies through
    memory gain. A training step has one batch, which its name says; it stands in the columns of
    the smallest."""
    counts = sorted({row["threads"] for row in rows})
    batches = sorted({row["batch"] for row in rows if row["mode"] == "forward"}) or [1]

    def column(row):
        return (row["batch"] if row["mode"] == "forward" else batches[0], row["threads"])

    columns = sorted({column(row) for row in rows})
    lines, found = [], {}
    for row in rows:
        name = label(row, with_batch=row["mode"] == "step" or len(batches) == 1)
        found.setdefault(name, {})[column(row)] = summary(row)
    for name, about in found.items():
        first = about[min(about)]
        speedups = [f"{about[key]['speedup']:.2f} ({about[key]['peer']})" if key in about else ""
                    for key in columns]
        base, *others = [about.get((batches[0], n)) for n in counts]
        gains = [f"{base['ours'] / other['ours']:.2f}" if base and other else ""
                 for other in others]
        lines.append([name, f"{first['ours']:.2f}", f"{first['percent']:.0f}", *speedups, *gains])
    for mode, text in (("forward", "inference"), ("step", "training steps")):
        chosen = [row for row in rows if row["mode"] == mode]
        means = [[summary(row)["speedup"] for row in chosen if column(row) == key]
                 for key in columns]
        if len(chosen) > 1:
            lines.append([f"**geometric mean, {text}**", "", "",
                          *[f"**{geometric_mean(values):.2f}**" if values else ""
                            for values in means], *[""] * (len(counts) - 1)])
    if len(counts) > 1:
        for text, key in (("multiply-adds on registers", "peak_gflops"),
                          ("copies through memory", "copy_gb_per_s")):
            gains = limit_scaling(rows, key)
            if gains:
                lines.append([f"*{text}*", "", "", *[""] * len(columns),
                              *[f"{gains[n]:.2f}" if n in gains else "" for n in counts[1:]]])
    heads = [", ".join(["speed-up", *[f"batch {batch}"] * (len(batches) > 1),
                        plural(n, "thread")]) for batch, n in columns]
    heads += [f"{plural(n, 'thread')} : {counts[0]}" for n in counts[1:]]
    return markdown(["network", "ms", "% of FMA peak", *heads], lines)


def times_table(rows):
    """Minimum and median of every engine in every row."""
    engines = list(dict.fromkeys(name.removeprefix("step-") for row in rows
                                 for name in row["engines"]))
    with_copies = any("copy_gb_per_s" in row for row in rows)
    lines = []
    for row in rows:
        times = {name.removeprefix("step-"): about for name, about in row["engines"].items()}
        cells = [f"{times[name]['min_ms']:.2f} ({times[name]['median_ms']:.2f})"
                 if name in times else "" for name in engines]
        copy = f"{row['copy_gb_per_s']:.0f}" if "copy_gb_per_s" in row else ""
        lines.append([label(row), row["threads"], f"{row['peak_gflops']:.0f}",
                      *[copy] * with_copies, *cells])
    return markdown(["network", "threads", "peak GFLOP/s", *["copy GB/s"] * with_copies,
                     *map(title, engines)], lines)


def memory_table(rows):
    """Peak RSS, start and size of forward passes with the smallest batch and the fewest threads,
    of engines that say."""
    forward = [row for row in rows if row["mode"] == "forward"]
    smallest = min([(row["batch"], row["threads"]) for row in forward], default=None)
    chosen = [row for row in forward if (row["batch"], row["threads"]) == smallest]
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
    """Speed relative to the fastest peer: a bar for each network with the smallest batch, each
    training step and each number of threads."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "argent"
    from matplotlib import pyplot
    smallest = min([row["batch"] for row in rows if row["mode"] == "forward"], default=0)
    rows = [row for row in rows if row["mode"] == "step" or row["batch"] == smallest]
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


def page(rows, written_by="--write", summary=""):
    return f"""# Argent beside its peers
{summary}
Written by `benchmarks/peers/run {written_by}` (options: `--help`). Every engine runs the same
network with the same weights in f32 in a process of its own; engines take turns, run by run, in one
session, beside this machine's FMA peak; each waits until the threads of the one before it sleep.
A run of less than 20 ms is the second of two, so that it finds its own weights in the caches. Times
are the minimum in milliseconds, the median in brackets. Outputs are held to PyTorch's in
float64 before anything is timed. The peak is that of all threads of a row at the same time, and so
is the copy, where there is one: of 64 MB that no cache holds.

{times_table(rows)}

## Memory, start, size

Peak RSS of the engine's process in MB, milliseconds from opening the network to its first result,
seconds of `argent compile` (kernels in the cache are not compiled again), and the largest error of
Argent's output as a part of the largest output of PyTorch in float64.

{memory_table(rows)}
"""


def write_page(rows, path, machine):
    """Summary and details on a page of their own, headed by what is said of the machine."""
    summary = f"\n{machine}\n\n{summary_table(rows)}\n\n## All times\n"
    path.write_text(page(rows, "--page FILE", summary))


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
