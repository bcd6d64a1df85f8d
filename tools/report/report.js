"use strict";
// Draws the report from the JSON in #data: no other source, no other file. `state` is what the
// reader chose; everything else is computed from the figures.
const data = JSON.parse(document.getElementById("data").textContent);
const state = { entry: 0, sort: "ms", ascending: false, filter: "", view: null };
const kPalette = ["#4263eb", "#0ca678", "#e8890c", "#d6336c", "#7048e8", "#1098ad", "#74b816",
  "#a9541d"];
const kRoutine = "#868e96";

// ---- elements ----

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
const html = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const place = (id) => document.getElementById(id);

// ---- numbers ----

// Three digits: 1234, 123, 12.3, 1.23, 0.0123.
function digits(value) {
  if (value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 6));
}
function scaled(value, base, units) {
  let unit = 0;
  while (Math.abs(value) >= base && unit + 1 < units.length) { value /= base; ++unit; }
  return [digits(value), units[unit]];
}
const time = (ns) => scaled(ns, 1000, ["ns", "µs", "ms", "s"]).join(" ");
const bytes = (count) => scaled(count, 1024, ["B", "KiB", "MiB", "GiB"]).join(" ");
const percent = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1)) + " %";

// "Nice" steps (1, 2, 5 times a power of ten) of an axis.
function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let t = Math.ceil(low / step) * step; t <= high; t += step) found.push(t);
  return found;
}

// ---- figures of the chosen entry ----

const entry = () => data.entries[state.entry];
const kernelOf = (step) => entry().kernels[step];
const family = (kernel) => kernel.algorithm || "routine";
const title = (kernel) => kernel.layer || kernel.kernel;
const source = (kernel) => (kernel.file ? `${kernel.file}:${kernel.line}` : "");
const total = () => entry().kernels.reduce((sum, kernel) => sum + kernel.ms, 0);

// Whether a roof limits it: it computes, or moves what is counted.
const hasRoof = (kernel) => kernel.flops > 0 || kernel.bytes > 0;
function grade(kernel) {
  if (!hasRoof(kernel)) return kRoutine;
  const share = kernel.percent_of_roofline;
  return share >= 70 ? "var(--good)" : share >= 35 ? "var(--fair)" : "var(--poor)";
}
// Families by time, the longest first: [{name, ms, kernels, roofline}].
function families() {
  const found = new Map();
  for (const kernel of entry().kernels) {
    const row = found.get(family(kernel)) || { name: family(kernel), ms: 0, kernels: 0, least: 0 };
    row.ms += kernel.ms;
    row.kernels += 1;
    row.least += (kernel.ms * kernel.percent_of_roofline) / 100;
    found.set(row.name, row);
  }
  return [...found.values()].sort((a, b) => b.ms - a.ms);
}
function colors() {
  const names = families().map((row) => row.name).filter((name) => name !== "routine");
  return (name) =>
    name === "routine" ? kRoutine : kPalette[names.indexOf(name) % kPalette.length];
}

// ---- pointing at a kernel ----

function tipOf(kernel, extra) {
  const lines = [
    `${time(kernel.ms * 1e6)}, ${percent((100 * kernel.ms) / total())} of the time`,
  ];
  if (hasRoof(kernel)) {
    lines.push(`${digits(kernel.gflops)} GFLOP/s, ${digits(kernel.gb_per_s)} GB/s`,
      `${percent(kernel.percent_of_roofline)} of the roofline (${kernel.bound}-bound)`);
  }
  if (extra) lines.unshift(extra);
  const parts = [html("b", {}, title(kernel)), " ", source(kernel), html("br"), kernel.kernel];
  for (const line of lines) parts.push(html("br"), line);
  if (kernel.algorithm) {
    parts.push(html("br"), html("code", {}, `${kernel.algorithm} ${kernel.schedule}`));
  }
  return parts;
}
function showTip(event, parts) {
  const tip = place("tip");
  tip.replaceChildren(...parts);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 12)) + "px";
  tip.style.top =
    (event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18) +
    "px";
}
function heat(step, on) {
  for (const element of document.querySelectorAll(`[data-step="${step}"]`))
    element.classList.toggle("hot", on);
}
// Attributes of an element that stands for a kernel.
function pointing(step, extra) {
  return {
    "data-step": step,
    onmousemove: (event) => { heat(step, true); showTip(event, tipOf(kernelOf(step), extra)); },
    onmouseleave: () => { heat(step, false); place("tip").hidden = true; },
    onclick: () => document.querySelector(`tr[data-step="${step}"]`)
      ?.scrollIntoView({ block: "center", behavior: "smooth" }),
  };
}

// ---- the head ----

function drawHead() {
  place("name").textContent = data.name;
  const threads = data.threads === 1 ? "1 thread" : `${data.threads} threads`;
  place("about").textContent =
    `compiled for ${data.target} · ${threads} · ${entry().runs} runs · this machine: ` +
    `${digits(entry().peak_gflops)} GFLOP/s (${data.peak_instructions}), ` +
    `${digits(entry().copy_gb_per_s)} GB/s`;
  place("entries").replaceChildren(...(data.entries.length < 2 ? [] : data.entries.map((e, i) =>
    html("button", { "aria-pressed": i === state.entry, onclick: () => choose(i) }, e.entry))));
}
function figure(value, unit, label) {
  return html("div", { class: "figure" }, html("b", {}, value, " ", html("small", {}, unit)),
    html("span", { class: "quiet" }, label));
}
function drawFigures() {
  const e = entry();
  const least = families().reduce((sum, row) => sum + row.least, 0);
  place("figures").replaceChildren(
    figure(...scaled(e.min_ms * 1e6, 1000, ["ns", "µs", "ms", "s"]),
      `fastest; median ${time(e.median_ms * 1e6)}`),
    figure(digits(e.gflops), "GFLOP/s", `${percent(e.percent_of_peak)} of the FMA peak`),
    figure(percent((100 * least) / total()).replace(" %", ""), "%", "of the roofline, over all"),
    figure(String(e.kernels.length), "steps", `${digits(e.gflop)} GFLOP in a run`),
    figure(...scaled(e.arena_bytes, 1024, ["B", "KiB", "MiB", "GiB"]), "arena of an instance"),
    figure(...scaled(data.weight_bytes, 1024, ["B", "KiB", "MiB", "GiB"]), "weights, shared"));
}
function drawAlgorithms() {
  const color = colors(), rows = families(), sum = total();
  const stack = rows.map((row) => html("div", {
    style: `width:${(100 * row.ms) / sum}%;background:${color(row.name)}`, title: row.name }));
  const legend = rows.map((row) => html("span", {},
    html("i", { class: "dot", style: `background:${color(row.name)}` }),
    html("b", {}, row.name), ` ${percent((100 * row.ms) / sum)} · ${time(row.ms * 1e6)} in ` +
    `${row.kernels}` + (row.least > 0 ? ` · ${percent((100 * row.least) / row.ms)} of roofline` : "")));
  place("algorithms").replaceChildren(html("div", { class: "stack" }, ...stack),
    html("div", { class: "legend" }, ...legend));
}

// ---- one run ----

const kLeft = 74, kRight = 14;

// The events' rows: the caller's steps, then each thread's tasks.
function lanes() {
  const steps = [], tasks = new Map();
  for (const [step, thread, begin, length, count] of entry().events) {
    if (count === 0) steps.push({ step, begin, length, count });
    else tasks.set(thread, [...(tasks.get(thread) || []), { step, begin, length, count }]);
  }
  const found = [{ name: "kernels", height: 34, slices: steps }];
  for (const thread of [...tasks.keys()].sort((a, b) => a - b)) {
    found.push({ name: thread === 0 ? "caller" : `worker ${thread}`, height: 18,
      slices: tasks.get(thread) });
  }
  return found;
}
// The last parts of "layer1.0.conv2" that fit, or its beginning; nothing where nothing says anything.
function shortened(name, room) {
  if (name.length <= room) return name;
  const parts = name.split(".");
  while (parts.length > 1 && parts.join(".").length > room) parts.shift();
  const rest = parts.join(".");
  if (rest.length <= room) return /[a-z]/i.test(rest) ? rest : "";
  return room >= 4 ? rest.slice(0, room - 1) + "…" : "";
}
function drawLane(lane, top, x, color, edges) {
  const group = svg("g", {}, svg("text", { x: 0, y: top + lane.height / 2 + 4 }, lane.name),
    svg("rect", { class: "lane", x: edges[0], y: top, width: edges[1] - edges[0],
      height: lane.height, rx: 3 }));
  for (const slice of lane.slices) {
    const left = Math.max(x(slice.begin), edges[0]);
    const right = Math.min(x(slice.begin + slice.length), edges[1]);
    if (right < edges[0] || left > edges[1]) continue;
    const kernel = kernelOf(slice.step), width = Math.max(right - left, 0.6);
    const what = slice.count ? `${slice.count} tasks` : "this run";
    group.append(svg("rect", { class: "slice", x: left, y: top, width, height: lane.height,
      rx: width > 6 ? 2 : 0, fill: color(family(kernel)), stroke: "var(--card)",
      "stroke-width": width > 3 ? 0.8 : 0,
      ...pointing(slice.step, `${what}: ${time(slice.length)}`) }));
    if (slice.count !== 0) continue;
    group.append(svg("rect", { class: "grade", x: left, y: top + lane.height - 4, width, height: 4,
      fill: grade(kernel) }));
    const name = shortened(title(kernel), Math.floor((width - 8) / 6.3));
    if (name) group.append(svg("text", { class: "name", x: left + 4, y: top + 19 }, name));
  }
  return group;
}
// The arena's use as steps over time.
function drawMemory(top, height, x, edges, end) {
  const most = Math.max(entry().arena_bytes, 1);
  const y = (count) => top + height - (height * count) / most;
  const clamp = (value) => Math.min(Math.max(value, edges[0]), edges[1]);
  let path = `M ${edges[0]} ${y(0)}`;
  for (const { step, begin, length } of lanes()[0].slices) {
    const level = y(kernelOf(step).live_bytes);
    path += ` L ${clamp(x(begin))} ${level} L ${clamp(x(begin + length))} ${level}`;
  }
  path += ` L ${clamp(x(end))} ${y(0)} Z`;
  return svg("g", {}, svg("text", { x: 0, y: top + height / 2 }, "arena"),
    svg("text", { x: 0, y: top + height / 2 + 14 }, bytes(most)),
    svg("rect", { class: "lane", x: edges[0], y: top, width: edges[1] - edges[0], height, rx: 3 }),
    svg("path", { class: "memory", d: path }));
}
function drawTimeline() {
  const box = place("timeline"), width = Math.max(box.clientWidth, 480);
  const end = Math.max(...entry().events.map(([, , begin, length]) => begin + length), 1);
  const view = state.view || [0, end], edges = [kLeft, width - kRight];
  const x = (ns) => edges[0] + ((ns - view[0]) / (view[1] - view[0])) * (edges[1] - edges[0]);
  const rows = lanes(), color = colors(), kMemory = 92;
  const parts = [];
  let top = 22;
  for (const lane of rows) {
    parts.push(drawLane(lane, top, x, color, edges));
    top += lane.height + 5;
  }
  parts.push(drawMemory(top + 6, kMemory, x, edges, end));
  const bottom = top + 6 + kMemory;
  const axis = ticks(view[0], view[1], 8).map((t) => svg("g", {},
    svg("line", { class: "grid", x1: x(t), x2: x(t), y1: 18, y2: bottom }),
    svg("text", { x: x(t), y: 11, "text-anchor": "middle" }, time(t))));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${bottom + 4}`, height: bottom + 4 },
    ...axis, ...parts);
  addBrush(picture, view, edges, bottom);
  box.replaceChildren(picture);
}
// Dragging over the picture looks closer.
function addBrush(picture, view, edges, bottom) {
  let from = null, brush = null;
  const at = (event) => {
    const box = picture.getBoundingClientRect();
    const inside = ((event.clientX - box.left) / box.width) * picture.viewBox.baseVal.width;
    return Math.min(Math.max(inside, edges[0]), edges[1]);
  };
  const ns = (x) => view[0] + ((x - edges[0]) / (edges[1] - edges[0])) * (view[1] - view[0]);
  picture.addEventListener("pointerdown", (event) => { from = at(event); });
  picture.addEventListener("pointermove", (event) => {
    if (from === null || Math.abs(at(event) - from) < 4) return;
    if (!brush) picture.append(brush = svg("rect", { class: "brush", y: 18, height: bottom - 18 }));
    brush.setAttribute("x", Math.min(from, at(event)));
    brush.setAttribute("width", Math.abs(at(event) - from));
  });
  picture.addEventListener("pointerup", (event) => {
    const range = [ns(Math.min(from, at(event))), ns(Math.max(from, at(event)))];
    if (brush && range[1] > range[0]) { state.view = range; drawTimeline(); }
    from = brush = null;
  });
  picture.addEventListener("dblclick", () => { state.view = null; drawTimeline(); });
}

// ---- roofline ----

// Text above the first part of a line.
function alongSlope(text, from, to) {
  const turn = (Math.atan2(to[1] - from[1], to[0] - from[0]) * 180) / Math.PI;
  const at = from.map((start, axis) => start + 0.3 * (to[axis] - start));
  return svg("text", { transform: `translate(${at[0]} ${at[1]}) rotate(${turn})`, dy: -7 }, text);
}
function drawRoofline() {
  const box = place("roofline"), width = Math.max(box.clientWidth, 480), height = 380;
  const e = entry(), peak = e.peak_gflops, speed = e.copy_gb_per_s, color = colors();
  const points = e.kernels.map((kernel, step) => ({ kernel, step, x: kernel.flops / kernel.bytes }))
    .filter(({ kernel }) => kernel.flops > 0 && kernel.bytes > 0);
  const ridge = peak / speed;
  const xs = [...points.map((p) => p.x), ridge], ys = points.map((p) => p.kernel.gflops);
  const range = [Math.min(...xs) / 1.6, Math.max(...xs, 4 * ridge) * 1.6];
  const rates = [Math.min(peak / 50, ...ys) / 1.6, Math.max(peak, ...ys) * 1.7];
  const edge = { left: 62, right: width - 18, top: 12, bottom: height - 40 };
  const scale = (value, [low, high], a, b) =>
    a + (Math.log(value / low) / Math.log(high / low)) * (b - a);
  const x = (value) => scale(value, range, edge.left, edge.right);
  const y = (value) => scale(value, rates, edge.bottom, edge.top);
  const decades = ([low, high]) => {
    const found = [];
    for (let d = Math.ceil(Math.log10(low)); 10 ** d <= high; ++d) found.push(10 ** d);
    return found;
  };
  const parts = [];
  for (const value of decades(range)) {
    parts.push(svg("line", { class: "grid", x1: x(value), x2: x(value), y1: edge.top,
      y2: edge.bottom }), svg("text", { x: x(value), y: edge.bottom + 16,
      "text-anchor": "middle" }, digits(value).replace(/\.0+$/, "")));
  }
  for (const value of decades(rates)) {
    parts.push(svg("line", { class: "grid", x1: edge.left, x2: edge.right, y1: y(value),
      y2: y(value) }), svg("text", { x: edge.left - 8, y: y(value) + 4, "text-anchor": "end" },
      digits(value).replace(/\.0+$/, "")));
  }
  const start = Math.max(range[0], rates[0] / speed);
  parts.push(svg("path", { class: "roof", d: `M ${x(start)} ${y(start * speed)} ` +
    `L ${x(ridge)} ${y(peak)} L ${edge.right} ${y(peak)}` }),
    alongSlope(`${digits(speed)} GB/s, copies through memory`, [x(start), y(start * speed)],
      [x(ridge), y(peak)]),
    svg("text", { x: (edge.left + edge.right) / 2, y: height - 4, "text-anchor": "middle" },
      "FLOP per byte read or written"),
    svg("text", { x: edge.left, y: edge.top - 2 }, "GFLOP/s"));
  const largest = Math.max(...points.map((p) => p.kernel.ms));
  points.sort((a, b) => b.kernel.ms - a.kernel.ms);
  for (const { kernel, step, x: intensity } of points) {
    parts.push(svg("circle", { class: "point", cx: x(intensity), cy: y(kernel.gflops),
      r: 3 + 13 * Math.sqrt(kernel.ms / largest), fill: color(family(kernel)), ...pointing(step) }));
  }
  const taken = [];  // places of names; the longest kernels come first
  for (const { kernel, x: intensity } of points.slice(0, 12)) {
    const at = { x: x(intensity), y: y(kernel.gflops), width: 24 + 7 * title(kernel).length };
    const right = at.x > edge.right - at.width;
    const left = right ? at.x - at.width : at.x;
    if (taken.some((t) => Math.abs(t.y - at.y) < 16 && left < t.right && t.left < left + at.width))
      continue;
    taken.push({ y: at.y, left, right: left + at.width });
    parts.push(svg("text", { class: "mark", x: at.x + (right ? -18 : 18), y: at.y + 4,
      "text-anchor": right ? "end" : "start" }, title(kernel)));
  }
  // In the corner where only a kernel could be that reads nothing from memory.
  parts.push(svg("text", { class: "halo", x: edge.left + 12, y: edge.top + 18 },
    `flat roof: ${digits(peak)} GFLOP/s, ${data.peak_instructions} multiply-adds`));
  box.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, height }, ...parts));
}

// ---- kernels ----

const kColumns = [
  { key: "step", name: "#", number: true, value: (kernel, step) => step },
  { key: "layer", name: "Layer", value: title },
  { key: "source", name: "Line", value: source },
  { key: "ms", name: "Time", number: true, value: (kernel) => kernel.ms },
  { key: "gflops", name: "GFLOP/s", number: true, value: (kernel) => kernel.gflops },
  { key: "gb_per_s", name: "GB/s", number: true, value: (kernel) => kernel.gb_per_s },
  { key: "roofline", name: "Roofline", number: true, value: (k) => k.percent_of_roofline },
  { key: "family", name: "Algorithm, schedule", value: family },
];
function bar(share, color) {
  return html("span", { class: "bar" },
    html("i", { style: `width:${Math.min(100, share)}%;background:${color}` }));
}
function kernelRow(kernel, step, color, sum, longest) {
  const share = kernel.percent_of_roofline;
  return html("tr", { "data-step": step, onmouseenter: () => heat(step, true),
    onmouseleave: () => heat(step, false) },
    html("td", { class: "number quiet" }, String(step)),
    html("td", { class: "wide" }, html("b", {}, title(kernel)),
      html("small", {}, kernel.kernel)),
    html("td", { class: "quiet source" }, source(kernel)),
    html("td", { class: "number" }, time(kernel.ms * 1e6), " ",
      html("span", { class: "quiet" }, percent((100 * kernel.ms) / sum)),
      bar((100 * kernel.ms) / longest, color(family(kernel)))),
    html("td", { class: "number" }, kernel.flops > 0 ? digits(kernel.gflops) : "–"),
    html("td", { class: "number" }, kernel.bytes > 0 ? digits(kernel.gb_per_s) : "–"),
    html("td", { class: "number" }, ...(!hasRoof(kernel) ? ["–"] : [percent(share), " ",
      html("span", { class: "quiet" }, kernel.bound), bar(share, grade(kernel))])),
    html("td", { class: "schedule" },
      html("i", { class: "dot", style: `background:${color(family(kernel))}` }),
      family(kernel), " ", html("code", {}, kernel.schedule.replaceAll(",", " "))));
}
function drawKernels() {
  const column = kColumns.find((c) => c.key === state.sort), color = colors(), sum = total();
  const longest = Math.max(...entry().kernels.map((kernel) => kernel.ms));
  const wanted = (kernel) => [kernel.layer, source(kernel), kernel.kernel, kernel.algorithm,
    kernel.schedule].some((text) => text.toLowerCase().includes(state.filter));
  const rows = entry().kernels.map((kernel, step) => ({ kernel, step }))
    .filter(({ kernel }) => wanted(kernel))
    .sort((a, b) => {
      const [p, q] = [a, b].map(({ kernel, step }) => column.value(kernel, step));
      const order = p < q ? -1 : p > q ? 1 : a.step - b.step;
      return state.ascending ? order : -order;
    });
  const head = kColumns.map((c) => html("th", { class: c.number ? "number" : "",
    "aria-sort": c.key !== state.sort ? null : state.ascending ? "ascending" : "descending",
    onclick: () => {
      state.ascending = c.key === state.sort ? !state.ascending : !c.number || c.key === "step";
      state.sort = c.key;
      drawKernels();
    } }, c.name));
  place("kernels").replaceChildren(html("thead", {}, html("tr", {}, ...head)),
    html("tbody", {}, ...rows.map(({ kernel, step }) =>
      kernelRow(kernel, step, color, sum, longest))));
}

// ---- all of it ----

function draw() {
  for (const part of [drawHead, drawFigures, drawAlgorithms, drawTimeline, drawRoofline,
    drawKernels]) part();
}
function choose(index) {
  Object.assign(state, { entry: index, view: null });
  draw();
}
place("filter").addEventListener("input", (event) => {
  state.filter = event.target.value.toLowerCase();
  drawKernels();
});
addEventListener("resize", () => { drawTimeline(); drawRoofline(); });
addEventListener("error", (event) => { document.body.dataset.error = event.message; });
draw();
document.body.dataset.drawn = String(state.entry);
