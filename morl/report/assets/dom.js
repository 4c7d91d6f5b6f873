// Elements, and numbers as people read them.
"use strict";

const byId = (id) => document.getElementById(id);

/** Make an element; attributes that are functions become listeners, children that are no nodes become text. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const significant = (digits) => new Intl.NumberFormat("en", { maximumSignificantDigits: digits });
const FOUR = significant(4);
const TWO = significant(2);
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** A number in four digits with a real minus sign; a dash where there is none. */
function number(value, format = FOUR) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (value !== 0 && (Math.abs(value) >= 1e7 || Math.abs(value) < 1e-4)) {
    return value.toExponential(2).replace(/-/g, "−");
  }
  return format.format(Object.is(value, -0) ? 0 : value).replace("-", "−");
}

/** A number with the decimals that tell values of this size apart, so that the numbers of a column line up. */
function sized(value, size) {
  const decimals = Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(size))));
  if (value === null || value === undefined || !Number.isFinite(decimals) || size >= 1e7) return number(value);
  const text = value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return text.replace(/^-(?=[0.]*$)/, "").replace("-", "−");
}

/** A mean with its standard error, if there is one. */
function withError(value, error, size) {
  const text = sized(value, size);
  return error === null || error === undefined ? text : `${text} ± ${sized(error, size)}`;
}

/** A whole number of things: `1 policy`, `3 policies`. */
function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** Seconds as a duration: `48 s`, `12 min`, `3.2 h`. */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 120) return `${number(seconds, significant(3))} s`;
  if (seconds < 7200) return `${number(seconds / 60, significant(3))} min`;
  return `${number(seconds / 3600, significant(3))} h`;
}

const percent = (share) => `${number(100 * share, significant(3))} %`;

/** An objective with its unit: `time (steps)`. */
/** Text for plotly, which would read `<b>` and `&lt;` in a name as markup. */
const literal = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

const withUnit = (objective) => (objective.unit ? `${objective.name} (${objective.unit})` : objective.name);

/** The markers as paths in a square of 12. */
const SHAPES = {
  circle: "M6 1.5a4.5 4.5 0 1 0 .001 0z",
  square: "M2 2h8v8H2z",
  "triangle-up": "M6 1l5 9.5H1z",
  diamond: "M6 .5L11.5 6 6 11.5.5 6z",
  "triangle-down": "M1 1.5h10L6 11z",
  cross: "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
  x: "M3 .8L6 3.8l3-3L11.2 3l-3 3 3 3L9 11.2l-3-3-3 3L.8 9l3-3-3-3z",
};

/** A drawn marker of a group, as in the charts. */
function swatch(style, hollow = false) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("class", "swatch");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[style.symbol]);
  path.setAttribute("fill", hollow ? "none" : style.colour);
  path.setAttribute("stroke", hollow ? "currentColor" : "rgba(0,0,0,.35)");
  path.setAttribute("stroke-width", hollow ? "1.4" : ".6");
  picture.append(path);
  return picture;
}

let radioGroups = 0;

/** A switch of a few options, as radio buttons: arrow keys move through it. */
function radioSwitch(legend, options, chosen, onChange) {
  const name = `switch-${radioGroups++}`;
  const field = element("fieldset", { class: "switch" }, element("legend", {}, legend));
  for (const [value, text, title] of options) {
    const input = element("input", {
      type: "radio", name, value, checked: value === chosen, change: () => onChange(value),
    });
    field.append(element("label", { title }, input, element("span", {}, text)));
  }
  return field;
}
