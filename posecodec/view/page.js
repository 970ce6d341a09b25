"use strict";

// Shows the scene that stands in the page as JSON; pack.py says how its numbers are written.

const el = (id) => document.getElementById(id);
const scene = JSON.parse(el("scene").textContent);
const [T, P, K, D] = scene.shape;
const FLAT = D === 2;
const view = el("view"), trace = el("trace");
const state = {
  frame: 0, time: 0, playing: false, speed: 1, loop: true, follow: scene.follows,
  yaw: 0.6, pitch: 0.22, zoom: 1, panX: 0, panY: 0,
  people: scene.ids.map(() => true), layers: scene.layers.map(() => true),
};
let layers, near, far, times, errors, colors, dirty = true;

// ---- data

async function inflate(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows of `length` integers from their wrapped differences; `width` planes of bytes, the lowest first.
async function integers(text, width, length) {
  const bytes = await inflate(text), count = bytes.length / width, shift = 32 - 8 * width;
  const values = new { 1: Int8Array, 2: Int16Array, 4: Int32Array }[width](count);
  for (let i = 0, value = 0; i < count; i++) {
    let change = 0;
    for (let b = 0; b < width; b++) change |= bytes[b * count + i] << (8 * b);
    value = i % length ? ((value + change) << shift) >> shift : (change << shift) >> shift;
    values[i] = value;
  }
  return values;
}

async function positions(packed, length) {
  const values = await integers(packed.data, packed.width, length);
  const missing = -(2 ** (8 * packed.width - 1));
  const at = (frame, row, d) => {
    const value = values[(row * D + d) * length + frame];
    return value === missing ? NaN : packed.offset[d] + packed.step * value;
  };
  return { ...packed, at };
}

async function load() {
  layers = await Promise.all(scene.layers.map(async (layer) => ({
    ...(await positions(layer, T)), opacity: layer.opacity && (await integers(layer.opacity, 1, T)),
  })));
  near = await positions(scene.near, T);
  far = await positions(scene.far, 1);
  times = scene.times ? new Float64Array((await inflate(scene.times)).buffer)
    : Float64Array.from({ length: T }, (_, i) => i / scene.rate);
  if (scene.errors) {
    const [mean, max] = await Promise.all(["mean", "max"].map((n) => inflate(scene.errors[n])));
    errors = { mean: new Float32Array(mean.buffer), max: new Float32Array(max.buffer) };
  }
}

// ---- texts

const UNIT = (unit) => (unit === "unknown" ? "units" : unit);

function show(value) {
  if (value === null || Number.isNaN(value)) return "n/a";
  if (value >= 1e6) return value.toExponential(2);
  return value === 0 ? "0" : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1)
    : value >= 1 ? value.toFixed(2) : value.toPrecision(2);
}

function clock(seconds) {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

function fixedTexts() {
  document.title = scene.title;
  el("title").textContent = el("title").title = scene.title;
  el("facts").textContent = scene.facts.join(" · ");
  el("notes").textContent = scene.notes.join(" ");
  el("of").textContent = ` / ${Math.max(0, scene.frames - 1)}`;
  if (!T || !P || scene.empty) {
    const why = !T ? "the recording has no frames" : !P ? "there are no people in the recording" : "every keypoint is missing in every frame";
    notice(`Nothing to see: ${why}.`);
  }
  if (!scene.errors) return;
  const { total, unit } = scene.errors, name = UNIT(unit);
  el("errors").hidden = false;
  el("total-mean").textContent = `${show(total.mpjpe)} ${name}`;
  el("total-p95").textContent = `${show(total.p95)} ${name}`;
  el("total-max").textContent = `${show(total.max)} ${name}`;
  el("size-row").hidden = scene.size === null;
  if (scene.size !== null) {
    const bits = scene.bits === null ? "" : `, ${show(scene.bits)} bits a frame${P > 1 ? " and person" : ""}`;
    el("size").textContent = `${scene.size.toLocaleString("en")} bytes${bits}`;
  }
}

function notice(text) {
  el("notice").textContent = text;
  el("notice").hidden = false;
}

function readouts() {
  const f = state.frame;
  el("frame").textContent = T ? String(f * scene.stride) : "–";
  el("time").textContent = T ? clock(times[f]) : "";
  el("scrub").value = f;
  el("scrub").setAttribute("aria-valuetext", `frame ${f * scene.stride}`);
  if (!errors) return;
  const unit = UNIT(scene.errors.unit), known = T > 0 && !Number.isNaN(errors.mean[f]);
  el("now-mean").textContent = known ? `${show(errors.mean[f])} ${unit}` : "n/a";
  el("now-max").textContent = known ? `max ${show(errors.max[f])}` : "";
}

// ---- colors

const scheme = matchMedia("(prefers-color-scheme: dark)");

function readColors() {
  const style = getComputedStyle(document.documentElement);
  colors = {};
  for (const name of ["paper", "panel", "ink", "muted", "line", "grid", "accent", "soft", "shadow"]) {
    colors[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colors.strong = scene.hues.map((hue) => `hsl(${hue} ${scheme.matches ? "80% 68%" : "75% 38%"})`);
  colors.pale = scene.hues.map((hue) => `hsl(${hue} ${scheme.matches ? "42% 33%" : "62% 82%"})`);
}

// ---- projection

function size(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return { pen, w: box.width, h: box.height };
}

// Maps a point to [x, y] on the canvas, or null behind the eye. Distances in pixels at the center: `fit` a unit.
function camera(w, h) {
  const place = state.follow ? near : far, frame = state.follow ? state.frame : 0;
  const center = Array.from({ length: D }, (_, d) => (T ? place.at(frame, 0, d) : 0));
  const top = 44, fit0 = Math.min((0.46 * w) / place.across, (0.44 * Math.max(h - top, 60)) / place.along);
  const x0 = w / 2 + state.panX, y0 = (h + top) / 2 - 8 + state.panY;
  if (FLAT) {
    const fit = fit0 * state.zoom;
    return { center, fit, x0, y0, far: Infinity, map: (x, y) => [x0 + (x - center[0]) * fit, y0 + (y - center[1]) * fit] };
  }
  const away = 4.5 * Math.max(place.across, place.along), depth0 = away / state.zoom, focus = fit0 * away;
  const [cy, sy, cp, sp] = [Math.cos(state.yaw), Math.sin(state.yaw), Math.cos(state.pitch), Math.sin(state.pitch)];
  const map = (x, y, z) => {
    const px = x - center[0], py = y - center[1], pz = z - center[2];
    const across = cy * px - sy * pz, ahead = sy * px + cy * pz;
    const depth = depth0 - (sp * py + cp * ahead);
    if (!(depth > depth0 * 0.02)) return null;
    return [x0 + (across * focus) / depth, y0 - ((cp * py - sp * ahead) * focus) / depth];
  };
  return { center, fit: focus / depth0, x0, y0, far: depth0, map };
}

function nice(length) {
  const power = 10 ** Math.floor(Math.log10(length)), part = length / power;
  return power * (part >= 5 ? 5 : part >= 2 ? 2 : 1);
}

// ---- drawing

function drawGrid(pen, w, h, eye) {
  const spacing = nice(FLAT ? 90 / eye.fit : eye.far / 6);
  if (!(spacing > 0) || !Number.isFinite(spacing)) return;
  el("grid").textContent = `grid ${Number(spacing.toPrecision(3))} ${UNIT(scene.unit)}`;
  pen.strokeStyle = colors.grid;
  pen.lineWidth = 1;
  if (FLAT) drawPaper(pen, w, h, eye, spacing);
  else drawFloor(pen, eye, spacing);
  pen.globalAlpha = 1;
}

function drawPaper(pen, w, h, eye, spacing) {
  pen.globalAlpha = 0.3;
  pen.beginPath();
  for (let i = Math.ceil((eye.center[0] - eye.x0 / eye.fit) / spacing); ; i++) {
    const x = eye.map(i * spacing, 0)[0];
    if (!(x <= w)) break;
    pen.moveTo(x, 0);
    pen.lineTo(x, h);
  }
  for (let i = Math.ceil((eye.center[1] - eye.y0 / eye.fit) / spacing); ; i++) {
    const y = eye.map(0, i * spacing)[1];
    if (!(y <= h)) break;
    pen.moveTo(0, y);
    pen.lineTo(w, y);
  }
  pen.stroke();
}

// A floor around the center that fades out: segments of cells, in bands of opacity.
function drawFloor(pen, eye, spacing) {
  const reach = eye.far, bands = Array.from({ length: 6 }, () => new Path2D());
  const [cx, , cz] = eye.center, cells = Math.ceil(reach / spacing);
  const [ix, iz] = [Math.round(cx / spacing), Math.round(cz / spacing)];
  const segment = (x1, z1, x2, z2) => {
    const r = Math.hypot((x1 + x2) / 2 - cx, (z1 + z2) / 2 - cz) / reach;
    const a = r < 1 && eye.map(x1, scene.floor, z1), b = a && eye.map(x2, scene.floor, z2);
    if (!b) return;
    const band = bands[Math.floor(r * bands.length)];
    band.moveTo(...a);
    band.lineTo(...b);
  };
  for (let i = -cells; i <= cells; i++) {
    for (let j = -cells; j < cells; j += 0.5) {
      segment((ix + i) * spacing, (iz + j) * spacing, (ix + i) * spacing, (iz + j + 0.5) * spacing);
      segment((ix + j) * spacing, (iz + i) * spacing, (ix + j + 0.5) * spacing, (iz + i) * spacing);
    }
  }
  bands.forEach((band, i) => {
    pen.globalAlpha = 0.75 * (1 - (i + 0.5) / bands.length) ** 1.5;
    pen.stroke(band);
  });
}

// The screen points of one person, null where a keypoint is missing.
function projected(layer, person, map) {
  return Array.from({ length: K }, (_, k) => {
    const row = person * K + k, x = layer.at(state.frame, row, 0);
    if (Number.isNaN(x)) return null;
    return map(x, layer.at(state.frame, row, 1), FLAT ? 0 : layer.at(state.frame, row, 2));
  });
}

function drawShadow(pen, eye, width) {
  const layer = layers[state.layers.indexOf(true)];
  if (FLAT || !layer) return;
  pen.strokeStyle = pen.fillStyle = colors.shadow;
  pen.lineWidth = width;
  for (let p = 0; p < P; p++) {
    if (!state.people[p]) continue;
    const points = projected(layer, p, (x, _, z) => eye.map(x, scene.floor, z));
    pen.stroke(limbs(points));
    if (!scene.edges.length) pen.fill(dots(points, width / 2));
  }
}

function limbs(points) {
  const path = new Path2D();
  for (const [a, b] of scene.edges) {
    if (!points[a] || !points[b]) continue;
    path.moveTo(...points[a]);
    path.lineTo(...points[b]);
  }
  return path;
}

function dots(points, radius) {
  const path = new Path2D();
  for (const point of points) {
    if (!point) continue;
    path.moveTo(point[0] + radius, point[1]);
    path.arc(point[0], point[1], radius, 0, 2 * Math.PI);
  }
  return path;
}

// How a layer is drawn: alone as a figure; of two the first as a pale band, the second as a thread on it.
function strokeOf(index, person, width) {
  const dense = K > 60 ? 0.55 : 1, bare = scene.edges.length ? 1 : 1.7;
  if (layers.length === 1) return { color: colors.strong[person], width: width * 1.25 * dense, dot: width * 1.2 * dense * bare };
  if (index === 0) return { color: colors.pale[person], width: width * 3.2 * dense, dot: width * 2 * dense * bare };
  return { color: colors.strong[person], width: Math.max(1.25, width * 0.75 * dense), dot: width * 0.85 * dense * bare };
}

function drawFigure(pen, index, person, eye, width) {
  const layer = layers[index], points = projected(layer, person, eye.map), stroke = strokeOf(index, person, width);
  pen.strokeStyle = pen.fillStyle = stroke.color;
  pen.lineWidth = stroke.width;
  if (!layer.opacity) {
    pen.stroke(limbs(points));
    pen.fill(dots(points, stroke.dot));
    return;
  }
  const alpha = (k) => 0.12 + (0.88 * layer.opacity[(person * K + k) * T + state.frame]) / 127;
  for (const [a, b] of scene.edges) {
    if (!points[a] || !points[b]) continue;
    pen.globalAlpha = Math.min(alpha(a), alpha(b));
    pen.beginPath();
    pen.moveTo(...points[a]);
    pen.lineTo(...points[b]);
    pen.stroke();
  }
  points.forEach((point, k) => {
    if (!point) return;
    pen.globalAlpha = alpha(k);
    pen.fill(dots([point], stroke.dot));
  });
  pen.globalAlpha = 1;
}

function draw() {
  const { pen, w, h } = size(view), eye = camera(w, h);
  pen.lineCap = pen.lineJoin = "round";
  if (!w || !h || !T) return;
  drawGrid(pen, w, h, eye);
  const width = Math.min(5, Math.max(1, scene.body * eye.fit * 0.0065));
  drawShadow(pen, eye, width * 1.6);
  for (let i = 0; i < layers.length; i++) {
    for (let p = 0; state.layers[i] && p < P; p++) if (state.people[p]) drawFigure(pen, i, p, eye, width);
  }
}

// ---- the error over time

const MARGIN = { left: 46, right: 8, top: 8, bottom: 6 };
const traceX = (frame, w) => MARGIN.left + (T > 1 ? frame / (T - 1) : 0.5) * (w - MARGIN.left - MARGIN.right);

const largest = (values) => Math.max(...values);
const average = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// At most one point a pixel: `merge` of the values that share it.
function line(values, w, y, merge) {
  const path = new Path2D(), each = Math.max(1, Math.floor(T / Math.max(w, 1)));
  let open = false;
  for (let f = 0; f < T; f += each) {
    const known = Array.from(values.subarray(f, f + each)).filter((value) => !Number.isNaN(value));
    if (!known.length) { open = false; continue; }
    const at = [traceX(f, w), y(merge(known))];
    if (!open) path.moveTo(...at);
    path.lineTo(...at);
    open = true;
  }
  return path;
}

function drawTrace() {
  if (!errors) return;
  const { pen, w, h } = size(trace);
  const top = errors.max.reduce((a, b) => (b > a ? b : a), 0) || 1;
  const bottom = h - MARGIN.bottom, y = (value) => bottom - (value / top) * (bottom - MARGIN.top);
  pen.lineCap = pen.lineJoin = "round";
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const tick = nice(top);
  for (const value of [0, tick / 2, tick, ...(tick * 2 <= top ? [tick * 2] : [])]) {
    pen.strokeStyle = colors.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(MARGIN.left, Math.round(y(value)) + 0.5);
    pen.lineTo(w - MARGIN.right, Math.round(y(value)) + 0.5);
    pen.stroke();
    pen.fillStyle = colors.muted;
    pen.fillText(value ? Number(value.toPrecision(3)) : `0 ${UNIT(scene.errors.unit)}`, MARGIN.left - 7, Math.min(y(value), bottom - 1));
  }
  pen.strokeStyle = colors.soft;
  pen.lineWidth = 1.25;
  pen.stroke(line(errors.max, w, y, largest));
  pen.strokeStyle = colors.accent;
  pen.lineWidth = 1.75;
  pen.stroke(line(errors.mean, w, y, average));
  if (!T) return;
  const x = traceX(state.frame, w), now = errors.mean[state.frame];
  pen.strokeStyle = pen.fillStyle = colors.ink;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, 2);
  pen.lineTo(x, h - 2);
  pen.stroke();
  if (!Number.isNaN(now)) pen.fill(dots([[x, y(now)]], 3.5));
}

// ---- time

function frameAt(time) {
  let low = 0, high = T - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time + 1e-9) low = middle;
    else high = middle - 1;
  }
  return low;
}

function seek(frame) {
  if (!T) return;
  state.frame = Math.min(T - 1, Math.max(0, Math.round(frame)));
  state.time = times[state.frame];
  dirty = true;
}

function play(on) {
  if (on && !state.loop && state.frame === T - 1) seek(0);
  state.playing = on && T > 1;
  el("play-shape").setAttribute("d", state.playing ? "M4 3h4v14H4zM12 3h4v14h-4z" : "M5.5 2.5v15l12-7.5z");
  el("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
}

function advance(seconds) {
  const end = times[T - 1] + 1 / scene.rate;
  state.time += seconds * state.speed;
  if (state.time >= end) {
    if (state.loop) state.time %= end;
    else {
      state.time = times[T - 1];
      play(false);
    }
  }
  const frame = frameAt(state.time);
  if (frame !== state.frame) dirty = true;
  state.frame = frame;
}

let last = null;
function tick(now) {
  if (state.playing && last !== null) advance(Math.min(1, Math.max(0, (now - last) / 1000)));
  last = now;
  if (dirty) {
    dirty = false;
    draw();
    drawTrace();
    readouts();
  }
  requestAnimationFrame(tick);
}

// ---- controls

function chip(text, mark, color, pressed) {
  const button = document.createElement("button"), swatch = document.createElement("i"), label = document.createElement("span");
  button.type = "button";
  button.className = "chip";
  button.title = label.textContent = text;
  swatch.className = mark;
  button.append(swatch, label);
  button.repaint = () => { swatch.style.background = color(); };
  button.repaint();
  return toggle(button, pressed);
}

function toggle(button, pressed, initially = true) {
  button.setAttribute("aria-pressed", String(initially));
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    pressed(on);
    dirty = true;
  });
  return button;
}

function legend() {
  if (scene.layers.length > 1) {
    scene.layers.forEach((layer, i) => {
      const color = () => (P === 1 ? (i ? colors.strong : colors.pale)[0] : i ? colors.ink : colors.grid);
      el("layers").append(chip(layer.name, i ? "thread" : "band", color, (on) => { state.layers[i] = on; }));
    });
  }
  scene.ids.forEach((id, p) => {
    el("people").append(chip(id === "" ? "(no id)" : id, "", () => colors.strong[p], (on) => { state.people[p] = on; }));
  });
}

function resetView() {
  Object.assign(state, { yaw: 0.6, pitch: 0.22, zoom: 1, panX: 0, panY: 0 });
  dirty = true;
}

function zoomBy(factor, x, y) {
  const zoom = Math.min(60, Math.max(0.08, state.zoom * factor)), ratio = zoom / state.zoom;
  const box = view.getBoundingClientRect(), cx = x - box.left - box.width / 2, cy = y - box.top - box.height / 2;
  state.panX = cx + (state.panX - cx) * ratio;
  state.panY = cy + (state.panY - cy) * ratio;
  state.zoom = zoom;
  dirty = true;
}

function turnBy(dx, dy) {
  state.yaw += dx * 0.008;
  state.pitch = Math.min(1.55, Math.max(-1.55, state.pitch + dy * 0.008));
}

// One pointer turns (moves in 2D or with shift or another button), two move and zoom.
function pointers() {
  const down = new Map();
  view.addEventListener("pointerdown", (event) => {
    view.setPointerCapture(event.pointerId);
    down.set(event.pointerId, [event.clientX, event.clientY]);
  });
  view.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
    if (down.size > 1) {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const spread = (x, y) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
      zoomBy(spread(event.clientX, event.clientY) / spread(...before), (event.clientX + other[0]) / 2, (event.clientY + other[1]) / 2);
      state.panX += dx / 2;
      state.panY += dy / 2;
    } else if (FLAT || event.shiftKey || event.buttons > 1) {
      state.panX += dx;
      state.panY += dy;
    } else turnBy(dx, dy);
    down.set(event.pointerId, [event.clientX, event.clientY]);
    dirty = true;
  });
  for (const kind of ["pointerup", "pointercancel", "lostpointercapture"]) {
    view.addEventListener(kind, (event) => down.delete(event.pointerId));
  }
  view.addEventListener("contextmenu", (event) => event.preventDefault());
  view.addEventListener("dblclick", resetView);
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode ? 20 : 1;
    zoomBy(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) * 0.0018), event.clientX, event.clientY);
  }, { passive: false });
}

function seekByTrace(event) {
  const box = trace.getBoundingClientRect();
  seek(((event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right)) * (T - 1));
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const jump = event.shiftKey ? 10 : 1, goto = { ArrowLeft: state.frame - jump, ArrowRight: state.frame + jump, Home: 0, End: T - 1 };
  const press = { l: "loop", f: "follow", r: "reset" }[event.key];
  if (event.key in goto) seek(goto[event.key]);
  else if (event.key === " " && event.target.tagName !== "BUTTON") play(!state.playing);
  else if (press) el(press).click();
  else return;
  event.preventDefault();
}

function controls() {
  el("scrub").max = Math.max(0, T - 1);
  for (const id of ["scrub", "play"]) el(id).disabled = T < 2;
  el("scrub").addEventListener("input", (event) => seek(Number(event.target.value)));
  el("play").addEventListener("click", () => play(!state.playing));
  el("speed").addEventListener("change", (event) => { state.speed = Number(event.target.value); });
  toggle(el("loop"), (on) => { state.loop = on; });
  toggle(el("follow"), (on) => { state.follow = on; }, state.follow);
  el("reset").addEventListener("click", resetView);
  trace.addEventListener("pointerdown", (event) => {
    trace.setPointerCapture(event.pointerId);
    seekByTrace(event);
  });
  trace.addEventListener("pointermove", (event) => { if (event.buttons) seekByTrace(event); });
  document.addEventListener("keydown", keys);
  pointers();
}

function repaint() {
  readColors();
  document.querySelectorAll(".chips .chip").forEach((button) => button.repaint());
  dirty = true;
}

async function start() {
  readColors();
  fixedTexts();
  if (!("DecompressionStream" in window)) {
    notice("This browser is too old for this page; one from 2023 or later shows it.");
    return;
  }
  await load();
  legend();
  controls();
  play(false);
  if (FLAT) el("help").textContent = el("help").textContent.replace("drag: turn · shift-drag: move", "drag: move");
  scheme.addEventListener("change", repaint);
  new ResizeObserver(() => { dirty = true; }).observe(view);
  requestAnimationFrame(tick);
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  notice(`The recording cannot be shown: ${error.message}`);
  console.error(error);
});
