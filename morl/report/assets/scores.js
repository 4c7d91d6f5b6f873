// Indicators of every group and run, beside the known front.

/** Which value of a column is the best, among several. */
function bestOf(values, better) {
  const known = values.filter((value) => value !== null);
  return known.length > 1 ? (better === "higher" ? Math.max : Math.min)(...known) : null;
}

/** A function that writes the values of a column: alike, with the decimals that tell them apart. */
function writer(values) {
  const known = values.filter((value) => value !== null);
  if (known.every(Number.isInteger)) return (value) => number(value);
  const spread = Math.max(...known) - Math.min(...known);
  return (value) => sized(value, 10 * (spread || Math.abs(known[0])));
}

const nameCell = (style, text) =>
  element("th", { scope: "row" }, swatch(style, !style.colour), element("span", { class: "name", title: text }, text));

function drawScores() {
  const { scores, groups, known } = environment;
  const used = scores.indicators.map((indicator, i) => ({ ...indicator, i }))
    .filter(({ usual }) => usual || byId("all-indicators").checked);
  const every = byId("all-runs").checked || !Object.keys(scores.groups).length;
  const write = used.map(({ i }) => writer([...(known ? [scores.known[i]] : []), ...scores.runs.map((run) => run[i]),
    ...Object.values(scores.groups).map((estimates) => estimates[i]?.[0] ?? null)]));
  const rows = [];
  if (known && isShown(known)) {
    rows.push(element("tr", { class: "known" }, nameCell({ symbol: "circle" }, known.text), element("td", {}, number(known.k)),
      ...used.map(({ i }, column) => element("td", {}, write[column](scores.known[i])))));
  }
  const shown = groups.filter(({ runs }) => runs.some(isShown));
  const best = used.map(({ i, better }) => bestOf(shown.map(({ style, runs }) =>
    scores.groups[style.name]?.[i]?.[0] ?? (runs.length === 1 ? scores.runs[runs[0].place][i] : null)), better));
  for (const { style, runs } of shown) {
    const estimates = scores.groups[style.name];
    if (estimates && runs.length > 1) {
      rows.push(element("tr", { class: "group" }, nameCell(style, style.name), element("td", {}, number(median(runs.map((run) => scores.points[run.place])))),
        ...used.map(({ i }, column) => estimateCell(estimates[i], best[column], write[column]))));
    }
    if (every || runs.length === 1) rows.push(...runs.filter(isShown).map((run) => runScores(run, used, best, write, runs.length > 1)));
  }
  const arrow = { higher: "↑", lower: "↓" };
  const head = element("tr", {}, element("th", { scope: "col" }, "Agent"), element("th", { scope: "col" }, "points"),
    ...used.map(({ name, better, description }) =>
      element("th", { scope: "col", title: description }, `${readable(name)} ${arrow[better]}`)));
  byId("scores").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  byId("scores-meaning").replaceChildren(...used.flatMap(({ name, description }) =>
    [element("dt", {}, readable(name)), element("dd", {}, description)]));
  describeScores(rows.some((row) => row.className === "group"));
}

function estimateCell(estimate, best, write) {
  if (!estimate) return element("td", {}, "–");
  const [middle, low, high] = estimate;
  return element("td", { class: middle === best ? "winner" : "" }, write(middle),
    low === null ? null : element("div", { class: "quiet" }, `${write(low)} to ${write(high)}`));
}

function runScores(run, used, best, write, child) {
  const { scores } = environment;
  const [values, errors] = [scores.runs, scores.errors].map((rows) => used.map(({ i }) => rows[run.place][i]));
  return element("tr", { class: child ? "child" : "" }, nameCell(run.style, child ? `\u200e${run.text}` : run.style.name), element("td", {}, number(scores.points[run.place])),
    ...values.map((value, c) => element("td", { class: !child && value !== null && value === best[c] ? "winner" : "" }, write[c](value),
      errors[c] === null ? null : element("div", { class: "quiet" }, `± ${write[c](errors[c])}`))));
}

/** A note as a sentence of its own. */
const sentence = (note) => `${note[0].toUpperCase()}${note.slice(1)}.`;

/** Under which terms the scores were computed, and what to beware of. */
function describeScores(grouped) {
  const { scores } = environment;
  byId("scores-help").textContent = [
    "↑ more is better, ↓ less is better.",
    grouped ? "Several seeds: interquartile mean, and its 95 % bootstrap interval." : "",
    `Utilities over ${count(scores.weights, "weight vector")}.`,
  ].filter(Boolean).join(" ");
  byId("scores-notes").replaceChildren(...scores.notes.map((note) => element("li", {}, sentence(note))));
}

function startScores() {
  for (const id of ["all-runs", "all-indicators"]) byId(id).addEventListener("change", drawScores);
  onChange(["place", "hidden"], "scores", drawScores);
}
