// The sliders of the weights, the switches of the utility, and the limits.

let anchor = null; // which slider is being moved, and the weights from before

/** Make a slider for each weight. */
function makeWeights() {
  const rows = environment.objectives.map((objective, i) => {
    const input = element("input", {
      type: "range", id: `weight-${i}`, min: 0, max: 100, step: 1,
      "aria-describedby": objective.description ? `weight-about-${i}` : null,
      input: (event) => {
        if (anchor?.slider !== i) anchor = { slider: i, weights: state.weights };
        set({ weights: moveOnSimplex(anchor.weights, i, event.target.value / 100) });
      },
    });
    return element("div", { class: "slider" },
      element("label", { for: `weight-${i}` }, withUnit(objective)),
      element("output", { for: `weight-${i}`, id: `weight-value-${i}` }),
      input,
      objective.description ? element("p", { class: "quiet", id: `weight-about-${i}` }, objective.description) : null);
  });
  byId("weights").replaceChildren(...rows);
  anchor = null;
}

/** Put the sliders where the weights are; the one that is dragged stays with the finger. */
function drawWeights() {
  state.weights.forEach((weight, i) => {
    const input = byId(`weight-${i}`);
    if (anchor?.slider !== i || Math.abs(input.value / 100 - weight) > 0.01) input.value = 100 * weight;
    input.style.setProperty("--filled", `${100 * weight}%`);
    input.setAttribute("aria-valuetext", percent(weight));
    byId(`weight-value-${i}`).textContent = percent(weight);
  });
}

/** The switches below the sliders. */
function makeRules() {
  const parts = [
    radioSwitch("Utility", [
      ["linear", "Linear", "What a policy is worth: the weighted sum of its returns"],
      ["chebyshev", "Chebyshev", "What a policy is worth: how near its weakest objective is to the best value; "
        + "finds policies in the hollows of a front, which no weighted sum does"],
    ], state.utility, (utility) => set({ utility })),
    radioSwitch("Returns count", [
      [false, "as they are", "In the units of the environment, as agents are trained and scored"],
      [true, "by range", "Each objective from 0, its worst on this page, to 1, its best"],
    ], state.scaled, (scaled) => set({ scaled })),
  ];
  if (environment.runs.some((run) => run.weights)) {
    parts.push(radioSwitch("Each agent gives", [
      ["best", "its best for me", "The policy of its front that is worth most under these weights and meets the limits"],
      ["asked", "what I ask for", "The policy it runs when asked for the nearest weights, whatever that earns"],
    ], state.rule, (rule) => set({ rule })));
  }
  byId("rules").replaceChildren(...parts, element("p", { id: "rules-help", class: "quiet" }));
}

function drawRules() {
  const utility = state.utility === "linear"
    ? "Linear: a policy is worth the weighted sum of its returns."
    : "Chebyshev: a policy is worth as much as its weakest objective, weighted: the nearer to the best value known, the better.";
  const rule = state.rule === "asked" ? " Each agent runs the policy for the nearest weights it was evaluated with." : "";
  byId("rules-help").textContent = utility + rule;
}

/** Make a slider and a number field for the limit of each objective. */
function makeLimits() {
  const { low, high, span } = environment;
  const rows = environment.objectives.map((objective, i) => {
    const change = (limit) => set({ limits: state.limits.map((old, j) => (j === i ? limit : old)) });
    const fromSlider = ({ target }) => change(Number(target.value) === 0 ? null : low[i] + (span[i] * target.value) / 200);
    const fromField = ({ target }) => {
      const limit = target.value.trim() === "" ? null : Number(target.value);
      if (limit === null || Number.isFinite(limit)) change(limit);
    };
    return element("div", { class: "slider" },
      element("label", { for: `limit-${i}` }, element("span", { class: "hidden" }, "At least: "), withUnit(objective)),
      element("input", {
        type: "number", step: "any", id: `limit-value-${i}`, placeholder: "any",
        "aria-label": `${objective.name}: at least`, change: fromField,
      }),
      element("input", { type: "range", id: `limit-${i}`, min: 0, max: 200, value: 0, step: 1, input: fromSlider }),
      element("p", { class: "quiet ends" }, element("span", {}, number(low[i])), element("span", {}, number(high[i]))));
  });
  byId("limits").replaceChildren(...rows);
  byId("limits-card").open = environment.m <= 3 && matchMedia("(min-width: 900px)").matches;
}

function drawLimits() {
  const { low, span, objectives } = environment;
  let set_ = 0;
  state.limits.forEach((limit, i) => {
    const slider = byId(`limit-${i}`);
    const share = limit === null ? 0 : Math.min(1, Math.max(0, (limit - low[i]) / span[i]));
    if (document.activeElement !== slider) slider.value = Math.round(200 * share);
    slider.style.setProperty("--filled", `${100 * share}%`);
    slider.setAttribute("aria-valuetext", limit === null ? "no limit" : `at least ${number(limit)} ${objectives[i].unit}`);
    const field = byId(`limit-value-${i}`);
    if (document.activeElement !== field) field.value = limit === null ? "" : Number(limit.toPrecision(4));
    set_ += limit !== null;
  });
  byId("limits-count").textContent = set_ ? count(set_, "limit") : "no limits";
  byId("no-limits").disabled = !set_;
}

function makeControls() {
  makeWeights();
  makeRules();
  makeLimits();
}

function startControls() {
  byId("equal").addEventListener("click", () => {
    anchor = null;
    set({ weights: equalWeights(environment.m) });
  });
  byId("no-limits").addEventListener("click", () => set({ limits: state.limits.map(() => null) }));
  onChange(["place", "weights"], null, drawWeights);
  onChange(["place", "utility", "rule"], null, drawRules);
  onChange(["place", "limits"], null, drawLimits);
}
