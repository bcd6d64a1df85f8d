"""The table and the chart of a comparison."""
import json
import math
import re
import subprocess

TITLES = {"argent": "Argent", "ort": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch",
          "torch-cl": "PyTorch channels-last", "torch-compile": "torch.compile"}


def zoo_macs(program):
    """Multiply-adds of one image for each network of the zoo."""
    listing = subprocess.run([program, "zoo", "--json"], check=True, stdout=subprocess.PIPE)
    return {network["name"]: network["macs"] for network in json.loads(listing.stdout)}


def title(engine):
    return TITLES[engine.removeprefix("step-")]


def summary(row, macs):
    """What a row says: our time, the fastest peer and its time, speed-up, share of the peak."""
    ours = next(name for name in row["engines"] if name.endswith("argent"))
    peers = {name: about["min_ms"] for name, about in row["engines"].items() if name != ours}
    fastest = min(peers, key=peers.get)
    time = row["engines"][ours]["min_ms"]
    # A step computes each product three times: forward and two gradients.
    flops = 2e-6 * macs[row["name"]] * row["batch"] * (3 if row["mode"] == "step" else 1)
    return {"ours": time, "median": row["engines"][ours]["median_ms"], "peer": title(fastest),
            "peer_ms": peers[fastest], "speedup": peers[fastest] / time,
            "percent": 100 * flops / time / row["peak_gflops"]}


def table(rows, macs):
    lines = ["| network | batch | threads | Argent ms (median) | % of FMA peak | fastest peer ms "
             "| speed-up |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        s = summary(row, macs)
        name = row["name"] + (", training step" if row["mode"] == "step" else "")
        lines.append(f"| {name} | {row['batch']} | {row['threads']} "
                     f"| {s['ours']:.2f} ({s['median']:.2f}) | {s['percent']:.0f} "
                     f"| {s['peer_ms']:.2f} ({s['peer']}) | {s['speedup']:.2f} |")
    for mode in ("forward", "step"):
        speedups = [summary(row, macs)["speedup"] for row in rows if row["mode"] == mode]
        if len(speedups) > 1:
            mean = math.exp(sum(map(math.log, speedups)) / len(speedups))
            lines.append(f"| geometric mean, {mode} | | | | | | {mean:.2f} |")
    return "\n".join(lines)


def chart(rows, macs, path):
    """Speed relative to the fastest peer, a bar for each row."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "argent"
    from matplotlib import pyplot
    labels = [f"{row['name']}{' step' if row['mode'] == 'step' else ''} b{row['batch']} "
              f"{row['threads']}t" for row in rows]
    values = [summary(row, macs)["speedup"] for row in rows]
    figure, axes = pyplot.subplots(figsize=(8, 0.28 * len(rows) + 1))
    axes.barh(labels, values, color=["#35648f" if value >= 1 else "#b0703c" for value in values])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("speed relative to the fastest peer (above 1: Argent is faster)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def write(rows, macs, root):
    """Replaces what stands between the README's two marks, and draws docs/peers.svg."""
    readme = root / "README.md"
    pattern = re.compile(r"(<!-- peers -->\n).*?(<!-- /peers -->)", re.S)
    text, count = pattern.subn(lambda m: m[1] + table(rows, macs) + "\n" + m[2],
                               readme.read_text())
    if count != 1:
        raise RuntimeError("README.md lacks the marks <!-- peers --> and <!-- /peers -->")
    readme.write_text(text)
    chart(rows, macs, root / "docs" / "peers.svg")
