// Three objectives in space, seen from where all are best: projected here, so that marks look as in the plane.

const START = { azimuth: 0.785, elevation: 0.42 }; // radians
const STEEPEST = 1.48; // a little short of straight above
const HALF = 0.5; // the cube around the fronts reaches from -HALF to HALF

/** Where points land in the picture of a view: `(points, at) => [x, y]`, in the units of its axes. */
function placer(view) {
  if (view.kind !== "space") {
    const [across, up] = view.axes;
    return (points, at) => [points[at + across], points[at + up]];
  }
  const { project } = camera(view.turn);
  const ends = [0, 1, 2].map((i) => range(i, view.bounds));
  return (points, at) => project(ends.map(([low, high], i) => (points[at + i] - low) / (high - low) - HALF));
}

/** A camera infinitely far away: `project` cube to picture, and `toward`, the direction from the cube to it. */
function camera({ azimuth, elevation }) {
  const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
  return {
    project: ([x, y, z]) => [ca * y - sa * x, ce * z - se * (ca * x + sa * y)],
    toward: [ce * ca, ce * sa, se],
  };
}

/** Round numbers within a range, about `wanted` of them. */
function roundNumbers([low, high], wanted = 5) {
  const rough = (high - low) / wanted;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = ten * [1, 2, 5, 10].find((factor) => factor * ten >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The three far sides of the cube as a grid: segments `[x0, y0, x1, y1]` in the picture. */
function cubeLines(view) {
  const { project, toward } = camera(view.turn);
  const far = toward.map((component) => (component > 0 ? -HALF : HALF));
  return [0, 1, 2].flatMap((i) => {
    const [low, high] = range(i, view.bounds);
    const marks = [-HALF, ...roundNumbers([low, high]).map((value) => (value - low) / (high - low) - HALF), HALF];
    const others = [0, 1, 2].filter((j) => j !== i);
    return marks.flatMap((mark) => others.map((j) => {
      // On the far side of j, along the remaining axis.
      const end = (value) => [0, 1, 2].map((k) => (k === i ? mark : k === j ? far[j] : value));
      return [...project(end(-HALF)), ...project(end(HALF))];
    }));
  });
}

/** Numbers and names along three edges of the cube where nothing is behind them. */
function cubeLabels(view) {
  const { objectives } = environment;
  const { project, toward } = camera(view.turn);
  const { quiet, ink } = theme();
  const near = toward.map((component) => (component > 0 ? HALF : -HALF));
  const corners = [[-HALF, -HALF], [-HALF, HALF], [HALF, -HALF], [HALF, HALF]];
  const left = corners.reduce((a, b) => (project([...b, 0])[0] < project([...a, 0])[0] ? b : a));
  const onEdge = [(value) => [value, near[1], -near[2]], (value) => [near[0], value, -near[2]], (value) => [...left, value]];
  return [0, 1, 2].flatMap((i) => {
    const [low, high] = range(i, view.bounds);
    const middle = project(onEdge[i](0));
    const length = Math.hypot(...middle) || 1;
    const out = i === 2 ? [-1, 0] : [middle[0] / length, middle[1] / length];
    const note = (value, text, far, font) => {
      const [x, y] = project(onEdge[i](value));
      return { x, y, text, font, showarrow: false, xshift: far * out[0], yshift: far * out[1], xanchor: i === 2 ? "right" : "center" };
    };
    const numbers = roundNumbers([low, high]).map((value) =>
      note((value - low) / (high - low) - HALF, number(value), i === 2 ? 7 : 15, { size: 11.5, color: quiet }));
    const name = literal(innerWidth < 600 ? objectives[i].name : withUnit(objectives[i]));
    const title = i === 2
      ? { ...note(HALF, name, 0, { size: 13, color: ink }), xanchor: "center", yshift: 16 }
      : note(0, name, 58, { size: 13, color: ink });
    return [...numbers, title];
  });
}

/** The layout of a chart in space; a crowd brings its own grid. */
function spaceLayout(view, crowd) {
  const { line } = theme();
  const hidden = { visible: false, fixedrange: true };
  const shapes = cubeLines(view).map(([x0, y0, x1, y1]) => ({ type: "line", x0, y0, x1, y1, layer: "below", line: { color: line, width: 1 } }));
  return {
    margin: { l: 24, r: 24, t: 8, b: 8 }, dragmode: false, annotations: cubeLabels(view), shapes: crowd ? [] : shapes,
    xaxis: { ...hidden, range: [-0.82, 0.82] },
    yaxis: { ...hidden, range: [-0.92, 0.78], scaleanchor: "x" },
  };
}

function turnBy(azimuth, elevation) {
  const { turn } = state;
  set({ turn: {
    azimuth: turn.azimuth + azimuth,
    elevation: Math.max(-STEEPEST, Math.min(STEEPEST, turn.elevation + elevation)),
  } });
}

/** Turn what is in space by the mouse, a finger, or the arrow keys. */
function listenForTurns(chart) {
  let from = null;
  chart.addEventListener("pointerdown", (event) => {
    if (state.view === "space" && event.button === 0 && !event.target.closest(".modebar")) from = event;
  });
  addEventListener("pointermove", (event) => {
    if (from === null || event.pointerId !== from.pointerId) return;
    hideTip();
    turnBy((from.clientX - event.clientX) / 160, (event.clientY - from.clientY) / 160);
    from = event;
  });
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => { from = null; });
  chart.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.15], ArrowDown: [0, -0.15] }[event.key];
    if (!turn || state.view !== "space") return;
    event.preventDefault();
    turnBy(...turn);
  });
}
