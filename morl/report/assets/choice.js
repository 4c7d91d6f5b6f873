// The table of what each front gives this user, and how to take it home.

/** A cell with a mean, its standard error, and a bar for where it lies between worst and best. */
function valueCell(value, error, i) {
  const { low, span } = environment;
  const share = Math.min(1, Math.max(0, (value - low[i]) / span[i]));
  const missed = state.limits[i] !== null && value < state.limits[i] - 1e-9 * span[i];
  return element("td", { class: missed ? "bar-cell missed" : "bar-cell", style: `--share:${(100 * share).toFixed(1)}%` },
    withError(value, error, span[i]), missed ? element("span", { class: "hidden" }, " (below your limit)") : null,
    element("span", { class: "track" }));
}

const badge = (text) => element("span", { class: "badge" }, text);

/** The number of a policy, or else the weights that it was asked for, where they can be told apart. */
function askedFor(run, pick) {
  const { m } = environment;
  if (pick === null) return null;
  const member = memberOf(run, pick.index);
  if (member !== null) return element("span", { class: "quiet", title: "Its number among the policies of this agent" }, `policy ${member}`);
  const row = askedRow(run, pick.index);
  if (row < 0 || m > 5) return null;
  const weights = [...run.weights.slice(row * m, (row + 1) * m)].map((weight) => number(weight, TWO));
  return element("span", { class: "quiet", title: "The weights that this policy was asked for" }, `asked for ${weights.join(" · ")}`);
}

function runRow(run, pick, best, goal, child) {
  const { m } = environment;
  const known = run === environment.known;
  const isBest = pick !== null && pick === best;
  const text = known || child ? run.text : run.style.name;
  const name = element("th", { scope: "row" }, known ? swatch({ symbol: "circle" }, true) : swatch(run.style),
    element("span", { class: "name", title: known ? run.text : run.label }, text),
    element("div", { class: "beside" }, askedFor(run, pick), isBest ? badge("best for you") : null));
  const row = element("tr", { class: `${child ? "child " : ""}${known ? "known " : ""}${isBest ? "best" : ""}` }, name);
  if (pick === null) {
    row.append(element("td", { colspan: m + 2, class: "quiet" }, "no policy meets your limits"));
    return row;
  }
  const at = pick.index * m;
  for (let i = 0; i < m; i += 1) row.append(valueCell(run.points[at + i], run.errors?.[at + i], i));
  row.append(element("td", { class: "worth" }, sized(pick.utility, worthSize())));
  if (goal) row.append(element("td", {}, known ? "" : sized(Math.max(0, goal.utility - pick.utility), worthSize())));
  return row;
}

/** How far utilities can differ: the greatest weighted range. */
const worthSize = () =>
  Math.max(...state.weights.map((weight, i) => weight * (state.scaled ? 1 : environment.span[i])));

/** One row for a group of several seeds: medians, and a button that lists the seeds. */
function groupRow(group, picks, best, goal) {
  const { m } = environment;
  const found = picks.filter(([, pick]) => pick !== null);
  const open = state.opened.has(group.place);
  const button = element("button", {
    class: "plain", "aria-expanded": String(open), id: `open-${group.place}`,
    click: () => {
      const opened = new Set(state.opened);
      open ? opened.delete(group.place) : opened.add(group.place);
      set({ opened });
    },
  }, `median of ${picks.length} seeds`);
  const isBest = found.some(([, pick]) => pick === best);
  const row = element("tr", { class: `group ${isBest ? "best" : ""}` },
    element("th", { scope: "row" }, swatch(group.style), element("span", { class: "name", title: group.style.name }, group.style.name),
      element("div", { class: "beside" }, button, isBest ? badge("best run for you") : null,
        found.length && found.length < picks.length ? element("span", { class: "quiet" }, `${picks.length - found.length} without a policy`) : null)));
  if (!found.length) {
    row.append(element("td", { colspan: m + 2, class: "quiet" }, "no policy meets your limits"));
    return row;
  }
  const middle = (value) => median(found.map(([run, pick]) => value(run, pick)));
  for (let i = 0; i < m; i += 1) row.append(valueCell(middle((run, pick) => run.points[pick.index * m + i]), null, i));
  const utility = middle((run, pick) => pick.utility);
  row.append(element("td", { class: "worth" }, sized(utility, worthSize())));
  if (goal) row.append(element("td", {}, sized(Math.max(0, goal.utility - utility), worthSize())));
  return row;
}

function drawOutcome() {
  const { objectives, known, groups } = environment;
  const picks = choices();
  const own = [...picks].filter(([front, pick]) => front !== known && pick !== null);
  const best = own.length ? own.reduce((a, b) => (b[1].utility > a[1].utility ? b : a)) : null;
  const goal = picks.get(known) ?? null;
  const head = element("tr", {}, element("th", { scope: "col" }, "Agent"),
    ...objectives.map((objective) => element("th", { scope: "col", title: objective.description || null }, withUnit(objective))),
    element("th", { scope: "col" }, "Worth to you"),
    goal ? element("th", { scope: "col", title: "What is lost against the best point of the known front" }, "Short of best") : null);
  const rows = goal ? [runRow(known, goal, null, goal, false)] : [];
  for (const group of groups) {
    const shown = group.runs.filter(isShown).map((run) => [run, picks.get(run)]);
    if (!shown.length) continue;
    if (shown.length > 1) rows.push(groupRow(group, shown, best?.[1], goal));
    if (shown.length === 1 || state.opened.has(group.place)) {
      rows.push(...shown.map(([run, pick]) => runRow(run, pick, best?.[1], goal, shown.length > 1)));
    }
  }
  const focused = document.activeElement?.id;
  byId("outcome").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  if (focused?.startsWith("open-")) byId(focused)?.focus();
  summarise(best);
  drawCommand(best);
}

/** In a sentence: what is best, and how many policies the limits leave. */
function summarise(best) {
  const { m, objectives } = environment;
  const runs = shownRuns();
  const limited = state.limits.some((limit) => limit !== null);
  let text = runs.length ? "None of the policies shown meets your limits." : "Nothing is shown: tick a front above.";
  if (best) {
    const [run, pick] = best;
    const values = objectives.map((o, i) => `${o.name} ${sized(run.points[pick.index * m + i], environment.span[i])}`).join(", ");
    text = `Best for you: ${run.text}, with ${values}.`;
  }
  if (limited && runs.length) {
    let met = 0;
    let all = 0;
    for (const run of runs) {
      all += run.k;
      for (let j = 0; j < run.k; j += 1) met += meets(run.points, j * m, environment, state.limits);
    }
    text += ` ${count(met, "policy", "policies")} of ${all.toLocaleString("en")} ${met === 1 ? "meets" : "meet"} your limits.`;
  }
  if (runs.some((run) => run.errors)) text += " ± is one standard error of the mean.";
  byId("outcome-summary").textContent = text;
}

/** The command that writes the best policy to disk, where one exists for such a choice. */
function drawCommand(best) {
  const place = byId("command");
  const isRun = best?.[0].provenance?.config && best[0].source;
  if (!isRun || state.utility !== "linear" || state.scaled || state.rule !== "best") {
    place.replaceChildren();
    return;
  }
  const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);
  const limits = state.limits.flatMap((limit, i) => (limit === null ? []
    : [`--at-least ${quote(`${environment.objectives[i].name}=${Number(limit.toPrecision(7))}`)}`]));
  const parts = ["morl choose", quote(best[0].source), "--weights", ...state.weights.map(String), ...limits, "--out policy/"];
  const code = element("code", { tabindex: 0 }, parts.join(" "));
  const button = element("button", {
    class: "plain",
    click: async () => {
      getSelection().selectAllChildren(code);
      const copied = await navigator.clipboard?.writeText(code.textContent).then(() => true, () => false);
      button.textContent = copied ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    },
  }, "Copy");
  place.replaceChildren(element("p", { class: "quiet" }, "To take this policy with you:"),
    element("div", { class: "command" }, code, button));
}

function startOutcome() {
  onChange(["place", "hidden", "weights", "utility", "scaled", "rule", "limits", "opened"], "choose", drawOutcome);
}
