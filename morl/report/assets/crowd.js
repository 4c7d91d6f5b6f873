// Many points, on a canvas below a chart: plotly.js alone would take long over each of them, at every move of a slider.

const REACH = 12; // pixels from the mouse within which a point is named
const crowds = new WeakMap(); // chart -> { crowd, view, drawn, places }

/** Show a crowd (`frontMarks`; null: none) below a chart, in the range of its axes, also when that changes. */
function showCrowd(chart, crowd, view) {
  if (!crowds.has(chart)) {
    for (const event of ["plotly_afterplot", "plotly_relayouting"]) chart.on(event, () => drawCrowd(chart));
  }
  if (crowds.get(chart)?.crowd !== crowd) crowds.set(chart, { crowd, view, drawn: null, places: [] });
  drawCrowd(chart);
}

const inCrowd = (chart) => Boolean(crowds.get(chart)?.crowd);

function drawCrowd(chart) {
  const shown = crowds.get(chart);
  const { width, height, xaxis, yaxis } = chart._fullLayout;
  const ratio = devicePixelRatio;
  const frame = (a) => a && [a.range, a._offset, a._length];
  const drawn = JSON.stringify([width, height, ratio, frame(xaxis), frame(yaxis)]);
  if (shown.drawn === drawn) return;
  shown.drawn = drawn;
  shown.places = [];
  const canvas = chart.previousElementSibling;
  Object.assign(canvas, { width: shown.crowd ? width * ratio : 0, height: shown.crowd ? height * ratio : 0 });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  if (!shown.crowd) return;
  const paper = canvas.getContext("2d");
  paper.scale(ratio, ratio);
  paper.beginPath();
  paper.rect(xaxis._offset, yaxis._offset, xaxis._length, yaxis._length);
  paper.clip();
  const along = ({ range: [from, to], _offset, _length }) => (value) => _offset + (_length * (value - from)) / (to - from);
  const x = along(xaxis);
  const y = along(upwards(yaxis));
  if (shown.view.kind === "plane") drawGrid(paper, xaxis, yaxis, x, y);
  if (shown.view.kind === "space") drawSegments(paper, cubeLines(shown.view), x, y);
  for (const look of shown.crowd.looks) {
    if (shown.view.kind === "parallel") drawLines(paper, look, x, y, shown.places);
    else drawDots(paper, look, shown, x, y);
  }
}

/** An axis that runs up: pixels run down. */
const upwards = ({ range: [from, to], _offset, _length }) => ({ range: [to, from], _offset, _length });

/** The grid, below the points; plotly.js would draw its own above them. */
function drawGrid(paper, xaxis, yaxis, x, y) {
  const [left, right] = xaxis.range;
  const [bottom, top] = yaxis.range;
  drawSegments(paper, [
    ...(xaxis._vals ?? []).map((tick) => [tick.x, bottom, tick.x, top]),
    ...(yaxis._vals ?? []).map((tick) => [left, tick.x, right, tick.x]),
  ], x, y);
}

function drawSegments(paper, segments, x, y) {
  paper.strokeStyle = theme().line;
  paper.lineWidth = 1;
  for (const [x0, y0, x1, y1] of segments) {
    paper.beginPath();
    paper.moveTo(x(x0), y(y0));
    paper.lineTo(x(x1), y(y1));
    paper.stroke();
  }
}

/** The marker is drawn once, and stamped at every point. */
function drawDots(paper, look, { crowd, view, places }, x, y) {
  const { m } = environment;
  const put = placer(view);
  const { color, symbol, size, opacity } = markStyle(look, crowd.marks);
  const stamp = document.createElement("canvas");
  const side = Math.ceil((4 / 3) * size); // shapes fill about three quarters of their square
  stamp.width = stamp.height = side * devicePixelRatio;
  const ink = stamp.getContext("2d");
  ink.scale(stamp.width / 12, stamp.height / 12);
  ink.fillStyle = color;
  ink.fill(new Path2D(SHAPES[symbol]));
  paper.globalAlpha = opacity;
  for (const [front, points] of look.fronts) {
    for (const j of points) {
      const [across, up] = put(front.points, j * m);
      const [px, py] = [x(across), y(up)];
      paper.drawImage(stamp, px - side / 2, py - side / 2, side, side);
      places.push(px, py, keyOf(front.place, j));
    }
  }
  paper.globalAlpha = 1;
}

function drawLines(paper, look, x, y, places) {
  const { m, low, span } = environment;
  paper.strokeStyle = look.kind === "out" ? theme().grey : look.style.colour;
  paper.lineWidth = 1;
  paper.globalAlpha = lineStrength(look.kind, look.fronts.reduce((sum, [, points]) => sum + points.length, 0));
  const columns = [...Array(m).keys()].map(x);
  for (const [front, points] of look.fronts) {
    for (const j of points) {
      paper.beginPath();
      for (let i = 0; i < m; i += 1) {
        const py = y((front.points[j * m + i] - low[i]) / span[i]);
        paper.lineTo(columns[i], py);
        places.push(columns[i], py, keyOf(front.place, j));
      }
      paper.stroke();
    }
  }
  paper.globalAlpha = 1;
}

/** The key of the point nearest to the mouse, or null if none is within reach. */
function nearestInCrowd(chart, event) {
  const { places } = crowds.get(chart);
  const box = chart.getBoundingClientRect();
  const x = event.clientX - box.left;
  const y = event.clientY - box.top;
  let least = REACH ** 2;
  let key = null;
  for (let i = 0; i < places.length; i += 3) {
    const distance = (places[i] - x) ** 2 + (places[i + 1] - y) ** 2;
    if (distance < least) [least, key] = [distance, places[i + 2]];
  }
  return key;
}
