// What a user wants, and which policy that means. Pure functions; nothing here touches the page.

const GRID = 1000; // weights are whole thousandths, so that what is shown is exactly what is used

/**
 * Weights (m) with one of them moved to `value`; the others share the rest in the proportions of `anchor`.
 *
 * All are whole thousandths that sum to one. `anchor` holds the weights from before the drag began: a weight
 * that was pushed to zero comes back as it was.
 */
function moveOnSimplex(anchor, moved, value) {
  const own = Math.round(Math.min(1, Math.max(0, value)) * GRID);
  const others = anchor.map((weight, i) => (i === moved ? 0 : weight));
  const sum = others.reduce((a, b) => a + b, 0);
  const shares = others.map((weight, i) => (i === moved ? 0 : sum > 0 ? weight / sum : 1 / (anchor.length - 1)));
  const rest = wholeParts(shares, GRID - own);
  return rest.map((part, i) => (i === moved ? own : part) / GRID);
}

/** Equal weights, in whole thousandths. */
const equalWeights = (m) => wholeParts(Array(m).fill(1 / m), GRID).map((part) => part / GRID);

/** Shares of `total` as whole numbers that sum to it: the largest remainders are rounded up. */
function wholeParts(shares, total) {
  const exact = shares.map((share) => share * total);
  const parts = exact.map((part) => Math.floor(part + 1e-9));
  let missing = total - parts.reduce((a, b) => a + b, 0);
  const order = exact.map((part, i) => i).sort((a, b) => exact[b] - parts[b] - (exact[a] - parts[a]) || a - b);
  for (let j = 0; missing > 0; j = (j + 1) % order.length) {
    if (shares[order[j]] > 0) {
      parts[order[j]] += 1;
      missing -= 1;
    }
  }
  return parts;
}

/**
 * What returns r are worth under weights w, as morl.utility has it.
 *
 * Linear: sum of w_i r_i. Chebyshev: -max w_i (z_i - r_i), where z is the best of each objective on the page.
 * With `scaled`, each objective counts in units of its range on the page, 0 its worst and 1 its best.
 */
function worth(points, at, environment, preference) {
  const { m, low, high, span } = environment;
  const { weights, utility, scaled } = preference;
  let sum = 0;
  let gap = 0;
  for (let i = 0; i < m; i += 1) {
    const value = points[at + i];
    sum += weights[i] * (scaled ? (value - low[i]) / span[i] : value);
    gap = Math.max(gap, weights[i] * (high[i] - value) / (scaled ? span[i] : 1));
  }
  return utility === "chebyshev" ? -gap : sum;
}

/** Whether the point is at or above every limit; null is no limit. */
function meets(points, at, environment, limits) {
  for (let i = 0; i < environment.m; i += 1) {
    if (limits[i] !== null && points[at + i] < limits[i] - 1e-9 * environment.span[i]) return false;
  }
  return true;
}

/**
 * The point that a front gives this user: `{ index, utility, meets }`, or null where no point will do.
 *
 * By the rule "best" the point of the greatest utility among those that meet all limits; of equal ones the one
 * with more in all. By "asked" the point that answers the preference nearest to the weights, whatever it earns:
 * what the agent does when it is asked for them. A front without preferences can only answer by "best".
 */
function choose(front, environment, preference) {
  const { m, low, span } = environment;
  const asked = preference.rule === "asked" && front.weights !== null;
  let found = null;
  const rows = asked ? front.weights.length / m : front.k;
  for (let row = 0; row < rows; row += 1) {
    const j = asked && front.answers ? front.answers[row] : row;
    const ok = meets(front.points, j * m, environment, preference.limits);
    if (!asked && !ok) continue;
    const utility = worth(front.points, j * m, environment, preference);
    let distance = 0;
    let total = 0;
    for (let i = 0; i < m; i += 1) {
      if (asked) distance += (front.weights[row * m + i] - preference.weights[i]) ** 2;
      total += (front.points[j * m + i] - low[i]) / span[i];
    }
    const candidate = { index: j, utility, meets: ok, distance, total };
    if (found === null || beats(candidate, found)) found = candidate;
  }
  return found;
}

/** The first of the preferences that a point answers, as its row among the front's weights; -1 for none. */
function askedRow(front, point) {
  if (!front.weights) return -1;
  return front.answers ? front.answers.indexOf(point) : point;
}

/** The number of a point's policy in the set that the agent is; null where it has none. */
const memberOf = (front, point) => (front.members && front.members[point] >= 0 ? front.members[point] : null);

function beats(a, b) {
  if (Math.abs(a.distance - b.distance) > 1e-9) return a.distance < b.distance;
  const tie = 1e-9 * Math.max(1, Math.abs(b.utility));
  if (Math.abs(a.utility - b.utility) > tie) return a.utility > b.utility;
  return a.total > b.total + 1e-12;
}

/** The median of some numbers, at least one. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
