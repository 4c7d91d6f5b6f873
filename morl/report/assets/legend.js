// What the marks mean, and which fronts are shown: one switch for each group, and for each of its seeds.

function toggle(labels, visible) {
  const hidden = new Set(state.hidden);
  for (const label of labels) visible ? hidden.delete(label) : hidden.add(label);
  set({ hidden });
}

/** Make the switches of this environment. */
function makeLegend() {
  const chips = environment.groups.map(({ place, style, runs }) => {
    const several = runs.length > 1;
    const labels = runs.map((run) => run.label);
    const box = element("input", {
      type: "checkbox", id: `group-${place}`, change: ({ target }) => toggle(labels, target.checked),
    });
    return element("span", { class: "chip" },
      element("label", { title: several ? style.name : labels[0] }, box, swatch(style), element("span", { class: "name" }, style.name)),
      several ? element("button", {
        class: "plain seeds", "aria-expanded": "false", "aria-controls": "seeds", id: `seeds-${place}`,
        click: () => set({ seedsOf: state.seedsOf === place ? null : place }),
      }, `${runs.length} seeds`) : null);
  });
  if (environment.known) {
    chips.unshift(element("span", { class: "chip" }, element("label", {},
      element("input", { type: "checkbox", id: "group-known", change: ({ target }) => toggle([KNOWN], target.checked) }),
      swatch({ symbol: "circle" }, true), element("span", { class: "name" }, environment.known.text))));
  }
  byId("legend").replaceChildren(...chips, element("div", { id: "seeds", class: "seeds-list" }));
}

/** Tick what is shown; list the seeds of the group that was opened. */
function drawLegend() {
  if (environment.known) byId("group-known").checked = isShown(environment.known);
  for (const { place, runs } of environment.groups) {
    const visible = runs.filter(isShown).length;
    const box = byId(`group-${place}`);
    box.checked = visible === runs.length;
    box.indeterminate = visible > 0 && visible < runs.length;
    byId(`seeds-${place}`)?.setAttribute("aria-expanded", String(state.seedsOf === place));
  }
  const group = environment.groups.find(({ place }) => place === state.seedsOf);
  const focused = document.activeElement?.id;
  const boxes = (group?.runs ?? []).map((run, i) => element("label", { class: "chip", title: run.label },
    element("input", {
      type: "checkbox", id: `seed-${i}`, checked: isShown(run), change: ({ target }) => toggle([run.label], target.checked),
    }), element("span", { class: "name" }, run.text)));
  byId("seeds").replaceChildren(...boxes);
  if (focused?.startsWith("seed-")) byId(focused)?.focus();
}

function startLegend() {
  onChange(["place", "hidden", "seedsOf"], null, drawLegend);
}
