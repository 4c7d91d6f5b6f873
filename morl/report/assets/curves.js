// Learning curves: an indicator against steps or time, each seed and the median of each group.

const POINTS = 120; // of a median

/** The value of a curve at a moment, between its evaluations on a straight line; null outside. */
function between(xs, ys, x) {
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return null;
  let high = xs.findIndex((value) => value >= x);
  if (xs[high] === x || high === 0) return ys[high];
  const part = (x - xs[high - 1]) / (xs[high] - xs[high - 1]);
  return ys[high - 1] + part * (ys[high] - ys[high - 1]);
}

/** The median over curves `[xs, ys]` where all of them are known. */
function medianCurve(curves) {
  const from = Math.max(...curves.map(([xs]) => xs[0]));
  const to = Math.min(...curves.map(([xs]) => xs[xs.length - 1]));
  if (!(from < to)) return [[], []];
  const xs = [...Array(POINTS).keys()].map((i) => from + ((to - from) * i) / (POINTS - 1));
  return [xs, xs.map((x) => median(curves.map(([own, ys]) => between(own, ys, x))))];
}

/** Run -> `[xs, ys]` of an indicator, without evaluations that lack it; runs without any are left out. */
function curvesOf(indicator, clock) {
  const training = trainingOf(environment);
  const curves = new Map();
  for (const run of shownRuns()) {
    const history = training[run.place];
    const ys = history?.values[indicator];
    if (!ys) continue;
    const kept = ys.map((y, i) => i).filter((i) => ys[i] !== null);
    if (kept.length) curves.set(run, [kept.map((i) => history[clock][i]), kept.map((i) => ys[i])]);
  }
  return curves;
}

/** The indicator of the known front under the name that learning curves use, or null. */
function knownValue(indicator) {
  const { indicators, known } = environment.scores;
  const place = indicators.findIndex(({ name }) => name.replace(/-/g, "_") === indicator);
  return known && place >= 0 ? known[place] : null;
}

function curveTraces() {
  const curves = curvesOf(state.indicator, state.clock);
  const traces = [];
  for (const group of environment.groups) {
    const own = group.runs.filter((run) => curves.has(run));
    const several = own.length > 1;
    for (const run of own) {
      const [x, y] = curves.get(run);
      traces.push({
        type: "scatter", mode: x.length > 1 ? "lines" : "markers", x, y, name: literal(run.text),
        line: { color: group.style.colour, width: several ? 1 : 2.4 }, opacity: several ? 0.4 : 1,
        marker: { color: group.style.colour, symbol: group.style.symbol, size: 7 },
        hovertemplate: "%{y:.4~g}<extra>%{fullData.name}</extra>",
      });
    }
    if (several) {
      const [x, y] = medianCurve(own.map((run) => curves.get(run)));
      traces.push({
        type: "scatter", mode: "lines", x, y, line: { color: group.style.colour, width: 3 },
        name: literal(`median of ${group.style.name}`), hovertemplate: "%{y:.4~g}<extra>%{fullData.name}</extra>",
      });
    }
  }
  return traces;
}

const readable = (name) => name.replace(/[_-]/g, " ");

function drawCurves() {
  if (!state.indicator) return;
  const colours = theme();
  const goal = environment.known && isShown(environment.known) ? knownValue(state.indicator) : null;
  const moment = momentIn(state.clock);
  const shapes = [{ type: "line", yref: "paper", y0: 0, y1: 1, x0: moment, x1: moment, line: { color: colours.quiet, width: 1.5 } }];
  if (goal !== null) {
    const line = { color: colours.ink, width: 1.2, dash: "dash" };
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: goal, y1: goal, line });
  }
  const traces = curveTraces();
  // A shape does not stretch an axis, a mark does.
  if (goal !== null) traces.push({ x: [0], y: [goal], mode: "markers", marker: { opacity: 0 }, hoverinfo: "skip" });
  Plotly.react(byId("curves"), traces, {
    ...baseLayout(), hovermode: "closest", shapes,
    uirevision: `${environment.name}/${state.clock}/${state.indicator}`,
    xaxis: axis(state.clock === "steps" ? "environment steps" : "seconds of training", { rangemode: "tozero" }),
    yaxis: axis(readable(state.indicator)),
  }, plotConfig(null));
}
