// Line charts, with a summary in words and the same numbers as a table.
// <${ChartCard} title="Hashrate" times=${[unix seconds…]} series=${[{ label: "Fleet", values: […], color: "accent", fill: true }]}
//    format=${hashrate} height=${260} actions=${html`<${Tabs} …/>`} loading=${…} error=${…} retry=${…} empty="…"
//    markers=${[{ at, label }]} />
// A series with `steps` holds each value until the next. color: accent, success, info, warning, danger, or chart-1 … chart-6.
// null values leave a gap. Redrawn at most once a second.

import { html, useEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { dateTime, time } from "/static/app/format.js";
import { Button, Card, EmptyState, ErrorState, Skeleton, StaleNote } from "/static/app/kit.js";
import { isLight } from "/static/app/shell.js";

const REDRAW_MS = 1000;
/** Pixels of the words below a chart: while it loads, its place is as high as it will be. */
const WORDS = 28;
const TABLE_ROWS_MAX = 60;
const TOP = 12;
const RIGHT = 28;
const BOTTOM = 30;
const LABEL_GAP = 10;
const FONT = "12px Inter, system-ui, sans-serif";
const DAY = 86400;
const TIME_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];
const TIME_TICK_PIXELS = 90;
const VALUE_TICK_PIXELS = 36;
const HEADROOM = 1.12;

/** The drawing alone; ChartCard is what pages use. */
export function Chart({ times, series, format = String, height = 260, markers }) {
  const [box, readout, plot, timer] = [useRef(null), useRef(null), useRef(null), useRef(0)];
  const live = useRef({});
  live.current = { times, series, format, markers };
  const theme = isLight();
  useEffect(() => {
    const read = () => live.current;
    const made = plot.current = new Plot(box.current, height, {
      format: (value) => read().format(value),
      marks: () => read().markers,
      hover: (at) => showReadout(readout.current, at, read()),
    });
    made.show(read().times, read().series);
    return () => { clearTimeout(timer.current); timer.current = 0; made.close(); };
  }, [height]);
  useEffect(() => plot.current.redraw(), [theme]);
  useEffect(() => {
    timer.current ||= setTimeout(() => { timer.current = 0; plot.current.show(live.current.times, live.current.series); }, REDRAW_MS);
  }, [times, series, markers]);
  return html`<div class="chart-box" aria-hidden="true">
    <div ref=${box} class="chart" style=${{ height: `${height}px` }}></div>
    <div ref=${readout} class="chart-read" hidden></div></div>`;
}

/** A value in words; a gap is a dash. */
const said = (value, format) => (value === null || value === undefined ? "–" : format(value));

function showReadout(element, at, { times, series, format }) {
  element.hidden = at === null;
  if (element.hidden) return;
  element.textContent = [
    dateTime(times[at]),
    ...series.map((one) => `${series.length > 1 ? `${one.label} ` : ""}${said(one.values[at], format)}`),
  ].join("  ·  ");
}

function summary(times, series, format) {
  return series.map((one) => {
    const values = one.values.filter((value) => value !== null && value !== undefined);
    if (values.length === 0) return `${one.label}: no data.`;
    const [sum, low, high] = [
      values.reduce((a, b) => a + b, 0),
      values.reduce((a, b) => Math.min(a, b)),
      values.reduce((a, b) => Math.max(a, b)),
    ];
    if (low === high) return `${one.label}: ${format(low)}.`;
    const mean = one.steps ? "" : `, mean ${format(sum / values.length)}`;
    return `${one.label}: now ${format(values.at(-1))}${mean}, low ${format(low)}, high ${format(high)}.`;
  }).join(" ");
}

function ValueTable({ times, series, format, title }) {
  const step = Math.ceil(times.length / TABLE_ROWS_MAX);
  const rows = times.map((at, i) => i).filter((i) => i % step === 0).reverse();
  return html`<div class="table-scroll plain" tabindex="0" role="group" aria-label=${`${title} as a table`}><table>
    <thead><tr>
      <th scope="col">Time</th>
      ${series.map((one) => html`<th scope="col" class="number" key=${one.label}>${one.label}</th>`)}
    </tr></thead>
    <tbody>${rows.map((i) => html`<tr key=${times[i]}>
      <td>${dateTime(times[i])}, ${time(times[i])}</td>
      ${series.map((one) => html`<td class="number" key=${one.label}>${said(one.values[i], format)}</td>`)}
    </tr>`)}</tbody></table></div>`;
}

export function ChartCard({
  title, note, times = [], series = [], format = String, height = 260, actions, loading, error, retry,
  empty = "Nothing has been recorded yet.", markers, stale,
}) {
  const [asTable, setAsTable] = useState(false);
  const words = useMemo(() => summary(times, series, format), [times, series]);
  const some = times.length > 1;
  const toggle = some && html`<${Button} small tone="quiet" icon=${asTable ? "chart" : "table"} onClick=${() => setAsTable(!asTable)}>
    ${asTable ? "View as chart" : "View as table"}<//>`;
  return html`<${Card} title=${title} note=${note} class="chart-card" actions=${html`${actions}${toggle}`}>
    ${stale && html`<${StaleNote} of=${stale} />`}
    ${loading && !some ? html`<${Skeleton} height=${height + WORDS} />`
      : error && !some ? html`<${ErrorState} error=${error} retry=${retry} />`
      : !some ? html`<${EmptyState} icon="chart" title="No history yet" text=${empty} />`
      : asTable ? html`<${ValueTable} times=${times} series=${series} format=${format} title=${title} />`
      : html`<${Chart} times=${times} series=${series} format=${format} height=${height} markers=${markers} />`}
    ${some && series.length > 1 && html`<ul class="legend">
      ${series.map((one) => html`<li key=${one.label}><i data-color=${one.color ?? "accent"}></i>${one.label}</li>`)}</ul>`}
    ${some && html`<p class="chart-words">${words}</p>`}<//>`;
}

// --- the drawing: lines over time on a canvas. One file with the above: a visit has 25 requests ---

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A value at the axis needs no zeros after its point. */
const withoutZeros = (text) => text.replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

/** The round step (1, 2 or 5 times a power of ten) that cuts `high` into at most `count` parts. */
function valueStep(high, count) {
  const least = high / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((step) => step * power >= least * 0.999999);
}

/** Moments between two, at round times of day in the zone of `offset` seconds east. */
function timeTicks(from, to, count, offset) {
  const least = (to - from) / Math.max(count, 1);
  const step = TIME_STEPS.find((one) => one >= least) ?? Math.ceil(least / DAY) * DAY;
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) ticks.push(at);
  return { step, ticks };
}

/** The index of the time nearest to `at`. */
function nearest(times, at) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low > 0 && at - times[low - 1] < times[low] - at ? low - 1 : low;
}

/** new Plot(element, height, { format, marks, hover }), then show(times, series) as often as they change, and close().
 * format(value) names a tick, marks() lists [{ at }], hover(index | null) tells what the pointer is at. */
class Plot {
  constructor(element, height, { format, marks, hover }) {
    Object.assign(this, { element, height, format, marks, hover, times: [], series: [], at: null, frame: 0 });
    this.canvas = document.createElement("canvas");
    element.append(this.canvas);
    this.sized = new ResizeObserver(() => this.redraw());
    this.sized.observe(element);
    element.onpointermove = element.onpointerdown = (event) => this.point(event.clientX - element.getBoundingClientRect().left);
    element.onpointerleave = () => this.point(null);
  }

  close() {
    this.sized.disconnect();
    cancelAnimationFrame(this.frame);
    this.element.onpointermove = this.element.onpointerdown = this.element.onpointerleave = null;
    this.canvas.remove();
  }

  show(times, series) {
    Object.assign(this, { times, series });
    this.redraw();
  }

  redraw() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  point(x) {
    const inside = x !== null && this.times.length > 0 && x >= this.left - LABEL_GAP;
    const at = inside ? nearest(this.times, this.from + ((x - this.left) / this.wide) * (this.to - this.from)) : null;
    if (at === this.at) return;
    this.at = at;
    this.hover(at);
    this.redraw();
  }

  x(time) { return this.left + ((time - this.from) / (this.to - this.from || 1)) * this.wide; }
  y(value) { return TOP + this.tall * (1 - value / this.high); }

  draw() {
    const width = this.element.clientWidth;
    if (width === 0 || this.times.length === 0) return;
    const scale = devicePixelRatio || 1;
    const pixels = [Math.round(width * scale), Math.round(this.height * scale)];
    if (this.canvas.width !== pixels[0] || this.canvas.height !== pixels[1]) [this.canvas.width, this.canvas.height] = pixels;
    const pen = this.pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, this.height);
    pen.font = FONT;
    this.measure(width);
    this.drawAxes();
    for (const one of this.series) this.drawLine(one);
    this.drawMarks();
    if (this.at !== null && this.at < this.times.length) this.drawCursor();
  }

  measure(width) {
    [this.from, this.to] = [this.times[0], this.times.at(-1)];
    const highest = this.series.reduce((high, { values }) => values.reduce((a, b) => (b > a ? b : a), high), 0);
    this.high = highest > 0 ? highest * HEADROOM : 1;
    this.tall = this.height - TOP - BOTTOM;
    const step = valueStep(this.high, this.tall / VALUE_TICK_PIXELS);
    this.values = Array.from({ length: Math.floor(this.high / step) + 1 }, (_, i) => i * step);
    this.names = this.values.map((value) => (value === 0 ? "0" : withoutZeros(this.format(value))));
    this.left = Math.ceil(Math.max(...this.names.map((name) => this.pen.measureText(name).width))) + LABEL_GAP * 2;
    this.wide = Math.max(width - this.left - RIGHT, 1);
  }

  drawAxes() {
    const { pen } = this;
    Object.assign(pen, { fillStyle: token("text-3"), strokeStyle: token("line"), lineWidth: 1 });
    Object.assign(pen, { textAlign: "right", textBaseline: "middle" });
    this.values.forEach((value, i) => {
      const y = Math.round(this.y(value)) + 0.5;
      pen.fillText(this.names[i], this.left - LABEL_GAP, y);
      this.stroke([[this.left, y], [this.left + this.wide, y]]);
    });
    const offset = -new Date(this.from * 1000).getTimezoneOffset() * 60;
    const { ticks } = timeTicks(this.from, this.to, this.wide / TIME_TICK_PIXELS, offset);
    const form = this.to - this.from > 2 * DAY ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
    pen.textAlign = "center";
    for (const at of ticks) pen.fillText(new Date(at * 1000).toLocaleString([], form), this.x(at), this.height - BOTTOM / 2);
  }

  /** Strokes points; their line is left as the path, to be filled. */
  stroke(points) {
    this.pen.beginPath();
    for (const [x, y] of points) this.pen.lineTo(x, y);
    this.pen.stroke();
  }

  drawLine({ values, color, fill, dash, steps }) {
    const { pen } = this;
    const paint = token(color ?? "accent");
    Object.assign(pen, { strokeStyle: paint, lineWidth: 2, lineJoin: "round" });
    pen.setLineDash(dash ?? []);
    let run = [];
    const finish = () => {
      // One point alone is a gap's neighbour on both sides: a dash as wide as the line.
      if (run.length === 1) run.push([run[0][0] + 2, run[0][1]]);
      this.stroke(run);
      if (fill && run.length > 0) this.fillBelow(run, paint);
      run = [];
    };
    values.forEach((value, i) => {
      if (value === null || value === undefined) return finish();
      const [x, y] = [this.x(this.times[i]), this.y(value)];
      if (steps && run.length > 0) run.push([x, run.at(-1)[1]]);
      run.push([x, y]);
      return undefined;
    });
    finish();
    pen.setLineDash([]);
  }

  fillBelow(run, paint) {
    const { pen } = this;
    const shade = pen.createLinearGradient(0, TOP, 0, TOP + this.tall);
    shade.addColorStop(0, `${paint}40`);
    shade.addColorStop(1, `${paint}00`);
    pen.lineTo(run.at(-1)[0], TOP + this.tall);
    pen.lineTo(run[0][0], TOP + this.tall);
    pen.fillStyle = shade;
    pen.fill();
  }

  drawMarks() {
    const { pen } = this;
    pen.fillStyle = token("success");
    for (const { at } of this.marks() ?? []) {
      if (at < this.from || at > this.to) continue;
      const [x, foot] = [this.x(at), TOP + this.tall];
      pen.beginPath();
      pen.moveTo(x, foot - 8);
      pen.lineTo(x + 4, foot);
      pen.lineTo(x - 4, foot);
      pen.fill();
    }
  }

  drawCursor() {
    const { pen } = this;
    const x = this.x(this.times[this.at]);
    Object.assign(pen, { strokeStyle: token("line-strong"), lineWidth: 1 });
    pen.setLineDash([3, 3]);
    this.stroke([[x, TOP], [x, TOP + this.tall]]);
    pen.setLineDash([]);
    for (const { values, color } of this.series) {
      const value = values[this.at];
      if (value === null || value === undefined) continue;
      Object.assign(pen, { fillStyle: token(color ?? "accent"), strokeStyle: token("bg-1"), lineWidth: 2 });
      pen.beginPath();
      pen.arc(x, this.y(value), 4.5, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  }
}
