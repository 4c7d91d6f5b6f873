// The study, the environment on show, and what the user has set. Views redraw when what they show changes.

const read = (id) => JSON.parse(byId(id).textContent);
const study = read("morl-study");

const state = {
  place: 0, // of the environment
  tab: "choose",
  hidden: new Set(), // labels of runs, or KNOWN
  weights: [],
  utility: "linear",
  scaled: false,
  rule: "best",
  limits: [],
  view: "plane",
  axes: [0, 1],
  turn: null, // from where one looks at a chart in space
  opened: new Set(), // groups whose runs the table lists
  seedsOf: null, // the group whose seeds the legend lists
  clock: "steps",
  indicator: null,
  moment: 1, // share of the training
};

const KNOWN = "\u0000known";
let environment = null;
const prepared = new Map();

/** The environment at a place of the study, ready to be drawn; its data are read when it is first shown. */
function loadEnvironment(place) {
  if (!prepared.has(place)) prepared.set(place, prepare(read(`morl-fronts-${place}`), study.environments[place]));
  environment = prepared.get(place);
  environment.place = place;
}

function prepare(raw, { name }) {
  const m = raw.objectives.length;
  const front = (run) => ({ ...run, k: run.points.length / m });
  const runs = raw.runs.map((run, place) => ({ ...front(run), place, style: study.groups[run.group] }));
  const known = raw.known && { ...front(raw.known), place: -1, label: KNOWN, text: raw.known.label, weights: null };
  const low = Array(m).fill(Infinity);
  const high = Array(m).fill(-Infinity);
  for (const { points } of known ? [known, ...runs] : runs) {
    for (let at = 0; at < points.length; at += 1) {
      low[at % m] = Math.min(low[at % m], points[at]);
      high[at % m] = Math.max(high[at % m], points[at]);
    }
  }
  const span = high.map((value, i) => value - low[i] || 1);
  for (const run of runs) {
    run.isBest = new Uint8Array(run.k);
    for (const j of run.best) run.isBest[j] = 1;
  }
  const groups = [...new Set(runs.map((run) => run.group))].sort((a, b) => a - b).map((group) => ({
    place: group,
    style: study.groups[group],
    runs: runs.filter((run) => run.group === group),
  }));
  return { ...raw, name, m, runs, known, groups, low, high, span, training: null };
}

/** What is known of the trainings in this environment, by run; read when first asked for. */
function trainingOf(env) {
  env.training ??= read(`morl-training-${env.place}`);
  return env.training;
}

const isShown = (front) => !state.hidden.has(front.label);
const shownRuns = () => environment.runs.filter(isShown);

/** The preference as `choose` takes it. */
const preference = () => ({
  weights: state.weights, utility: state.utility, scaled: state.scaled, rule: state.rule, limits: state.limits,
});

let chosenFor = null;
let chosen = null;

/** Front -> its point for this user; computed once for every change of the state. */
function choices() {
  if (chosenFor !== changes) {
    const fronts = environment.known ? [environment.known, ...environment.runs] : environment.runs;
    const wanted = preference();
    chosen = new Map(fronts.filter(isShown).map((front) => [front, choose(front, environment, wanted)]));
    chosenFor = changes;
  }
  return chosen;
}

const views = [];
const stale = new Set();
let changes = 0;
let waiting = false;

/** Draw with `draw` whenever one of these parts of the state changed, on this tab (null: on every tab). */
function onChange(keys, tab, draw) {
  views.push({ keys, tab, draw, stale: true });
}

/** Change the state; what shows it is redrawn before the next frame. */
function set(values) {
  Object.assign(state, values);
  changes += 1;
  for (const key of Object.keys(values)) stale.add(key);
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(redraw);
  }
}

function redraw() {
  waiting = false;
  const keys = [...stale];
  stale.clear();
  for (const view of views) view.stale ||= view.keys.some((key) => keys.includes(key));
  for (const view of views) {
    if (view.stale && (view.tab === null || view.tab === state.tab)) {
      view.stale = false;
      view.draw(keys);
    }
  }
}
