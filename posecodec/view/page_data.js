"use strict";

// What the page shows: the scene that stands in it as JSON, whose numbers pack.py wrote, as arrays and as texts.
// page_drawing.js draws it, page_controls.js moves it.

const el = (id) => document.getElementById(id);
const scene = JSON.parse(el("scene").textContent);
const [T, P, K, D] = scene.shape;
const FLAT = D === 2;
const OPAQUE = 127; // the integer of opacity 1, as in pack.py
const HOME = { yaw: 0.6, pitch: 0.22, zoom: 1, panX: 0, panY: 0 }; // radians: from aside and a little above, as in draw.py
const view = el("view"), trace = el("trace");
const state = {
  frame: 0, time: 0, playing: false, speed: 1, loop: true, follow: scene.follows, ...HOME,
  sides: P === 1 && scene.sides.some(Boolean), trails: false, hovered: null, pinned: null,
  people: scene.ids.map(() => true), layers: scene.layers.map(() => true),
};
let layers, near, far, times, errors, colors, dirty = true;

// ---- arrays

async function inflate(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows of `length` integers from their wrapped differences; `width` planes of bytes, the lowest first.
async function unpackIntegers(text, width, length) {
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

async function unpackPositions(packed, length) {
  const values = await unpackIntegers(packed.data, packed.width, length);
  const missing = -(2 ** (8 * packed.width - 1));
  const at = (frame, row, d) => {
    const value = values[(row * D + d) * length + frame];
    return value === missing ? NaN : packed.offset[d] + packed.step * value;
  };
  return { ...packed, at };
}

async function unpackScene() {
  layers = await Promise.all(scene.layers.map(async (layer) => ({
    ...(await unpackPositions(layer, T)), opacity: layer.opacity && (await unpackIntegers(layer.opacity, 1, T)),
  })));
  near = await unpackPositions(scene.near, T);
  far = await unpackPositions(scene.far, 1);
  times = scene.times ? new Float64Array((await inflate(scene.times)).buffer)
    : Float64Array.from({ length: T }, (_, i) => i / scene.rate);
  if (scene.errors) {
    errors = {};
    for (const name of ["mean", "max", "keypoint_mean", "keypoint_max"]) {
      errors[name] = new Float32Array((await inflate(scene.errors[name])).buffer);
    }
  }
}

// ---- texts

const nameUnit = (unit) => (unit === "unknown" ? "units" : unit);

function formatNumber(value) {
  if (value === null || Number.isNaN(value)) return "n/a";
  if (value >= 1e6) return value.toExponential(2);
  return value === 0 ? "0" : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1)
    : value >= 1 ? value.toFixed(2) : value.toPrecision(2);
}

function formatTime(seconds) {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

function showNotice(text) {
  el("notice").textContent = text;
  el("notice").hidden = false;
}

// What stays: the recording, and what its encoding cost and lost.
function showFacts() {
  document.title = scene.title;
  el("title").textContent = el("title").title = scene.title;
  el("facts").textContent = scene.facts.join(" · ");
  el("notes").textContent = scene.notes.join(" ");
  el("of").textContent = ` / ${Math.max(0, scene.frames - 1)}`;
  if (!T || !P || scene.empty) {
    const why = !T ? "the recording has no frames" : !P ? "there are no people in the recording" : "every keypoint is missing in every frame";
    showNotice(`Nothing to see: ${why}.`);
  }
  if (!scene.errors) return;
  const { total, unit } = scene.errors, name = nameUnit(unit);
  el("errors").hidden = false;
  el("total-mean").textContent = `${formatNumber(total.mpjpe)} ${name}`;
  el("total-p95").textContent = `${formatNumber(total.p95)} ${name}`;
  el("total-max").textContent = `${formatNumber(total.max)} ${name}`;
  el("size-row").hidden = scene.size === null;
  if (scene.size !== null) {
    const bits = scene.bits === null ? "" : `, ${formatNumber(scene.bits)} bits a frame${P > 1 ? " and person" : ""}`;
    el("size").textContent = `${scene.size.toLocaleString("en")} bytes${bits}`;
  }
}

// What goes with the frame.
function showReadouts() {
  const f = state.frame;
  el("frame").textContent = T ? String(f * scene.stride) : "–";
  el("time").textContent = T ? formatTime(times[f]) : "";
  el("scrub").value = f;
  el("scrub").setAttribute("aria-valuetext", `frame ${f * scene.stride}`);
  if (!errors) return;
  const unit = nameUnit(scene.errors.unit), known = T > 0 && !Number.isNaN(errors.mean[f]);
  el("now-mean").textContent = known ? `${formatNumber(errors.mean[f])} ${unit}` : "n/a";
  el("now-max").textContent = known ? `max ${formatNumber(errors.max[f])}` : "";
}
