// What moves the page: time, buttons, keys, pointers; and the start of it all, after page_data.js and page_drawing.js.

const LONGEST_TICK = 1; // seconds; a tab that slept does not jump ahead by more
const SAME_TIME = 1e-9; // seconds; a sum of ticks that is so near a frame's time has reached it
const JUMP = 10; // frames of an arrow key with shift, as the help line says
const ZOOM = { least: 0.08, most: 60 }; // from a dot to a finger; beyond, the grid has no lines or the eye is in the body
const TURN = 0.008; // radians a pixel: about 400 px for half a turn
const VIEWS = { front: { yaw: 0, pitch: 0 }, side: { yaw: Math.PI / 2, pitch: 0 }, top: { yaw: 0, pitch: 1.55 } }; // radians
const STILL = 4; // pixels that a pointer may move and still click
const STEEPEST = 1.55; // radians; just short of straight down, where a turn to the side would flip the view
const WHEEL = { line: 20, most: 300, rate: 0.0018 }; // pixels of a line and of an event at most; log of the zoom a pixel

// ---- time

function findFrame(time) {
  let low = 0, high = T - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time + SAME_TIME) low = middle;
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
  const frame = findFrame(state.time);
  if (frame !== state.frame) dirty = true;
  state.frame = frame;
}

let last = null;
function tick(now) {
  if (state.playing && last !== null) advance(Math.min(LONGEST_TICK, Math.max(0, (now - last) / 1000)));
  last = now;
  if (dirty) {
    dirty = false;
    drawView();
    drawTrace();
    showReadouts();
  }
  requestAnimationFrame(tick);
}

// ---- buttons

function makeChip(text, mark, color, pressed) {
  const button = document.createElement("button"), swatch = document.createElement("i"), label = document.createElement("span");
  button.type = "button";
  button.className = "chip";
  button.title = label.textContent = text;
  swatch.className = mark;
  button.append(swatch, label);
  button.repaint = () => { swatch.style.background = color(); };
  button.repaint();
  return makeToggle(button, pressed);
}

function makeToggle(button, pressed, initially = true) {
  button.setAttribute("aria-pressed", String(initially));
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    pressed(on);
    dirty = true;
  });
  return button;
}

function addLegend() {
  if (scene.layers.length > 1) {
    scene.layers.forEach((layer, i) => {
      const color = () => (P === 1 ? (i ? colors.strong : colors.pale)[0] : i ? colors.ink : colors.grid);
      el("layers").append(makeChip(layer.name, i ? "thread" : "band", color, (on) => { state.layers[i] = on; }));
    });
  }
  scene.ids.forEach((id, p) => {
    el("people").append(makeChip(id === "" ? "(no id)" : id, "", () => colors.strong[p], (on) => { state.people[p] = on; }));
  });
}

function addControls() {
  el("scrub").max = Math.max(0, T - 1);
  for (const id of ["scrub", "play"]) el(id).disabled = T < 2;
  el("scrub").addEventListener("input", (event) => seek(Number(event.target.value)));
  el("play").addEventListener("click", () => play(!state.playing));
  el("speed").addEventListener("change", (event) => { state.speed = Number(event.target.value); });
  makeToggle(el("loop"), (on) => { state.loop = on; });
  makeToggle(el("follow"), (on) => { state.follow = on; }, state.follow);
  makeToggle(el("sides"), (on) => { state.sides = on; }, state.sides);
  el("sides").hidden = !scene.sides.some(Boolean);
  makeToggle(el("trails"), (on) => { state.trails = on; }, state.trails);
  el("cameras").hidden = FLAT;
  for (const [name, turned] of Object.entries(VIEWS)) {
    el(name).addEventListener("click", () => { Object.assign(state, turned); dirty = true; });
  }
  el("backdrop").hidden = !FLAT;
  el("file").addEventListener("change", (event) => chooseBackdrop(event.target.files[0]));
  el("save").addEventListener("click", savePicture);
  if (errors) {
    el("worst").hidden = false;
    el("worst").addEventListener("click", () => seek(findWorst()));
    rankKeypoints();
  }
  el("reset").addEventListener("click", resetView);
  trace.addEventListener("pointerdown", (event) => {
    trace.setPointerCapture(event.pointerId);
    seekByTrace(event);
  });
  trace.addEventListener("pointermove", (event) => { if (event.buttons) seekByTrace(event); });
  document.addEventListener("keydown", handleKey);
  addPointers();
}

function findWorst() {
  let worst = 0;
  for (let f = 1; f < T; f++) if (!(errors.max[f] <= errors.max[worst])) worst = Number.isNaN(errors.max[f]) ? worst : f;
  return worst;
}

// ---- keys and pointers

function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const jump = event.shiftKey ? JUMP : 1, goto = { ArrowLeft: state.frame - jump, ArrowRight: state.frame + jump, Home: 0, End: T - 1 };
  const press = { l: "loop", f: "follow", r: "reset", w: "worst", s: "sides", t: "trails", p: "save", 1: "front", 2: "side", 3: "top" }[event.key];
  if (event.key in goto) seek(goto[event.key]);
  else if (event.key === " " && event.target.tagName !== "BUTTON") play(!state.playing);
  else if (press && !el(press).hidden) el(press).click();
  else return;
  event.preventDefault();
}

function seekByTrace(event) {
  const box = trace.getBoundingClientRect();
  seek(((event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right)) * (T - 1));
}

function resetView() {
  Object.assign(state, HOME);
  dirty = true;
}

function zoomBy(factor, x, y) {
  const zoom = Math.min(ZOOM.most, Math.max(ZOOM.least, state.zoom * factor)), ratio = zoom / state.zoom;
  const box = view.getBoundingClientRect(), cx = x - box.left - box.width / 2, cy = y - box.top - box.height / 2;
  state.panX = cx + (state.panX - cx) * ratio;
  state.panY = cy + (state.panY - cy) * ratio;
  state.zoom = zoom;
  dirty = true;
}

function turnBy(dx, dy) {
  state.yaw += dx * TURN;
  state.pitch = Math.min(STEEPEST, Math.max(-STEEPEST, state.pitch + dy * TURN));
}

// One pointer turns (moves in 2D or with shift or another button), two move and zoom.
function addPointers() {
  const down = new Map();
  let pressed = null;
  const findUnder = (event) => {
    const box = view.getBoundingClientRect();
    return findKeypoint(event.clientX - box.left, event.clientY - box.top);
  };
  view.addEventListener("pointerdown", (event) => {
    view.setPointerCapture(event.pointerId);
    pressed = down.size ? null : [event.clientX, event.clientY];
    down.set(event.pointerId, [event.clientX, event.clientY]);
  });
  view.addEventListener("pointerup", (event) => {
    if (pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) < STILL) pin(findUnder(event));
  });
  view.addEventListener("pointerleave", () => { state.hovered = null; dirty = true; });
  view.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) {
      state.hovered = findUnder(event);
      dirty = true;
      return;
    }
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
    const pixels = event.deltaY * (event.deltaMode ? WHEEL.line : 1);
    zoomBy(Math.exp(-Math.max(-WHEEL.most, Math.min(WHEEL.most, pixels)) * WHEEL.rate), event.clientX, event.clientY);
  }, { passive: false });
}

// ---- the start

function repaint() {
  readColors();
  document.querySelectorAll(".chips .chip").forEach((button) => button.repaint());
  dirty = true;
}

async function start() {
  readColors();
  showFacts();
  if (!("DecompressionStream" in window)) {
    showNotice("This browser is too old for this page; one from 2023 or later shows it.");
    return;
  }
  await unpackScene();
  addLegend();
  addControls();
  play(false);
  if (FLAT) el("help").textContent = el("help").textContent.replace("drag: turn · shift-drag: move", "drag: move");
  scheme.addEventListener("change", repaint);
  new ResizeObserver(() => { dirty = true; }).observe(view);
  requestAnimationFrame(tick);
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  showNotice(`The recording cannot be shown: ${error.message}`);
  console.error(error);
});
