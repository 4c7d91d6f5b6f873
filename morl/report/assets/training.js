// The training: one slider over time for the learning curves and for the fronts as they were then.

const TICKS = 200;
let filmListens = false;
let timer = null;

/** The latest evaluation of any run, in steps or seconds. */
function lastMoment(clock) {
  const ends = trainingOf(environment).map((history) => history?.[clock].at(-1) ?? 0);
  return Math.max(0, ...ends);
}

const momentIn = (clock) => state.moment * lastMoment(clock);
const momentText = () => (state.clock === "steps" ? `${COMPACT.format(momentIn("steps"))} steps` : duration(momentIn("seconds")));

/** The front of a run as its last evaluation until now found it, or null. */
function frameOf(run) {
  const history = trainingOf(environment)[run.place];
  const now = momentIn(state.clock) * (1 + 1e-12);
  const past = history?.frames.filter(({ look }) => history[state.clock][look] <= now) ?? [];
  if (!past.length) return null;
  const { points } = past.at(-1);
  return { ...run, points, k: points.length / environment.m, isBest: null, weights: null, errors: null };
}

const widest = new Map(); // environment -> bounds

/**
 * The bounds of all that the film shows, at every moment, so that its frame stands still.
 *
 * Beginnings may be far off: below the final fronts there is at most as much room as these take.
 */
function filmBounds(env) {
  if (!widest.has(env)) {
    const low = [...env.low];
    const high = [...env.high];
    for (const history of trainingOf(env)) {
      for (const { points } of history?.frames ?? []) {
        points.forEach((value, at) => {
          const i = at % env.m;
          low[i] = Math.max(env.low[i] - env.span[i], Math.min(low[i], value));
          high[i] = Math.min(env.high[i] + env.span[i], Math.max(high[i], value));
        });
      }
    }
    widest.set(env, { low, high });
  }
  return widest.get(env);
}

function drawFilm() {
  const view = currentView(filmBounds(environment));
  const fronts = shownRuns().map(frameOf).filter((front) => front !== null);
  const known = environment.known && isShown(environment.known) ? [knownTrace(environment.known, view)] : [];
  const marks = frontMarks(fronts, view);
  const traces = [...known, ...marks.traces].map((trace) => ({ ...trace, hoverinfo: "skip" }));
  const points = fronts.reduce((sum, front) => sum + front.k, 0);
  byId("film-help").textContent = fronts.length
    ? `After ${momentText()}: ${count(points, "undominated point")} of ${count(fronts.length, "run")}. `
      + "Quick looks of few episodes; the final fronts are the ones to go by."
    : "No front was recorded by then.";
  Plotly.react(byId("film"), traces, frontLayout(view, marks.crowd), plotConfig(marks.crowd))
    .then((chart) => {
      showCrowd(chart, marks.crowd, view);
      if (!filmListens) listenForTurns(chart);
      filmListens = true;
    });
}

/** The controls for this environment; without any history, say so instead. */
function makeTraining() {
  const histories = trainingOf(environment).filter((history) => history !== null);
  byId("training-body").hidden = !histories.length;
  byId("no-training").hidden = histories.length > 0;
  byId("no-training").textContent = "These fronts come without a record of their training. Run directories of morl train keep one; "
    + "front files and tables have none.";
  byId("looks").textContent = environment.looks === null ? "" : `${environment.looks[0].toUpperCase()}${environment.looks.slice(1)}.`;
  const names = [...new Set(histories.flatMap(({ values }) => Object.keys(values)))];
  const preferred = ["hypervolume", "commanded_utility", ...names].find((name) => names.includes(name)) ?? null;
  state.indicator = names.includes(state.indicator) ? state.indicator : preferred;
  byId("indicator").replaceChildren(...names.map((name) =>
    element("option", { value: name, selected: name === state.indicator }, readable(name))));
}

function drawTime() {
  const slider = byId("time");
  slider.value = Math.round(state.moment * TICKS);
  slider.style.setProperty("--filled", `${100 * state.moment}%`);
  slider.setAttribute("aria-valuetext", momentText());
  byId("time-value").textContent = momentText();
}

/** Run through the training in about eight seconds, from the beginning if it stands at the end. */
function play() {
  if (timer !== null) {
    stop();
    return;
  }
  byId("play").textContent = "Pause";
  byId("play").setAttribute("aria-pressed", "true");
  if (state.moment >= 1) set({ moment: 0 });
  timer = setInterval(() => {
    const moment = Math.min(1, state.moment + 1 / 80);
    set({ moment });
    if (moment >= 1) stop();
  }, 100);
}

function stop() {
  clearInterval(timer);
  timer = null;
  byId("play").textContent = "Play";
  byId("play").setAttribute("aria-pressed", "false");
}

/** Charts need plotly.js, which comes last: the rest works from the start. */
function startTraining() {
  const clocks = [["steps", "Steps"], ["seconds", "Wall-clock time"]];
  byId("clock").replaceChildren(radioSwitch("Against", clocks, state.clock, (clock) => set({ clock })));
  byId("time").addEventListener("input", ({ target }) => set({ moment: target.value / TICKS }));
  byId("play").addEventListener("click", play);
  byId("indicator").addEventListener("change", ({ target }) => set({ indicator: target.value }));
  onChange(["place"], "training", makeTraining);
  onChange(["place", "moment", "clock"], "training", drawTime);
  onChange(["tab"], null, () => state.tab === "training" || stop());
}

function startTrainingCharts() {
  const recorded = () => trainingOf(environment).some((history) => history !== null);
  onChange(["place", "hidden", "indicator", "clock", "moment", "theme"], "training", () => recorded() && drawCurves());
  onChange(["place", "hidden", "view", "axes", "turn", "limits", "clock", "moment", "theme"], "training", () => recorded() && drawFilm());
}
