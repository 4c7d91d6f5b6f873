// What holds over all environments: normalised scores, and who is likely to beat whom.

const { overall } = study;

/** A share in percent with its interval below. */
function chanceCell([chance, low, high]) {
  const whole = (share) => `${Math.round(100 * share)}`;
  // Only what is ahead gets a colour: the cell across the diagonal says the same from the other side.
  return element("td", { style: `--ahead:${Math.max(0, 2 * chance - 1).toFixed(3)}` }, `${whole(chance)} %`,
    low === null ? null : element("div", { class: "quiet" }, `${whole(low)} to ${whole(high)} %`));
}

/** One row for each agent that is in every environment, one column for each indicator. */
function drawOverall() {
  const { indicators, notes } = overall;
  const places = [...new Set(indicators.flatMap(({ groups }) => groups.map(({ place }) => place)))];
  const columns = indicators.map(({ groups }) => new Map(groups.map(({ place, score }) => [place, score])));
  const rows = places.map((place) => element("tr", {}, nameCell(study.groups[place], study.groups[place].name),
    ...columns.map((column) => {
      const score = column.get(place);
      if (!score) return element("td", {}, "–");
      const [middle, low, high] = score;
      const best = column.size > 1 && middle === Math.max(...[...column.values()].map(([value]) => value));
      const share = Math.min(1, Math.max(0, middle));
      return element("td", { class: best ? "winner" : "", style: `--share:${(100 * share).toFixed(1)}%` }, middle.toFixed(3),
        low === null ? null : element("div", { class: "quiet" }, `${low.toFixed(3)} to ${high.toFixed(3)}`),
        element("span", { class: "track" }));
    })));
  const head = element("tr", {}, element("th", { scope: "col" }, "Agent"),
    ...indicators.map(({ name }) => element("th", { scope: "col" }, `${readable(name)} ↑`)));
  byId("overall").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  byId("overall-notes").replaceChildren(...notes.map((note) => element("li", {}, sentence(note))));
}

function drawImprovement() {
  const { groups, improvement } = overall.indicators[byId("improvement-indicator").value];
  const styles = groups.map(({ place }) => study.groups[place]);
  byId("improvement-part").hidden = !improvement.length;
  const head = element("tr", {}, element("th", { scope: "col" }, "Agent"),
    ...styles.map((style) => element("th", { scope: "col", title: style.name }, swatch(style), ` ${style.name}`)));
  const rows = improvement.map((chances, row) => {
    const cells = chances.map(chanceCell);
    cells.splice(row, 0, element("td", { class: "quiet", style: "--ahead:0" }, "–"));
    return element("tr", {}, nameCell(styles[row], styles[row].name), ...cells);
  });
  byId("improvement").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

function startOverall() {
  const { indicators } = overall;
  byId("overall-card").hidden = !indicators.length;
  if (!indicators.length) return;
  byId("improvement-indicator").replaceChildren(...indicators.map(({ name }, i) => element("option", { value: i }, readable(name))));
  byId("improvement-indicator").addEventListener("change", drawImprovement);
  drawOverall();
  drawImprovement();
}
