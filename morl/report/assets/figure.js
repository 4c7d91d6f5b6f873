// The chart of the fronts: which view, drawing it, and what the mouse points at.

/** The views that this environment allows, as options of a switch. */
function viewsOf(m) {
  if (m === 2) return [["plane", "2-D"]];
  const first = m === 3 ? [["space", "3-D"]] : [["parallel", "All objectives"]];
  return [...first, ["plane", "Two objectives"]];
}

const currentView = (bounds = environment) => ({ kind: state.view, axes: state.axes, turn: state.turn, bounds });

/** The switch between views and, in the plane of many objectives, the choice of two. */
function drawViewSwitch() {
  const { m, objectives } = environment;
  const options = viewsOf(m);
  const parts = [];
  if (options.length > 1) parts.push(radioSwitch("View", options, state.view, (view) => set({ view })));
  if (state.view === "plane" && m > 2) {
    ["Across", "Up"].forEach((label, which) => {
      const pick = element("select", {
        "aria-label": `${label}: objective`,
        change: (event) => {
          const axes = [...state.axes];
          const taken = Number(event.target.value);
          if (axes[1 - which] === taken) axes[1 - which] = axes[which];
          axes[which] = taken;
          set({ axes });
        },
      }, ...objectives.map((o, i) => element("option", { value: i, selected: i === state.axes[which] }, o.name)));
      parts.push(element("label", { class: "field inline" }, `${label} `, pick));
    });
  }
  const focused = document.activeElement?.closest("#view") ? document.activeElement.value : null;
  byId("view").replaceChildren(...parts);
  if (focused) byId("view").querySelector(`input[value="${focused}"]`)?.focus();
}

const HELP = {
  plane: "Each mark is a policy, placed by what it earns: better is further right and further up. Large marks are chosen for you.",
  space: "Each mark is a policy, placed by what it earns. Drag, or press the arrow keys, to turn. Large marks are chosen for you.",
  parallel: "Each line is a policy; it crosses every objective at what the policy earns there. Higher is better. Thick lines are chosen for you.",
};

/** Whether some agent is shown with more than one seed. */
const severalSeeds = () => environment.groups.some(({ runs }) => runs.filter(isShown).length > 1);

let drawnFronts = null; // the marks of all points, below those of the chosen ones

/** Draw the fronts. While only the preference changes, all points but the chosen ones stay as they are. */
function drawFronts(keys) {
  const view = currentView();
  const chart = byId("fronts");
  const worthMatters = view.kind === "plane" && environment.m === 2;
  byId("fronts-help").textContent = HELP[view.kind]
    + (severalSeeds() ? ` ${view.kind === "parallel" ? "Of several seeds the median one is thick." : "Of several seeds the median one is large."}` : "")
    + (worthMatters && state.rule === "best" ? " All along the dashed line is worth the same to you." : "");
  const preferenceOnly = keys.every((key) => ["weights", "utility", "scaled", "rule"].includes(key));
  if (!preferenceOnly || drawnFronts === null) {
    const known = environment.known && isShown(environment.known) ? [knownTrace(environment.known, view)] : [];
    const { traces, crowd } = frontMarks(shownRuns(), view);
    drawnFronts = { traces: view.kind === "parallel" ? [...traces, ...known] : [...known, ...traces], crowd };
  }
  const traces = [...drawnFronts.traces, ...(worthMatters ? worthTrace() : []), ...chosenTraces(view)];
  Plotly.react(chart, traces, frontLayout(view, drawnFronts.crowd), plotConfig(drawnFronts.crowd)).then(() => {
    showCrowd(chart, drawnFronts.crowd, view);
    // The second frame begins when the first, with the picture, is done.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (!performance.getEntriesByName("morl:drawn").length) performance.mark("morl:drawn");
    }));
  });
  chart.setAttribute("aria-label", `${count(shownRuns().length, "front")} of ${environment.name} in ${environment.m} objectives`);
  listen(chart);
}

const listening = new WeakSet();

/** Show what the mouse points at; turn a chart in space. */
function listen(chart) {
  if (listening.has(chart)) return;
  listening.add(chart);
  const show = ({ points, event }) => inCrowd(chart) || showTip(points[0].customdata, event);
  chart.on("plotly_hover", show);
  chart.on("plotly_click", show);
  chart.on("plotly_unhover", () => inCrowd(chart) || hideTip());
  for (const name of ["mousemove", "click"]) {
    chart.addEventListener(name, (event) => {
      if (!inCrowd(chart)) return;
      const key = nearestInCrowd(chart, event);
      key === null ? hideTip() : showTip(key, event);
    });
  }
  chart.addEventListener("mouseleave", hideTip);
  chart.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
  listenForTurns(chart);
}

/** Of a policy of a set: its number, and how many preferences it answers. */
function memberText(front, point) {
  const member = memberOf(front, point);
  if (member === null) return null;
  const answered = front.answers?.filter((answer) => answer === point).length;
  return `policy ${member}${answered === undefined ? "" : `, answers ${answered} of ${count(front.answers.length, "preference")}`}`;
}

/** A note beside the mouse: whose policy, what it earns, and what it was asked for. */
function showTip(key, event) {
  const tip = byId("tip");
  if (typeof key !== "number") return;
  const { front, point } = lookUp(key);
  const { m, objectives, span } = environment;
  const at = (values, i) => values?.[point * m + i];
  const known = front === environment.known;
  const member = memberText(front, point);
  const asked = member === null ? askedRow(front, point) : -1;
  const rows = objectives.map((objective, i) =>
    element("tr", {},
      element("th", { scope: "row" }, withUnit(objective)),
      element("td", {}, withError(at(front.points, i), at(front.errors, i), span[i])),
      front.undiscounted ? element("td", { class: "quiet" }, sized(at(front.undiscounted, i), span[i])) : null,
      asked < 0 ? null : element("td", { class: "quiet" }, number(front.weights[asked * m + i], TWO))));
  const head = element("tr", {}, element("td", {}), element("th", {}, front.undiscounted ? "discounted" : "return"),
    front.undiscounted ? element("th", {}, "in all") : null, asked < 0 ? null : element("th", {}, "asked for"));
  tip.replaceChildren(
    element("strong", {}, known ? null : swatch(front.style), front.text),
    member === null ? null : element("div", { class: "quiet" }, member),
    element("table", {}, front.undiscounted || asked >= 0 ? head : null, ...rows));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}
