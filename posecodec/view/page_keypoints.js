// Single keypoints: left and right, names, errors, trails; and what lies behind them. After page_drawing.js.

const SIDES = [0, -1, 1]; // neither, left, right; drawn in this order
const sideOf = (a, b) => (scene.sides[a] === scene.sides[b] ? scene.sides[a] : scene.sides[a] && scene.sides[b] ? 0 : scene.sides[a] + scene.sides[b]);
const EDGES = [-1, 0, 1].map((side) => scene.edges.filter(([a, b]) => sideOf(a, b) === side)); // left, neither, right
const REACH = 14; // pixels from a keypoint within which the pointer means it
const TRAIL = { seconds: 1, opacity: 0.45, width: 0.8 };
const RING = 7; // pixels around the keypoint that is named
const RANKED = 200; // keypoints that are listed

let shown = null; // the camera of what is drawn
let backdrop = null; // a picture or video

const colorOf = (side, stroke) => (state.sides && !stroke.pale && side ? (side < 0 ? colors.left : colors.right) : stroke.color);

function drawTrails(pen, camera, width) {
  const layer = layers[state.layers.lastIndexOf(true)], first = Math.max(0, state.frame - Math.round(TRAIL.seconds * scene.rate));
  if (!layer) return;
  pen.lineWidth = Math.max(1, width * TRAIL.width);
  pen.globalAlpha = TRAIL.opacity;
  for (let p = 0; p < P; p++) {
    if (!state.people[p]) continue;
    for (let k = 0; k < K; k++) {
      const path = new Path2D(), row = p * K + k;
      let open = false;
      for (let f = first; f <= state.frame; f++) {
        const x = layer.at(f, row, 0), at = Number.isNaN(x) ? null : camera.project(x, layer.at(f, row, 1), FLAT ? 0 : layer.at(f, row, 2));
        if (at && open) path.lineTo(...at);
        else if (at) path.moveTo(...at);
        open = Boolean(at);
      }
      pen.strokeStyle = colorOf(scene.sides[k], { color: colors.strong[p] });
      pen.stroke(path);
    }
  }
  pen.globalAlpha = 1;
}

// The keypoint nearest to a place on the canvas, of the last layer that is shown: {p, k, at}, or null.
function findKeypoint(x, y) {
  const layer = layers && layers[state.layers.lastIndexOf(true)];
  if (!shown || !layer || !T) return null;
  let best = null, least = REACH;
  for (let p = 0; p < P; p++) {
    if (!state.people[p]) continue;
    projectPerson(layer, p, shown.project).forEach((at, k) => {
      const away = at ? Math.hypot(at[0] - x, at[1] - y) : Infinity;
      if (away < least) [best, least] = [{ p, k, at }, away];
    });
  }
  return best;
}

// How far apart two layers have a keypoint in this frame, as far as the page's numbers tell.
function measureKeypoint(p, k) {
  const row = p * K + k, apart = (d) => layers[0].at(state.frame, row, d) - layers[1].at(state.frame, row, d);
  return Math.hypot(...Array.from({ length: D }, (_, d) => apart(d)));
}

function describeKeypoint({ p, k }) {
  const parts = [scene.names[k]];
  if (P > 1) parts.push(scene.ids[p] === "" ? "(no id)" : scene.ids[p]);
  if (errors) {
    const now = measureKeypoint(p, k), unit = nameUnit(scene.errors.unit);
    parts.push(Number.isNaN(now) ? "not compared" : `≈ ${formatNumber(now)} ${nameUnit(scene.unit)} here`);
    parts.push(`mean ${formatNumber(errors.keypoint_mean[k])}, max ${formatNumber(errors.keypoint_max[k])} ${unit}`);
  }
  return parts.join(" · ");
}

// A ring and a name at the keypoint under the pointer, or else at the one that was clicked.
function markKeypoints(pen, camera) {
  const layer = layers[state.layers.lastIndexOf(true)], named = state.hovered || state.pinned, tip = el("tip");
  tip.hidden = true;
  if (!named || !layer || !state.people[named.p]) return;
  const at = projectPerson(layer, named.p, camera.project)[named.k];
  if (!at) return;
  pen.strokeStyle = colors.ink;
  pen.lineWidth = 1.5;
  pen.stroke(joinDots([at], RING));
  tip.textContent = describeKeypoint(named);
  tip.hidden = false;
  const left = Math.min(at[0] + 14, view.clientWidth - tip.offsetWidth - 8);
  tip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, at[1] - 34)}px)`;
}

function rankKeypoints() {
  const known = Array.from({ length: K }, (_, k) => k).filter((k) => !Number.isNaN(errors.keypoint_mean[k]));
  const order = known.sort((a, b) => errors.keypoint_mean[b] - errors.keypoint_mean[a]).slice(0, RANKED);
  const top = order.length ? errors.keypoint_mean[order[0]] || 1 : 1;
  for (const k of order) {
    const row = document.createElement("li"), button = document.createElement("button");
    const parts = ["name", "bar", "value"].map((name) => Object.assign(document.createElement("span"), { className: name }));
    button.type = "button";
    button.dataset.keypoint = k;
    parts[0].textContent = scene.names[k];
    parts[1].style.setProperty("--share", `${(100 * errors.keypoint_mean[k]) / top}%`);
    parts[2].textContent = `${formatNumber(errors.keypoint_mean[k])} mean, ${formatNumber(errors.keypoint_max[k])} max`;
    button.append(...parts);
    button.addEventListener("click", () => pin({ p: Math.max(0, state.people.indexOf(true)), k }));
    row.append(button);
    el("ranks").append(row);
  }
}

function pin(keypoint) {
  const same = keypoint && state.pinned && state.pinned.k === keypoint.k && state.pinned.p === keypoint.p;
  state.pinned = same ? null : keypoint;
  for (const button of el("ranks").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(Boolean(state.pinned) && Number(button.dataset.keypoint) === state.pinned.k));
  }
  dirty = true;
}

// ---- behind and out

function drawBackdrop(pen, camera) {
  if (!backdrop) return;
  const width = backdrop.videoWidth || backdrop.naturalWidth, height = backdrop.videoHeight || backdrop.naturalHeight;
  if (!width) return;
  if (backdrop.tagName === "VIDEO" && !backdrop.seeking && Math.abs(backdrop.currentTime - times[state.frame]) > 0.5 / scene.rate) {
    backdrop.currentTime = times[state.frame];
  }
  pen.drawImage(backdrop, ...camera.project(0, 0), width * camera.fit, height * camera.fit);
}

function chooseBackdrop(file) {
  if (!file) return;
  const isVideo = file.type.startsWith("video"), made = document.createElement(isVideo ? "video" : "img");
  const redraw = () => { dirty = true; };
  made.muted = true;
  for (const event of ["load", "loadeddata", "seeked"]) made.addEventListener(event, redraw);
  made.addEventListener("error", () => showNotice(`${file.name} cannot be shown by this browser.`));
  made.src = URL.createObjectURL(file);
  backdrop = made;
}

function savePicture() {
  const copy = Object.assign(document.createElement("canvas"), { width: view.width, height: view.height }), pen = copy.getContext("2d");
  pen.fillStyle = colors.paper;
  pen.fillRect(0, 0, copy.width, copy.height);
  pen.drawImage(view, 0, 0);
  copy.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${scene.title.replace(/[^\w.-]+/g, "_")}_${state.frame * scene.stride}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
