// The page of a run: asks for its figures while somebody looks, and draws them.
"use strict";

const PERIOD_MS = 1000, HISTORY_MS = 5000, PICTURE_MS = 250, PATIENCE_MS = 4000, OLD_S = 1.0;
const COLOURS = { explore: "var(--first)", evaluate: "var(--second)", judged: "var(--third)" };
const NAMES = { explore: "exploring", evaluate: "evaluated", judged: "frozen policy, judged" };
const SOURCES = ["the policy", "nobody in time: the action before is held (late)", "random actions", "a person (teleop)",
  "nobody: it is stopped"];
const at = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const svg = ["svg", "polyline", "polygon", "circle", "line", "text", "g"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

async function ask(path) {
  const giveUp = new AbortController(), timer = setTimeout(() => giveUp.abort(), PATIENCE_MS);
  try {
    const answer = await fetch(path, { signal: giveUp.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.headers.get("Content-Type").startsWith("image/")
      ? { blob: await answer.blob(), age: Number(answer.headers.get("X-Age-S")) } : await answer.json();
  } finally { clearTimeout(timer); }
}

function figure(value, decimals = 1) {
  return typeof value === "number" ? value.toFixed(decimals) : "–";
}

function short(value) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

function span(seconds) {
  if (typeof seconds !== "number") return "–";
  return seconds < 120 ? `${seconds.toFixed(0)} s` : seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function rows(table, pairs) {
  table.replaceChildren(...pairs.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))))));
}

// Lines and dots over steps; `series` is a list of {points, colour, dots}.
function chart(holder, series, height) {
  const width = holder.clientWidth || 240;
  const points = series.flatMap((one) => one.points);
  if (!points.length) { holder.replaceChildren(make("p", { class: "quiet" }, "nothing yet")); return; }
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const left = Math.min(...xs), right = Math.max(...xs), low = Math.min(...ys), high = Math.max(...ys);
  const x = (v) => 4 + (width - 8) * (right > left ? (v - left) / (right - left) : 0.5);
  const y = (v) => height - 16 - (height - 28) * (high > low ? (v - low) / (high - low) : 0.5);
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}` });
  svg.append(make("line", { x1: 0, x2: width, y1: height - 14, y2: height - 14, stroke: "var(--line)" }));
  for (const one of series) {
    if (one.dots) for (const p of one.points) svg.append(make("circle", { cx: x(p[0]), cy: y(p[1]), r: 2.2, fill: one.colour }));
    if (!one.dots || one.line) svg.append(make("polyline", { points: one.points.map((p) => `${x(p[0])},${y(p[1])}`).join(" "), fill: "none", stroke: one.colour, "stroke-width": 1.5 }));
  }
  svg.append(make("text", { x: 2, y: 10 }, short(high)), make("text", { x: 2, y: height - 18 }, short(low)),
    make("text", { x: width - 2, y: height - 3, "text-anchor": "end" }, `${right} steps`));
  holder.replaceChildren(svg);
}

function showBody(shapes) {
  const svg = at("body"), points = shapes.flatMap((shape) => shape.points);
  svg.style.display = points.length ? "" : "none";
  if (!points.length) return;
  // The frame only grows, so that the picture does not jump.
  const frame = showBody.frame ??= [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    frame[0] = Math.min(frame[0], x); frame[1] = Math.min(frame[1], -y);
    frame[2] = Math.max(frame[2], x); frame[3] = Math.max(frame[3], -y);
  }
  svg.setAttribute("viewBox", `${frame[0]} ${frame[1]} ${frame[2] - frame[0]} ${frame[3] - frame[1]}`);
  svg.replaceChildren(...shapes.map((shape) => make("polygon", { points: shape.points.map(([x, y]) => `${x},${-y}`).join(" "), fill: shape.colour })));
}

function showPictures(names) {
  const holder = at("pictures");
  if (holder.dataset.names === names.join()) return;
  holder.dataset.names = names.join();
  holder.replaceChildren(...names.map((name) => make("figure", { "data-name": name, class: name === "prediction" ? "large" : "" },
    make("img", { alt: name }), make("figcaption", {}, `${name}: waiting for the first`))));
}

async function refreshPictures() {
  for (const holder of document.querySelectorAll("#pictures figure")) {
    const name = holder.dataset.name, image = holder.querySelector("img");
    try {
      const { blob, age } = await ask(`/picture/${encodeURIComponent(name)}`);
      const before = image.src;
      image.src = URL.createObjectURL(blob);
      if (before) URL.revokeObjectURL(before);
      // A prediction is drawn every few seconds; a camera that is silent for longer than this shows the past.
      const old = age > (name === "prediction" ? 30 : OLD_S);
      holder.classList.toggle("old", old);
      holder.querySelector("figcaption").textContent = old ? `${name}: silent for ${span(age)}` : name;
    } catch { /* There is none yet, or nobody answers: the header says so. */ }
  }
}

function show(now) {
  document.title = `${now.state} – ${now.run}`;
  at("run").textContent = `${now.run}: ${now.task}, ${now.agent}, seed ${now.seed}`;
  at("state").textContent = now.state;
  at("state").className = /^(moving|learning|resetting|finished)/.test(now.state) ? "well" : "amiss";
  const latency = now.latency_ms;
  rows(at("figures"), [
    ["began", now.began], ["steps", now.steps], ["episodes", now.episodes], ["newest return", figure(now.return)],
    ["updates", now.updates], ["train ratio", figure(now.train_ratio)], ["policy version", now.policy_version || "none"],
    ["age of the policy", span(now.policy_age_s)],
    ["latency p50 / p99 / max", `${figure(latency.p50)} / ${figure(latency.p99)} / ${figure(latency.max)} ms`],
    ["late steps", now.late], ["stopped steps", now.stopped],
  ]);
  const guard = Object.entries(now.guard);
  rows(at("guard"), guard.length ? guard : [["none", 0]]);
  rows(at("states"), now.states.map((one) => [one.at, one.detail && !one.state.includes(one.detail) ? `${one.state}: ${one.detail}` : one.state]));
  at("seen").hidden = !now.live;
  showBody(now.body);
  showPictures(now.pictures);
  const source = now.step.source, stale = now.step_age_s === null || now.step_age_s > 2;
  at("driver").textContent = source === undefined ? "" : stale ? `no step for ${span(now.step_age_s)}` : `driven by ${SOURCES[source]}, reward ${figure(now.step.reward, 2)}`;
}

function showHistory(history) {
  const modes = Object.keys(COLOURS).filter((mode) => history.returns[mode]);
  chart(at("returns"), modes.map((mode) => ({ points: history.returns[mode], colour: COLOURS[mode], dots: true, line: mode !== "explore" })), 208);
  at("legend").replaceChildren(...modes.flatMap((mode) => {
    const mark = make("span", {}, "● ");
    mark.style.color = COLOURS[mode];
    return [mark, `${NAMES[mode]}  `];
  }));
  const varies = ([, points]) => points.some((point) => point[1] !== points[0][1]);
  const all = Object.entries(history.metrics), still = all.filter((one) => !varies(one));
  at("still").textContent = still.length ? `always ${still.map(([name, points]) => `${name} ${short(points[0][1])}`).join(", ")}` : "";
  const holders = all.filter(varies).map(([name, points]) => {
    const newest = short(points[points.length - 1][1]), holder = make("div", { class: "chart" });
    return [make("div", {}, make("div", { class: "name" }, `${name}: ${newest}`), holder), holder, points];
  });
  at("metrics").replaceChildren(...holders.map(([outer]) => outer));
  // Once they are part of the page, they have a width.
  for (const [, holder, points] of holders) chart(holder, [{ points, colour: "var(--first)" }], 88);
}

// Each goes on by itself, one request at a time, and rests while nobody sees the page.
async function repeatedly(act, periodMs) {
  for (;;) {
    if (!document.hidden) await act();
    await new Promise((resume) => setTimeout(resume, periodMs));
  }
}

repeatedly(async () => {
  try { show(await ask("/details.json")); at("contact").hidden = true; } catch { at("contact").hidden = false; }
}, PERIOD_MS);
repeatedly(async () => { try { showHistory(await ask("/history.json")); } catch { /* The header says so. */ } }, HISTORY_MS);
repeatedly(refreshPictures, PICTURE_MS);
