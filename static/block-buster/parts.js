// The drawings of the page: the ring, and lines of the last points.
//   <${Ring} value=${49} />
//   <${Line} title="Transactions" points=${[{ at, value }]} format=${(v) => …} />

import { html, useId, useState } from "/static/app/core.js";
import { time } from "/static/app/format.js";
import { Button, Card } from "/static/app/kit.js";

const RADIUS = 52;
const AROUND = 2 * Math.PI * RADIUS;
const [WIDTH, HEIGHT] = [320, 80];

/** Green above 75, yellow from 50 to 75, red below; grey when it is not known. */
export const toneOf = (value) => (value === null ? "none" : value > 75 ? "success" : value >= 50 ? "warning" : "danger");

export function Ring({ value }) {
  const part = Math.min(100, Math.max(0, value ?? 0)) / 100;
  const said = value === null ? "Network strength is not known" : `Network strength ${value} of 100`;
  return html`<div class="ring" data-tone=${toneOf(value)} role="img" aria-label=${said}>
    <svg viewBox="0 0 120 120" aria-hidden="true">
      <circle class="ring-track" cx="60" cy="60" r=${RADIUS} />
      <circle class="ring-value" cx="60" cy="60" r=${RADIUS} stroke-dasharray=${`${part * AROUND} ${AROUND}`}
        transform="rotate(-90 60 60)" />
    </svg>
    <span class="ring-number num" aria-hidden="true">${value ?? "–"}</span><span class="ring-of" aria-hidden="true">of 100</span></div>`;
}

export function Line({ title, points, format }) {
  const [asTable, setAsTable] = useState(false);
  const id = useId();
  const known = points.filter((point) => typeof point.value === "number");
  const values = known.map((point) => point.value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const words = values.length === 0 ? "No data." : `Now ${format(values.at(-1))}, low ${format(low)}, high ${format(high)}.`;
  const toggle = known.length > 1 && html`<${Button} small tone="quiet" onClick=${() => setAsTable(!asTable)}>
    ${asTable ? "Chart" : "Table"}<span class="hidden"> of ${title}</span><//>`;
  return html`<${Card} title=${title} actions=${toggle} class="line-card">
    ${asTable && known.length > 1 ? html`<${Values} title=${title} points=${known} format=${format} />`
      : known.length > 0 && html`<svg class="line" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none"
          role="img" aria-labelledby=${id}>
          ${known.length > 1 && html`<polyline points=${drawn(known, low, high)} vector-effect="non-scaling-stroke" />`}</svg>`}
    <p class="chart-words" id=${id}>${words}</p><//>`;
}

function drawn(points, low, high) {
  const [first, last] = [points[0].at, points.at(-1).at];
  const span = high > low ? high - low : 1;
  const x = (at) => (last > first ? ((at - first) / (last - first)) * WIDTH : 0);
  const y = (value) => (high > low ? HEIGHT - 6 - ((value - low) / span) * (HEIGHT - 12) : HEIGHT / 2);
  return points.map((point) => `${x(point.at).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ");
}

function Values({ title, points, format }) {
  return html`<div class="table-scroll plain values" tabindex="0" role="group" aria-label=${`${title} as a table`}><table>
    <thead><tr><th scope="col">Time</th><th scope="col" class="number">Value</th></tr></thead>
    <tbody>${points.toReversed().map((point) => html`<tr key=${point.at}>
      <td>${time(point.at / 1000)}</td><td class="number">${format(point.value)}</td></tr>`)}</tbody></table></div>`;
}
