// Where every front comes from: how it was trained and evaluated, and what to beware of.

const ROLES = {
  report: "fresh episodes, none of which chose the points",
  selection: "the episodes that also chose the points, which flatters them",
  exact: "computed, not sampled",
};

function facts(run) {
  const episodes = run.role === "exact" ? null : count(run.episodes, "episode");
  return [
    ["Agent", run.agent],
    ["Training seed", run.seed],
    ["Trained for", run.steps === null ? null : `${number(run.steps)} steps${run.seconds === null ? "" : `, ${duration(run.seconds)}`}`],
    ["Points", `${number(run.k)}, of which ${number(run.best.length)} undominated`],
    ["Returns of", [ROLES[run.role], episodes && `${episodes} each`].filter(Boolean).join("; ")],
    ["Role", run.role],
    ["Environment", environment.id],
    ["Backend", run.backend],
    ["Discount", environment.gamma],
    ["Evaluation seed", run.evaluation_seed],
    ["Reference point", run.reference_point?.map((value) => number(value)).join(", ")],
    ["Versions", Object.entries(run.versions).map(([name, version]) => `${name} ${version}`).join(", ")],
    ["From", run.source],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "");
}

function drawSources() {
  const opened = new Set([...document.querySelectorAll("#sources details[open]")].map((node) => node.dataset.label));
  byId("sources").replaceChildren(...shownRuns().map((run) => {
    const brief = [run.agent, run.seed === null ? null : `seed ${run.seed}`, run.role, run.backend].filter(Boolean).join(" · ");
    const list = element("dl", { class: "facts" },
      ...facts(run).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));
    const node = element("details", { open: opened.has(run.label) },
      element("summary", {}, swatch(run.style), element("strong", { class: "name", title: run.label }, run.text),
        element("span", { class: "quiet" }, brief)),
      list, ...recorded(run.provenance));
    node.dataset.label = run.label;
    return node;
  }));
}

/** All that was recorded, as it is. */
function recorded(provenance) {
  if (!provenance || !Object.keys(provenance).length) return [];
  return [element("p", { class: "quiet" }, "As recorded:"), element("pre", { tabindex: 0 }, JSON.stringify(provenance, null, 2))];
}

/** One line on the environment, and warnings on fronts that deserve one. */
function describeEnvironment() {
  const { id, name, gamma, description, runs, known } = environment;
  const kinds = (values) => [...new Set(values.filter(Boolean))].join(" and ");
  const flattered = runs.filter((run) => run.role === "selection").length;
  const parts = [
    description ? `${description[0].toUpperCase()}${description.slice(1)}.` : "",
    `${count(runs.length, "front")} ${known ? `beside the ${known.text}` : "(no known front to compare with)"}.`,
    gamma < 1 ? `Returns are discounted by ${gamma}` : "Returns are not discounted",
  ].filter(Boolean);
  const backends = kinds(runs.map((run) => run.backend));
  const episodes = [...new Set(runs.filter((run) => run.role !== "exact").map((run) => run.episodes))].sort((a, b) => a - b);
  if (episodes.length) {
    const span = episodes.length > 1 ? `${episodes[0]} to ${episodes.at(-1)} episodes` : count(episodes[0], "episode");
    parts[parts.length - 1] += `, the mean of ${span} each${backends ? `, evaluated on the ${backends} backend` : ""}`;
  }
  parts[parts.length - 1] += ".";
  if (flattered) {
    const which = flattered === runs.length ? "All fronts are" : count(flattered, "front is", "fronts are");
    parts.push(`${which} reported on the very episodes that chose the points, which flatters them.`);
  }
  byId("title").textContent = name;
  byId("about").textContent = parts.join(" ");
  document.title = `${name} – Pareto fronts`;
  return id;
}

function startSources() {
  onChange(["place", "hidden"], "sources", drawSources);
}
