// Line charts, with a summary in words and the same numbers as a table.
// <${ChartCard} title="Hashrate" times=${[unix seconds…]} series=${[{ label: "Fleet", values: […], color: "accent", fill: true }]}
//    format=${hashrate} height=${260} actions=${html`<${Tabs} …/>`} loading=${…} error=${…} retry=${…} empty="…" markers=${[{ at, label }]} />
// A series with `steps` holds each value until the next. color: accent, success, info, warning, danger, or chart-1 … chart-6. null values leave a gap. Redrawn at most once a second.

import { html, useEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { dateTime, time } from "/static/app/format.js";
import { Button, Card, EmptyState, ErrorState, Skeleton, StaleNote } from "/static/app/kit.js";
import { Plot } from "/static/app/plot.js";
import { isLight } from "/static/app/shell.js";

const REDRAW_MS = 1000;
const TABLE_ROWS_MAX = 60;

/** The drawing alone; ChartCard is what pages use. */
export function Chart({ times, series, format = String, height = 260, markers }) {
  const [box, readout, plot, timer] = [useRef(null), useRef(null), useRef(null), useRef(0)];
  const live = useRef({});
  live.current = { times, series, format, markers };
  const theme = isLight();
  useEffect(() => {
    const read = () => live.current;
    const made = plot.current = new Plot(box.current, height, { format: (value) => read().format(value), marks: () => read().markers, hover: (at) => showReadout(readout.current, at, read()) });
    made.show(read().times, read().series);
    return () => { clearTimeout(timer.current); timer.current = 0; made.close(); };
  }, [height]);
  useEffect(() => plot.current.redraw(), [theme]);
  useEffect(() => {
    timer.current ||= setTimeout(() => { timer.current = 0; plot.current.show(live.current.times, live.current.series); }, REDRAW_MS);
  }, [times, series, markers]);
  return html`<div class="chart-box" aria-hidden="true"><div ref=${box} class="chart" style=${{ height: `${height}px` }}></div><div ref=${readout} class="chart-read" hidden></div></div>`;
}

function showReadout(element, at, { times, series, format }) {
  element.hidden = at === null;
  if (element.hidden) return;
  const said = (value) => (value === null || value === undefined ? "–" : format(value));
  element.textContent = [dateTime(times[at]), ...series.map((one) => `${series.length > 1 ? `${one.label} ` : ""}${said(one.values[at])}`)].join("  ·  ");
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
