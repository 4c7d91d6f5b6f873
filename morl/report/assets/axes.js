// Axes of the charts, and what is drawn on them: limits, and the curve of equal worth.

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** What all charts have in common. */
function baseLayout() {
  const colours = theme();
  return {
    font: { family: FONT, size: 13, color: colours.ink },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "closest",
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    margin: { l: 62, r: 16, t: 12, b: 52 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.quiet, activecolor: colours.ink },
  };
}

/** What the charts' buttons do; a picture to download would lack a crowd. */
const plotConfig = (crowd) => ({
  responsive: true,
  displaylogo: false,
  displayModeBar: matchMedia("(pointer: coarse)").matches ? false : "hover",
  showSendToCloud: false, // the data stay in this file
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "resetCameraLastSave3d", ...(crowd ? ["toImage"] : [])],
});

/** A quiet axis: a light grid, no box. */
function axis(title, more = {}) {
  const { line, quiet } = theme();
  return {
    title: { text: literal(title), standoff: 8 },
    gridcolor: line, linecolor: line, zeroline: false, showline: true, ticks: "", automargin: true,
    tickfont: { color: quiet, size: 12 },
    ...more,
  };
}

/** The range of an objective with some air around its values, which lie within the `bounds`. */
function range(objective, { low, high } = environment) {
  const air = 0.06 * (high[objective] - low[objective] || environment.span[objective]);
  return [low[objective] - air, high[objective] + air];
}

/** The layout for a view of the fronts; a crowd brings its own grid. */
function frontLayout(view, crowd) {
  const { objectives } = environment;
  const { bounds } = view;
  const base = { ...baseLayout(), uirevision: `${environment.name}/${view.kind}/${view.axes}` };
  if (view.kind === "space") return { ...base, ...spaceLayout(view, crowd) };
  if (view.kind === "parallel") return { ...base, ...parallelAxes(bounds) };
  const [x, y] = view.axes;
  return {
    ...base,
    xaxis: axis(withUnit(objectives[x]), { range: range(x, bounds), showgrid: !crowd }),
    yaxis: axis(withUnit(objectives[y]), { range: range(y, bounds), showgrid: !crowd }),
    shapes: limitShapes(view),
  };
}

function parallelAxes(bounds) {
  const { objectives, low, high, span, m } = environment;
  const { line, quiet, ink } = theme();
  const digits = byId("fronts").clientWidth / m < 60 ? TWO : FOUR;
  const end = (i, value, y, yanchor) => ({
    x: i, y, yanchor, text: number(value, digits), showarrow: false, font: { size: 11, color: quiet }, yshift: y ? 4 : -4,
  });
  const stroke = (x0, x1, y0, y1, style) => ({ type: "line", x0, x1, y0, y1, line: style, layer: "below" });
  const floor = Math.min(...low.map((value, i) => (bounds.low[i] - value) / span[i]));
  const ceiling = Math.max(...high.map((value, i) => (bounds.high[i] - low[i]) / span[i]));
  const limits = state.limits.map((limit, i) => [limit, i]).filter(([limit]) => limit !== null);
  return {
    margin: { l: 24, r: 24, t: 26, b: 56 },
    xaxis: {
      range: [-0.3, m - 0.7], showgrid: false, zeroline: false, tickvals: objectives.map((_, i) => i),
      ticktext: objectives.map((objective) => literal(objective.name)), automargin: true, ticklabelstandoff: 18, fixedrange: true,
    },
    yaxis: { range: [floor - 0.05, ceiling + 0.05], visible: false, fixedrange: true },
    annotations: objectives.flatMap((_, i) => [end(i, high[i], 1, "bottom"), end(i, low[i], 0, "top")]),
    shapes: [
      ...objectives.map((_, i) => stroke(i, i, 0, 1, { color: line, width: 2 })),
      ...limits.map(([limit, i]) => {
        const y = (limit - low[i]) / span[i];
        return { ...stroke(i - 0.12, i + 0.12, y, y, { color: ink, width: 3 }), layer: "above" };
      }),
    ],
  };
}

/** What is below a limit, shaded, with a dashed line at the limit. */
function limitShapes(view) {
  const { grey, quiet } = theme();
  return view.axes.flatMap((objective, which) => {
    const limit = state.limits[objective];
    if (limit === null) return [];
    const far = range(objective)[0] - environment.span[objective];
    const across = which === 0 ? { yref: "paper", y0: 0, y1: 1 } : { xref: "paper", x0: 0, x1: 1 };
    const along = (from, to) => (which === 0 ? { x0: from, x1: to } : { y0: from, y1: to });
    return [
      { type: "rect", ...across, ...along(far, limit), fillcolor: grey, opacity: 0.13, line: { width: 0 }, layer: "below" },
      { type: "line", ...across, ...along(limit, limit), line: { color: quiet, width: 1.4, dash: "dash" }, layer: "below" },
    ];
  });
}

/**
 * In two objectives: the curve of all returns that are worth as much as the best choice, as a trace.
 *
 * Linear: a straight line across the weights. Chebyshev: a corner that opens up and right.
 */
function worthTrace() {
  const picks = [...choices().values()].filter((pick) => pick !== null);
  if (environment.m !== 2 || state.rule === "asked" || !picks.length) return [];
  const { low, high, span } = environment;
  const best = Math.max(...picks.map((pick) => pick.utility));
  const unit = state.scaled ? span : [1, 1];
  const zero = state.scaled ? low : [0, 0];
  const [w, v] = state.weights;
  const [left, right] = range(0);
  const [bottom, top] = range(1);
  let x;
  let y;
  if (state.utility === "chebyshev") {
    const corner = [0, 1].map((i) => (state.weights[i] > 0 ? high[i] + (best * unit[i]) / state.weights[i] : null));
    x = [corner[0] ?? left, corner[0] ?? left, right];
    y = [top, corner[1] ?? bottom, corner[1] ?? bottom];
    if (corner[0] === null) [x, y] = [[left, right], [corner[1], corner[1]]];
    if (corner[1] === null) [x, y] = [[corner[0], corner[0]], [bottom, top]];
  } else {
    // w (x - zero) / unit + v (y - zero) / unit = best, along the axis on which the line is less steep.
    const other = (a, wa, za, ua, wb, zb, ub) => zb + (ub * (best - (wa * (a - za)) / ua)) / wb;
    const flat = (w / unit[0]) * (right - left) <= (v / unit[1]) * (top - bottom);
    x = flat ? [left, right] : [bottom, top].map((a) => other(a, v, zero[1], unit[1], w, zero[0], unit[0]));
    y = flat ? [left, right].map((a) => other(a, w, zero[0], unit[0], v, zero[1], unit[1])) : [bottom, top];
  }
  const line = { color: theme().quiet, width: 1.4, dash: "dash" };
  return [{ type: "scatter", mode: "lines", x, y, line, hoverinfo: "skip", meta: "worth" }];
}
