// Start: tabs, the choice of the environment, and the first picture.

const TABS = ["choose", "training", "scores", "sources"];

/** Show an environment; what the user set is kept where it makes sense there. */
function showEnvironment(place) {
  const before = environment;
  loadEnvironment(place);
  const { m, objectives } = environment;
  const same = before !== null && before.m === m
    && before.objectives.every(({ name }, i) => name === objectives[i].name);
  const kinds = viewsOf(m).map(([kind]) => kind);
  describeEnvironment();
  makeControls();
  makeLegend();
  drawnFronts = null;
  set({
    place,
    weights: same ? state.weights : equalWeights(m),
    limits: same ? state.limits : Array(m).fill(null),
    axes: same ? state.axes : [0, 1],
    view: same ? state.view : kinds[0],
    turn: START,
    moment: 1,
    seedsOf: null,
    opened: new Set(),
  });
}

function showTab(tab) {
  for (const name of TABS) {
    const button = byId(`tab-${name}`);
    button.setAttribute("aria-selected", String(name === tab));
    button.tabIndex = name === tab ? 0 : -1;
    byId(`panel-${name}`).hidden = name !== tab;
  }
  hideTip();
  set({ tab });
}

function startTabs() {
  for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => showTab(name));
  byId("tabs").addEventListener("keydown", (event) => {
    const at = TABS.indexOf(state.tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    showTab(TABS[(to + TABS.length) % TABS.length]);
    byId(`tab-${state.tab}`).focus();
  });
}

function start() {
  byId("version").textContent = study.version;
  const select = byId("environment");
  select.replaceChildren(...study.environments.map(({ name }, i) => element("option", { value: i }, name)));
  select.addEventListener("change", () => showEnvironment(Number(select.value)));
  byId("environment-field").hidden = study.environments.length < 2;
  startTabs();
  startControls();
  startLegend();
  startOutcome();
  startTraining();
  startScores();
  startOverall();
  startSources();
  onChange(["place", "view", "axes"], "choose", drawViewSwitch);
  showEnvironment(0);
  showTab("choose");
  // plotly.js comes last in the file: the page is there before it is.
  document.addEventListener("DOMContentLoaded", () => {
    onChange(["place", "hidden", "weights", "utility", "scaled", "rule", "limits", "view", "axes", "turn", "theme"], "choose", drawFronts);
    startTrainingCharts();
    set({ theme: null });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => set({ theme: null }));
  });
}

start();
