// Line charts over uPlot, with a summary in words and the same numbers as a table.
// <${ChartCard} title="Hashrate" times=${[unix seconds…]} series=${[{ label: "Fleet", values: […], color: "accent", fill: true }]}
//    format=${hashrate} height=${260} actions=${html`<${Tabs} …/>`} loading=${…} error=${…} retry=${…} empty="…" markers=${[{ at, label }]} />
// A series with `steps` holds each value until the next. color: accent, success, info, warning, danger, or chart-1 … chart-6. null values leave a gap. Redrawn at most once a second.

import { html, useEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { dateTime, time } from "/static/app/format.js";
import { Button, Card, EmptyState, ErrorState, Skeleton, StaleNote } from "/static/app/kit.js";
import { isLight } from "/static/app/shell.js";

const REDRAW_MS = 1000;
const TABLE_ROWS_MAX = 60;

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function options(series, format, width, height, markers) {
  const [grid, text] = [token("line"), token("text-3")];
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  const line = (one) => {
    const color = token(one.color ?? "accent");
    return { label: one.label, stroke: color, width: 2, dash: one.dash, paths: one.steps ? window.uPlot.paths.stepped({ align: 1 }) : undefined, points: { show: false }, spanGaps: false,
      fill: one.fill ? (plot) => { const shade = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height); shade.addColorStop(0, `${color}40`); shade.addColorStop(1, `${color}00`); return shade; } : undefined };
  };
  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return {
    width, height, padding: [12, 28, 0, 0], legend: { show: false }, cursor: { y: false, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: [{ ...axis, grid: { show: false }, space: 80, size: 30, values: (plot, splits) => { const days = plot.scales.x.max - plot.scales.x.min > 172800; return splits.map((at) => (days ? new Date(at * 1000).toLocaleDateString([], { month: "short", day: "numeric" }) : clock(at))); } },
      { ...axis, size: 76, space: 44, values: (_, splits) => splits.map((value) => (value === 0 ? "0" : format(value))) }],
    series: [{}, ...series.map(line)],
    hooks: markers ? { draw: [(plot) => drawMarkers(plot, markers.current)] } : {},
  };
}

function drawMarkers(plot, markers) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = token("success");
  for (const { at } of markers ?? []) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const size = 5 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + bbox.height - size * 1.6);
    ctx.lineTo(x + size * 0.8, bbox.top + bbox.height);
    ctx.lineTo(x - size * 0.8, bbox.top + bbox.height);
    ctx.fill();
  }
  ctx.restore();
}

/** The drawing alone; ChartCard is what pages use. */
export function Chart({ times, series, format = String, height = 260, markers }) {
  const [box, readout] = [useRef(null), useRef(null)];
  const plot = useRef(null);
  const live = useRef({});
  const marked = useRef(markers);
  marked.current = markers;
  const shape = series.map((one) => one.label + one.color).join() + height + isLight();
  live.current = { data: [times, ...series.map((one) => one.values)], series, format };
  useEffect(() => {
    if (!window.uPlot) return undefined;
    const element = box.current;
    const made = options(series, (value) => live.current.format(value), element.clientWidth, height, marked);
    made.hooks.setCursor = [(chart) => showReadout(readout.current, chart, live.current)];
    const chart = plot.current = new window.uPlot(made, live.current.data, element);
    const sized = new ResizeObserver(() => { if (element.clientWidth > 0) chart.setSize({ width: element.clientWidth, height }); });
    sized.observe(element);
    return () => { sized.disconnect(); chart.destroy(); plot.current = null; };
  }, [shape]);
  const timer = useRef(0);
  useEffect(() => {
    if (plot.current && !timer.current) timer.current = setTimeout(() => { timer.current = 0; plot.current?.setData(live.current.data); }, plot.current.drawnAt ? REDRAW_MS : 0);
    if (plot.current) plot.current.drawnAt = true;
  }, [times, series, markers]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<div class="chart-box" aria-hidden="true"><div ref=${box} class="chart" style=${{ height: `${height}px` }}></div><div ref=${readout} class="chart-read" hidden></div></div>`;
}

function showReadout(element, chart, { data, series, format }) {
  const at = chart.cursor.idx;
  element.hidden = at === null || at === undefined || chart.cursor.left < 0;
  if (element.hidden) return;
  element.textContent = [dateTime(data[0][at]), ...series.map((one, i) => `${series.length > 1 ? `${one.label} ` : ""}${data[i + 1][at] === null ? "–" : format(data[i + 1][at])}`)].join("  ·  ");
}

function summary(times, series, format) {
  return series.map((one) => {
    const values = one.values.filter((value) => value !== null && value !== undefined);
    if (values.length === 0) return `${one.label}: no data.`;
    const sum = values.reduce((a, b) => a + b, 0);
    return `${one.label}: now ${format(values.at(-1))}${one.steps ? "" : `, mean ${format(sum / values.length)}`}, low ${format(values.reduce((a, b) => Math.min(a, b)))}, high ${format(values.reduce((a, b) => Math.max(a, b)))}.`;
  }).join(" ");
}

function ValueTable({ times, series, format, title }) {
  const step = Math.ceil(times.length / TABLE_ROWS_MAX);
  const rows = times.map((at, i) => i).filter((i) => i % step === 0).reverse();
  return html`<div class="table-scroll plain" tabindex="0" role="region" aria-label=${`${title} as a table`}><table><thead><tr><th scope="col">Time</th>${series.map((one) => html`<th scope="col" class="number" key=${one.label}>${one.label}</th>`)}</tr></thead>
    <tbody>${rows.map((i) => html`<tr key=${times[i]}><td>${dateTime(times[i])}, ${time(times[i])}</td>${series.map((one) => html`<td class="number" key=${one.label}>${one.values[i] === null || one.values[i] === undefined ? "–" : format(one.values[i])}</td>`)}</tr>`)}</tbody></table></div>`;
}

export function ChartCard({ title, note, times = [], series = [], format = String, height = 260, actions, loading, error, retry, empty = "Nothing has been recorded yet.", markers, stale }) {
  const [asTable, setAsTable] = useState(false);
  const words = useMemo(() => summary(times, series, format), [times, series]);
  const some = times.length > 1;
  return html`<${Card} title=${title} note=${note} class="chart-card" actions=${html`${actions}${some && html`<${Button} small tone="quiet" icon=${asTable ? "chart" : "table"} onClick=${() => setAsTable(!asTable)}>${asTable ? "View as chart" : "View as table"}<//>`}`}>
    ${stale && html`<${StaleNote} of=${stale} />`}
    ${loading && !some ? html`<${Skeleton} height=${height} />` : error && !some ? html`<${ErrorState} error=${error} retry=${retry} />`
      : !some ? html`<${EmptyState} icon="chart" title="No history yet" text=${empty} />`
      : asTable ? html`<${ValueTable} times=${times} series=${series} format=${format} title=${title} />`
      : html`<${Chart} times=${times} series=${series} format=${format} height=${height} markers=${markers} />`}
    ${some && series.length > 1 && html`<ul class="legend">${series.map((one) => html`<li key=${one.label}><i data-color=${one.color ?? "accent"}></i>${one.label}</li>`)}</ul>`}
    ${some && html`<p class="chart-words">${words}</p>`}<//>`;
}
