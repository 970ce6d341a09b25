// What is drawn: colors, the camera, the floor, people, and the error over time. draw.py draws the same for pictures.

const ROOM = { width: 0.46, height: 0.44 }; // shares of the canvas that a region's half width and half height get
const ABOVE = 44; // pixels of the legend's first row, below which the region is centered
const LEAST_HEIGHT = 60; // pixels; a canvas that is lower is drawn as if it had these
const LIFT = 8; // pixels by which the center stands higher, for the corner texts below it
const EYE_DISTANCE = 4.5; // of a region's larger half: the perspective of a short telephoto lens
const NEAREST = 0.02; // of the eye's distance; nothing nearer is drawn, where lines would fly apart
const CELL_PIXELS = 90; // of a grid's cell in 2D, at least half of it after rounding
const CELLS_TO_EYE = 6; // cells of the floor between the center and the eye, before rounding
const PAPER_OPACITY = 0.3;
const FLOOR = { bands: 6, opacity: 0.75, power: 1.5 }; // steps in which it fades, opacity at the center, how it falls off
const STROKE = { least: 1, most: 5, body: 0.0065 }; // pixels; share of a body's diagonal
const SHADOW_WIDTH = 1.6; // of a stroke, a little softer than what casts it
const DENSE = { keypoints: 60, width: 0.55 }; // hands and faces would run together
const BARE_DOT = 1.7; // where there are no edges, dots are all there is
// Strokes and dots of a figure alone, of a pale band, and of the thread on it that leaves the band to be seen.
const ALONE = { width: 1.25, dot: 1.2 }, BAND = { width: 3.2, dot: 2 }, THREAD = { width: 0.75, dot: 0.85, least: 1.25 };
const FAINTEST = 0.12; // opacity of a keypoint with confidence 0 that is there all the same
const MARGIN = { left: 46, right: 8, top: 8, bottom: 17 }; // pixels around the error over time; left: its numbers
const CURVE = { max: 1.25, mean: 1.75, dot: 3.5 }; // pixels

// ---- colors

const scheme = matchMedia("(prefers-color-scheme: dark)");

// The names of page.css, and a strong and a pale color for each person: light on dark, dark on light.
function readColors() {
  const style = getComputedStyle(document.documentElement);
  colors = {};
  for (const name of ["paper", "panel", "ink", "muted", "line", "grid", "accent", "soft", "shadow", "left", "right"]) {
    colors[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colors.strong = scene.hues.map((hue) => `hsl(${hue} ${scheme.matches ? "80% 68%" : "75% 38%"})`);
  colors.pale = scene.hues.map((hue) => `hsl(${hue} ${scheme.matches ? "42% 33%" : "62% 82%"})`);
}

// ---- projection

function clearCanvas(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
  const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  pen.lineCap = pen.lineJoin = "round";
  return { pen, w: box.width, h: box.height };
}

// Projects a point to [x, y] on the canvas, or null behind the eye. Distances in pixels at the center: `fit` a unit.
function placeCamera(w, h) {
  const region = state.follow ? near : far, frame = state.follow ? state.frame : 0;
  const center = Array.from({ length: D }, (_, d) => (T ? region.at(frame, 0, d) : 0));
  const height = Math.max(h - ABOVE, LEAST_HEIGHT);
  const fit0 = Math.min((ROOM.width * w) / region.half_width, (ROOM.height * height) / region.half_height);
  const x0 = w / 2 + state.panX, y0 = (h + ABOVE) / 2 - LIFT + state.panY;
  if (FLAT) {
    const fit = fit0 * state.zoom;
    return { center, fit, x0, y0, distance: Infinity, project: (x, y) => [x0 + (x - center[0]) * fit, y0 + (y - center[1]) * fit] };
  }
  const away = EYE_DISTANCE * Math.max(region.half_width, region.half_height), distance = away / state.zoom, focus = fit0 * away;
  const [cy, sy, cp, sp] = [Math.cos(state.yaw), Math.sin(state.yaw), Math.cos(state.pitch), Math.sin(state.pitch)];
  const project = (x, y, z) => {
    const px = x - center[0], py = y - center[1], pz = z - center[2];
    const across = cy * px - sy * pz, ahead = sy * px + cy * pz;
    const depth = distance - (sp * py + cp * ahead);
    if (!(depth > distance * NEAREST)) return null;
    return [x0 + (across * focus) / depth, y0 - ((cp * py - sp * ahead) * focus) / depth];
  };
  return { center, fit: focus / distance, x0, y0, distance, project };
}

// The largest of 1, 2, 5, 10, ... that is not above it.
function roundDown(length) {
  const power = 10 ** Math.floor(Math.log10(length)), part = length / power;
  return power * (part >= 5 ? 5 : part >= 2 ? 2 : 1);
}

// ---- the ground

function drawGrid(pen, w, h, camera) {
  const spacing = roundDown(FLAT ? CELL_PIXELS / camera.fit : camera.distance / CELLS_TO_EYE);
  if (!(spacing > 0) || !Number.isFinite(spacing)) return;
  el("grid").textContent = `grid ${Number(spacing.toPrecision(3))} ${nameUnit(scene.unit)}`;
  pen.strokeStyle = colors.grid;
  pen.lineWidth = 1;
  if (FLAT) drawPaper(pen, w, h, camera, spacing);
  else drawFloor(pen, camera, spacing);
  pen.globalAlpha = 1;
}

function drawPaper(pen, w, h, camera, spacing) {
  pen.globalAlpha = PAPER_OPACITY;
  pen.beginPath();
  for (let i = Math.ceil((camera.center[0] - camera.x0 / camera.fit) / spacing); ; i++) {
    const x = camera.project(i * spacing, 0)[0];
    if (!(x <= w)) break;
    pen.moveTo(x, 0);
    pen.lineTo(x, h);
  }
  for (let i = Math.ceil((camera.center[1] - camera.y0 / camera.fit) / spacing); ; i++) {
    const y = camera.project(0, i * spacing)[1];
    if (!(y <= h)) break;
    pen.moveTo(0, y);
    pen.lineTo(w, y);
  }
  pen.stroke();
}

// A floor around the center that fades out: segments of half cells, in bands of opacity.
function drawFloor(pen, camera, spacing) {
  const reach = camera.distance, bands = Array.from({ length: FLOOR.bands }, () => new Path2D());
  const [cx, , cz] = camera.center, cells = Math.ceil(reach / spacing);
  const [ix, iz] = [Math.round(cx / spacing), Math.round(cz / spacing)];
  const addSegment = (x1, z1, x2, z2) => {
    const r = Math.hypot((x1 + x2) / 2 - cx, (z1 + z2) / 2 - cz) / reach;
    const a = r < 1 && camera.project(x1, scene.floor, z1), b = a && camera.project(x2, scene.floor, z2);
    if (!b) return;
    const band = bands[Math.floor(r * bands.length)];
    band.moveTo(...a);
    band.lineTo(...b);
  };
  for (let i = -cells; i <= cells; i++) {
    for (let j = -cells; j < cells; j += 0.5) {
      addSegment((ix + i) * spacing, (iz + j) * spacing, (ix + i) * spacing, (iz + j + 0.5) * spacing);
      addSegment((ix + j) * spacing, (iz + i) * spacing, (ix + j + 0.5) * spacing, (iz + i) * spacing);
    }
  }
  bands.forEach((band, i) => {
    pen.globalAlpha = FLOOR.opacity * (1 - (i + 0.5) / bands.length) ** FLOOR.power;
    pen.stroke(band);
  });
}

// ---- people

// The screen points of one person, null where a keypoint is missing.
function projectPerson(layer, person, project) {
  return Array.from({ length: K }, (_, k) => {
    const row = person * K + k, x = layer.at(state.frame, row, 0);
    if (Number.isNaN(x)) return null;
    return project(x, layer.at(state.frame, row, 1), FLAT ? 0 : layer.at(state.frame, row, 2));
  });
}

function drawShadow(pen, camera, width) {
  const layer = layers[state.layers.indexOf(true)];
  if (FLAT || !layer) return;
  pen.strokeStyle = pen.fillStyle = colors.shadow;
  pen.lineWidth = width;
  for (let p = 0; p < P; p++) {
    if (!state.people[p]) continue;
    const points = projectPerson(layer, p, (x, _, z) => camera.project(x, scene.floor, z));
    pen.stroke(joinLimbs(points));
    if (!scene.edges.length) pen.fill(joinDots(points, width / 2));
  }
}

function joinLimbs(points, edges = scene.edges) {
  const path = new Path2D();
  for (const [a, b] of edges) {
    if (!points[a] || !points[b]) continue;
    path.moveTo(...points[a]);
    path.lineTo(...points[b]);
  }
  return path;
}

function joinDots(points, radius) {
  const path = new Path2D();
  for (const point of points) {
    if (!point) continue;
    path.moveTo(point[0] + radius, point[1]);
    path.arc(point[0], point[1], radius, 0, 2 * Math.PI);
  }
  return path;
}

// How a layer is drawn: alone as a figure; of two the first as a pale band, the second as a thread on it.
function chooseStroke(index, person, width) {
  const dense = K > DENSE.keypoints ? DENSE.width : 1, bare = scene.edges.length ? 1 : BARE_DOT;
  const kind = layers.length === 1 ? ALONE : index === 0 ? BAND : THREAD;
  const color = (kind === BAND ? colors.pale : colors.strong)[person];
  return { color, pale: kind === BAND, width: Math.max(kind.least || 0, width * kind.width * dense), dot: width * kind.dot * dense * bare };
}

function drawFigure(pen, index, person, camera, width) {
  const layer = layers[index], points = projectPerson(layer, person, camera.project), stroke = chooseStroke(index, person, width);
  pen.strokeStyle = pen.fillStyle = stroke.color;
  pen.lineWidth = stroke.width;
  const paint = (side) => { pen.strokeStyle = pen.fillStyle = colorOf(side, stroke); };
  if (!layer.opacity) {
    for (const side of state.sides && !stroke.pale ? SIDES : [null]) {
      paint(side);
      pen.stroke(joinLimbs(points, side === null ? scene.edges : EDGES[side + 1]));
      pen.fill(joinDots(side === null ? points : points.filter((_, k) => scene.sides[k] === side), stroke.dot));
    }
    return;
  }
  const alpha = (k) => FAINTEST + ((1 - FAINTEST) * layer.opacity[(person * K + k) * T + state.frame]) / OPAQUE;
  for (const [a, b] of scene.edges) {
    if (!points[a] || !points[b]) continue;
    paint(sideOf(a, b));
    pen.globalAlpha = Math.min(alpha(a), alpha(b));
    pen.beginPath();
    pen.moveTo(...points[a]);
    pen.lineTo(...points[b]);
    pen.stroke();
  }
  points.forEach((point, k) => {
    if (!point) return;
    paint(scene.sides[k]);
    pen.globalAlpha = alpha(k);
    pen.fill(joinDots([point], stroke.dot));
  });
  pen.globalAlpha = 1;
}

function drawView() {
  const { pen, w, h } = clearCanvas(view), camera = placeCamera(w, h);
  if (!w || !h || !T) return;
  shown = camera;
  drawBackdrop(pen, camera);
  drawGrid(pen, w, h, camera);
  const width = Math.min(STROKE.most, Math.max(STROKE.least, scene.body * camera.fit * STROKE.body));
  drawShadow(pen, camera, width * SHADOW_WIDTH);
  if (state.trails) drawTrails(pen, camera, width);
  for (let i = 0; i < layers.length; i++) {
    for (let p = 0; state.layers[i] && p < P; p++) if (state.people[p]) drawFigure(pen, i, p, camera, width);
  }
  markKeypoints(pen, camera);
}

// ---- the error over time

const findX = (frame, w) => MARGIN.left + (T > 1 ? frame / (T - 1) : 0.5) * (w - MARGIN.left - MARGIN.right);
const findMax = (values) => Math.max(...values);
const average = (values) => values.reduce((a, b) => a + b, 0) / values.length;

// At most one point a pixel: `merge` of the values that share it.
function joinCurve(values, w, y, merge) {
  const path = new Path2D(), each = Math.max(1, Math.floor(T / Math.max(w, 1)));
  let open = false;
  for (let f = 0; f < T; f += each) {
    const known = Array.from(values.subarray(f, f + each)).filter((value) => !Number.isNaN(value));
    if (!known.length) { open = false; continue; }
    const at = [findX(f, w), y(merge(known))];
    if (!open) path.moveTo(...at);
    path.lineTo(...at);
    open = true;
  }
  return path;
}

function drawTrace() {
  if (!errors) return;
  const { pen, w, h } = clearCanvas(trace);
  const top = errors.max.reduce((a, b) => (b > a ? b : a), 0) || 1;
  const bottom = h - MARGIN.bottom, y = (value) => bottom - (value / top) * (bottom - MARGIN.top);
  drawTicks(pen, w, top, bottom, y);
  pen.strokeStyle = colors.soft;
  pen.lineWidth = CURVE.max;
  pen.stroke(joinCurve(errors.max, w, y, findMax));
  pen.strokeStyle = colors.accent;
  pen.lineWidth = CURVE.mean;
  pen.stroke(joinCurve(errors.mean, w, y, average));
  if (!T) return;
  const x = findX(state.frame, w), now = errors.mean[state.frame];
  pen.strokeStyle = pen.fillStyle = colors.ink;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, 2);
  pen.lineTo(x, h - 2);
  pen.stroke();
  if (!Number.isNaN(now)) pen.fill(joinDots([[x, y(now)]], CURVE.dot));
}

function drawTicks(pen, w, top, bottom, y) {
  pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  pen.strokeStyle = colors.line;
  pen.fillStyle = colors.muted;
  pen.lineWidth = 1;
  const tick = roundDown(top);
  for (const value of [0, tick / 2, tick, ...(tick * 2 <= top ? [tick * 2] : [])]) {
    pen.beginPath();
    pen.moveTo(MARGIN.left, Math.round(y(value)) + 0.5);
    pen.lineTo(w - MARGIN.right, Math.round(y(value)) + 0.5);
    pen.stroke();
    pen.fillText(value ? Number(value.toPrecision(3)) : `0 ${nameUnit(scene.errors.unit)}`, MARGIN.left - 7, Math.min(y(value), bottom - 1));
  }
  const end = T ? times[T - 1] : 0, step = roundDown(end / 4) || 1;
  pen.textAlign = "center";
  for (let time = step; time <= end; time += step) pen.fillText(formatTime(time).replace(".00", ""), findX(findFrame(time), w), bottom + 10);
}
