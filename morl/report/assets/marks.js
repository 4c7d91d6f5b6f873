// Points as plotly's traces: every front's points, sorted by how they look, in the plane, in space or parallel.

const MANY = 1500; // points beyond which a canvas shows them: see crowd.js
const STRIDE = 1e6; // a mark's key: STRIDE * place of the run + place of the point; the known front has place -1

/** The colours of the page, which depend on the reader's light or dark theme. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return { card: colour("card"), ink: colour("ink"), quiet: colour("quiet"), line: colour("line"), grey: colour("grey") };
}

const keyOf = (place, point) => (place + 1) * STRIDE + point;

/** The front and the point behind a key. */
function lookUp(key) {
  const place = Math.floor(key / STRIDE) - 1;
  return { front: place < 0 ? environment.known : environment.runs[place], point: key % STRIDE };
}

/**
 * Points sorted by look: `[{ style, kind, fronts: [[front, [point, ...]], ...] }]`.
 *
 * Kinds: "out" violates a limit, "faint" is dominated by its own front, "best" is neither. Drawn in this order.
 */
function sortByLook(fronts) {
  const looks = { out: new Map(), faint: new Map(), best: new Map() };
  for (const front of fronts) {
    const places = { out: [], faint: [], best: [] };
    for (let j = 0; j < front.k; j += 1) {
      const ok = meets(front.points, j * environment.m, environment, state.limits);
      places[ok ? (front.isBest && !front.isBest[j] ? "faint" : "best") : "out"].push(j);
    }
    for (const kind of Object.keys(looks)) {
      if (!places[kind].length) continue;
      const look = kind === "out" ? "out" : front.style.colour + front.style.symbol;
      if (!looks[kind].has(look)) looks[kind].set(look, { style: front.style, kind, fronts: [] });
      looks[kind].get(look).fronts.push([front, places[kind]]);
    }
  }
  return [...looks.out.values(), ...looks.faint.values(), ...looks.best.values()];
}

/** Some fronts without what is chosen: as traces, or where these would be slow as a crowd of looks. */
function frontMarks(fronts, view) {
  const marks = fronts.reduce((sum, front) => sum + front.k, 0);
  const looks = sortByLook(fronts).filter(({ kind }) => view.kind !== "parallel" || kind !== "faint");
  if (marks > MANY) return { traces: [], crowd: { looks, marks } };
  return { traces: looks.map((look) => (view.kind === "parallel" ? lineTrace(look) : markTrace(look, view, marks))), crowd: null };
}

/** How points of a look are drawn: what is out alike, whoever it belongs to. */
function markStyle({ style, kind }, marks) {
  const size = Math.max(4, Math.min(9, 14 - 2 * Math.log10(marks + 1)));
  return {
    color: kind === "out" ? theme().grey : style.colour,
    symbol: kind === "out" ? "circle" : style.symbol,
    size: kind === "best" ? size : 0.65 * size,
    opacity: { out: 0.45, faint: 0.3, best: marks > MANY ? 0.75 : 0.9 }[kind],
  };
}

/** How visible each of so many lines is. */
const lineStrength = (kind, lines) => Math.min(0.8, Math.max(0.08, 14 / Math.max(1, lines))) * (kind === "out" ? 0.5 : 1);

function markTrace(look, view, marks) {
  const { kind, fronts } = look;
  const { m } = environment;
  const put = placer(view);
  const [x, y, keys] = [[], [], []];
  for (const [front, points] of fronts) {
    for (const j of points) {
      const [across, up] = put(front.points, j * m);
      x.push(across);
      y.push(up);
      keys.push(keyOf(front.place, j));
    }
  }
  const marker = { ...markStyle(look, marks), line: { width: kind === "best" ? 0.8 : 0, color: theme().card } };
  return { type: "scatter", mode: "markers", x, y, customdata: keys, marker, hoverinfo: "none" };
}

/** Lines over one axis per objective; the greatest and least value on the page are the ends of an axis. */
function lineTrace({ style, kind, fronts }) {
  const { m, low, span } = environment;
  const x = [];
  const y = [];
  const keys = [];
  let lines = 0;
  for (const [front, points] of fronts) {
    for (const j of points) {
      lines += 1;
      for (let i = 0; i < m; i += 1) {
        x.push(i);
        y.push((front.points[j * m + i] - low[i]) / span[i]);
        keys.push(keyOf(front.place, j));
      }
      x.push(null);
      y.push(null);
      keys.push(null);
    }
  }
  return {
    type: "scatter",
    mode: lines > 200 ? "lines" : "lines+markers",
    x, y, customdata: keys, hoverinfo: "none", connectgaps: false,
    opacity: lineStrength(kind, lines),
    line: { color: kind === "out" ? theme().grey : style.colour, width: 1.2 },
    marker: { color: kind === "out" ? theme().grey : style.colour, symbol: style.symbol, size: 5 },
  };
}

/** The known front: hollow rings, joined to a curve where there are two objectives. */
function knownTrace(known, view) {
  const colours = theme();
  const { m, low, span } = environment;
  const base = { hoverinfo: "none", customdata: [] };
  if (view.kind === "parallel") {
    const trace = lineTrace({ style: { colour: colours.ink }, kind: "best", fronts: [[known, [...Array(known.k).keys()]]] });
    return { ...trace, mode: "lines", line: { color: colours.ink, width: 0.9, dash: "dot" }, opacity: 0.5 };
  }
  const order = [...Array(known.k).keys()];
  if (m === 2) order.sort((a, b) => known.points[2 * a] - known.points[2 * b]);
  const put = placer(view);
  const places = order.map((j) => put(known.points, j * m));
  const keys = order.map((j) => keyOf(-1, j));
  const ring = { color: "rgba(0,0,0,0)", size: known.k > 300 ? 7 : 12, line: { color: colours.ink, width: 1.1 } };
  return {
    ...base, type: "scatter", mode: m === 2 ? "lines+markers" : "markers",
    x: places.map(([x]) => x), y: places.map(([, y]) => y), customdata: keys,
    line: { color: colours.quiet, width: 1 }, marker: ring, opacity: known.k > 300 ? 0.6 : 0.85,
  };
}

/** The fronts that stand for their group: of its seeds shown, the one whose choice is worth the median. */
function leadersOf(picks) {
  const worthOf = new Map(picks.map(([front, pick]) => [front, pick.utility]));
  const leaders = environment.groups.map(({ runs }) => {
    const own = runs.filter((run) => worthOf.has(run)).sort((a, b) => worthOf.get(a) - worthOf.get(b));
    return own[own.length >> 1];
  });
  return new Set([environment.known, ...leaders]);
}

/** What is chosen from each front: large marks with error bars, or thick lines; small ones for the other seeds. */
function chosenTraces(view) {
  const { m, low, span } = environment;
  const colours = theme();
  const found = [...choices()].filter(([, pick]) => pick !== null);
  const leaders = leadersOf(found);
  const leads = ([front]) => leaders.has(front);
  const picks = [...found.filter((pick) => !leads(pick)), ...found.filter(leads)];
  const keys = picks.map(([front, pick]) => keyOf(front.place, pick.index));
  const colour = (front) => (front.style ? front.style.colour : colours.ink);
  if (view.kind === "parallel") {
    return picks.map(([front, pick], p) => ({
      type: "scatter", mode: "lines+markers", hoverinfo: "none", meta: "chosen",
      x: [...Array(m).keys()],
      y: [...Array(m).keys()].map((i) => (front.points[pick.index * m + i] - low[i]) / span[i]),
      customdata: Array(m).fill(keys[p]),
      opacity: leaders.has(front) ? 1 : 0.45,
      line: { color: colour(front), width: !leaders.has(front) ? 1.5 : front.style ? 4 : 2, dash: front.style ? "solid" : "dot" },
      marker: {
        color: colour(front), symbol: front.style?.symbol ?? "circle", size: leaders.has(front) ? 10 : 4,
        line: { color: colours.card, width: leaders.has(front) ? 1.5 : 0 },
      },
    }));
  }
  const marker = {
    color: picks.map(([front]) => (front.style ? front.style.colour : "rgba(0,0,0,0)")),
    symbol: picks.map(([front]) => front.style?.symbol ?? "circle"),
    size: picks.map(([front]) => (!leaders.has(front) ? 9 : front.style ? 16 : 22)),
    opacity: 1,
    line: { color: colours.ink, width: picks.map((pick) => (leads(pick) ? 2 : 1)) },
  };
  const put = placer(view);
  const places = picks.map(([front, pick]) => put(front.points, pick.index * m));
  const trace = {
    type: "scatter", mode: "markers", x: places.map(([x]) => x), y: places.map(([, y]) => y), customdata: keys,
    marker, hoverinfo: "none", meta: "chosen", cliponaxis: false,
  };
  if (view.kind === "space") return [trace];
  const bars = (objective) => ({
    type: "data", thickness: 1.2, width: 3, color: colours.ink,
    array: picks.map(([front, pick]) => (leaders.has(front) ? front.errors?.[pick.index * m + objective] ?? 0 : 0)),
  });
  const [x, y] = view.axes;
  return [{ ...trace, error_x: bars(x), error_y: bars(y) }];
}
