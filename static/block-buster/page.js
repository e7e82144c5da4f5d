// The page of Block Buster: network strength, markets, operations, peers, and a full check. What the node says is shown as
// text; what it does not say is a dash, never a number made up.

import { html, useEffect, useState } from "/static/app/core.js";
import { ago, count } from "/static/app/format.js";
import { Button, Card, EmptyState, Facts, MetricCard, PageHead, Pill, Skeleton, ViewToggle } from "/static/app/kit.js";
import { useQuery } from "/static/app/router.js";
import { age, connection, fullcheck, history, notice, views } from "/static/block-buster/feed.js";
import { Line, Ring } from "/static/block-buster/parts.js";

const PEERS_SHOWN_MAX = 100;
const OLD_SECONDS = 15;

const isNumber = (value) => typeof value === "number";
const known = (value, format = count) => (isNumber(value) ? format(value) : "–");
const decimals = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 3 });
const share = (value) => `${(value * 100).toFixed(0)}%`;
/** Any value of the node as text. */
const words = (value) => (value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value));

function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  let [size, unit] = [value, 0];
  while (size >= 1000 && unit < units.length - 1) { size /= 1000; unit += 1; }
  return `${size.toFixed(unit === 0 || size >= 100 ? 0 : 1)} ${units[unit]}`;
}
const perSecond = (value) => `${bytes(value)}/s`;

export function Page() {
  const { network, markets, operations, peers } = views.value;
  const demo = [network, markets, operations, peers].some((view) => view?.data.demo);
  return html`<${PageHead} title="Block Buster" text="A The Block node at a glance"><${Age} view=${network} /><//>
    ${demo && html`<p class="note info" role="note">Demonstration: these figures come from an embedded node that makes them up.</p>`}
    <${Trouble} />
    <${Network} view=${network} />
    <${Markets} view=${markets} />
    <${Operations} view=${operations} />
    <div class="grid-side"><${Peers} view=${peers} /><${Fullcheck} /></div>`;
}

/** How old what is shown is, once a second. */
function Age({ view }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = age(view, now);
  const text = seconds === null ? "No data" : seconds < 3 ? "Data is current" : `Data is ${Math.round(seconds)} s old`;
  const tone = seconds === null ? "danger" : view.data.stale || seconds > OLD_SECONDS ? "warning" : "success";
  return html`<span id="age"><${Pill} tone=${tone}>${text}<//></span>`;
}

function Trouble() {
  const lost = connection.value === "lost";
  const text = lost ? "This page cannot reach its gateway; it tries again by itself." : notice.value;
  return text && html`<p class="note warning" role="alert" id="trouble">${text}</p>`;
}

function Errors({ view }) {
  const errors = Object.entries(view.data.errors ?? {});
  return errors.length > 0 && html`<ul class="bb-errors">
    ${errors.map(([method, text]) => html`<li key=${method}><code>${method}</code> ${words(text)}</li>`)}</ul>`;
}

/** Seconds per block over the points at hand. */
function blockTime(points) {
  const heights = points.filter((point) => isNumber(point.data.block_height));
  const [first, last] = [heights[0], heights.at(-1)];
  const blocks = first ? last.data.block_height - first.data.block_height : 0;
  return blocks > 0 ? (last.at - first.at) / 1000 / blocks : null;
}

function Network({ view }) {
  const points = history.value;
  const of = (name) => points.map(({ at, data }) => ({ at, value: data[name] }));
  const [data, time] = [view?.data ?? {}, blockTime(points)];
  const seconds = (value) => `${decimals(value)} s`;
  return html`<${Card} title="Network Strength">
      <div class="bb-network"><${Ring} value=${isNumber(data.network_strength) ? data.network_strength : null} />
        <div class="metrics">
          <${MetricCard} label="Block height" icon="block" value=${known(data.block_height)}
            hint=${isNumber(data.finality_time) && `final after ${seconds(data.finality_time)}`} />
          <${MetricCard} label="Block time" icon="renter" value=${known(time, (value) => value.toFixed(1))}
            unit=${time !== null && "s"} hint=${time !== null && "over the last points"} />
          <${MetricCard} label="Transactions" icon="bolt" value=${known(data.tps, decimals)} unit=${isNumber(data.tps) && "/s"} />
          <${MetricCard} label="Peers" icon="monitoring" value=${known(data.peer_count)}
            hint=${isNumber(data.active_connections) && `${count(data.active_connections)} connections`} />
          <${MetricCard} label="Received" icon="down" value=${known(data.bandwidth_in, perSecond)} />
          <${MetricCard} label="Sent" icon="up" value=${known(data.bandwidth_out, perSecond)} />
        </div></div>
      ${view && html`<${Errors} view=${view} />`}<//>
    <div class="bb-lines">
      <${Line} title="Strength" points=${of("network_strength")} format=${String} />
      <${Line} title="Transactions per second" points=${of("tps")} format=${decimals} />
      <${Line} title="Peers over time" points=${of("peer_count")} format=${count} />
      <${Line} title="Bytes received" points=${of("bandwidth_in")} format=${perSecond} />
    </div>`;
}

const MARKETS = [
  ["compute", "Compute", [
    ["active_jobs", "Active jobs", count],
    ["total_providers", "Providers", count],
    ["avg_utilization", "Utilisation", share],
    ["total_revenue", "Revenue", count],
  ]],
  ["storage", "Storage", [
    ["total_stored", "Stored", bytes],
    ["total_providers", "Providers", count],
    ["avg_price", "Mean price", decimals],
    ["capacity_used", "Capacity used", share],
  ]],
  ["energy", "Energy", [
    ["total_credits", "Credits", count],
    ["avg_price", "Mean price", decimals],
    ["active_traders", "Traders", count],
    ["trading_volume", "Volume", count],
  ]],
  ["ads", "Advertising", [
    ["active_campaigns", "Campaigns", count],
    ["total_impressions", "Impressions", count],
    ["total_revenue", "Revenue", count],
    ["avg_cpm", "Mean CPM", decimals],
  ]],
];
const HEALTH = { healthy: "success", degraded: "warning", idle: "", down: "danger", unavailable: "danger" };

function Markets({ view }) {
  const overall = view?.data.overall_status;
  const note = view && `${known(view.data.healthy_markets)} of ${known(view.data.total_markets)} healthy`;
  const state = overall && html`<${Pill} tone=${HEALTH[overall] ?? ""}>${words(overall)}<//>`;
  return html`<${Card} title="Markets Health" note=${note} actions=${state}>
    ${!view ? html`<${Waiting} />` : html`<div class="bb-markets">${MARKETS.map(([key, name, fields]) => {
      const market = view.data.markets?.[key] ?? {};
      return html`<section class="bb-market" key=${key} data-market=${key} aria-label=${name}>
        <header><h3>${name}</h3><${Pill} tone=${HEALTH[market.status] ?? ""}>${words(market.status)}<//></header>
        ${market.status === "unavailable"
          ? html`<p class="soft">${words(market.error)}</p>`
          : html`<${Facts} items=${fields.map(([field, label, format]) => [label, known(market[field], format)])} />`}</section>`;
    })}</div>`}<//>`;
}

const outcome = (status) => (status === "completed" ? "success" : status === "failed" ? "danger" : "");
const FILTERS = [["", "All"], ["compute", "Compute"], ["storage", "Storage"], ["energy", "Energy"], ["ad", "Advertising"]];

function Operations({ view }) {
  const [market, setMarket] = useQuery("market");
  const [search, setSearch] = useState("");
  const list = view?.data.operations;
  const wanted = search.trim().toLowerCase();
  const has = ({ id, provider, consumer, status }) => [id, provider, consumer, status]
    .some((value) => words(value).toLowerCase().includes(wanted));
  const fits = (operation) => (!market || operation.type === market) && (!wanted || has(operation));
  const shown = Array.isArray(list) ? list.filter(fits) : [];
  return html`<${Card} title="Operations" note=${Array.isArray(list) ? `${shown.length} of the last ${list.length}` : ""} flush>
    <div class="bb-filters"><${ViewToggle} label="Market" value=${market} options=${FILTERS} onChange=${setMarket} />
      <input type="search" aria-label="Filter operations" placeholder="Id, provider, consumer or status"
        value=${search} onInput=${(event) => setSearch(event.currentTarget.value)} /></div>
    ${!view ? html`<${Waiting} />`
      : !Array.isArray(list) ? html`<div class="body"><${Errors} view=${view} /></div>`
      : shown.length === 0 ? html`<${EmptyState} icon="filter" title="No operations" text="None of the last operations fits." />`
      : html`<div class="table-scroll plain bb-rows" tabindex="0" role="group" aria-label="Operations"><table>
        <thead><tr>
          <th scope="col">Operation</th>
          <th scope="col">Market</th>
          <th scope="col" class="number">Height</th>
          <th scope="col">Provider</th>
          <th scope="col">Consumer</th>
          <th scope="col" class="number">Amount</th>
          <th scope="col">Status</th>
          <th scope="col">When</th>
        </tr></thead>
        <tbody>${shown.map((one, index) => html`<tr key=${`${one.id}-${index}`}>
          <td class="mono">${words(one.id)}</td>
          <td>${words(one.type)}</td>
          <td class="number">${known(one.block_height)}</td>
          <td class="mono">${words(one.provider)}</td>
          <td class="mono">${words(one.consumer)}</td>
          <td class="number">${known(one.amount, decimals)}</td>
          <td><${Pill} tone=${outcome(one.status)}>${words(one.status)}<//></td>
          <td>${isNumber(one.timestamp) ? ago(one.timestamp) : "–"}</td>
        </tr>`)}</tbody></table></div>`}<//>`;
}

function Peers({ view }) {
  const list = view?.data.peers;
  const more = Array.isArray(list) ? list.length - PEERS_SHOWN_MAX : 0;
  return html`<${Card} title="Peers" note=${Array.isArray(list) ? known(view.data.total) : ""} flush>
    ${!view ? html`<${Waiting} />`
      : !Array.isArray(list) ? html`<div class="body"><${Errors} view=${view} /></div>`
      : list.length === 0 ? html`<${EmptyState} icon="monitoring" title="No peers" text="The node is connected to nobody." />`
      : html`<div class="table-scroll plain bb-rows" tabindex="0" role="group" aria-label="Peers"><table>
        <thead><tr>
          <th scope="col">Peer</th>
          <th scope="col">Address</th>
          <th scope="col" class="number">Latency</th>
          <th scope="col">Version</th>
          <th scope="col">Validator</th>
          <th scope="col" class="number">Reputation</th>
        </tr></thead>
        <tbody>${list.slice(0, PEERS_SHOWN_MAX).map((peer, index) => html`<tr key=${index}>
          <td class="mono peer-id">${words(peer.id)}</td>
          <td class="mono">${words(peer.address)}</td>
          <td class="number">${known(peer.latency_ms)} ms</td>
          <td>${words(peer.version)}</td>
          <td>${peer.is_validator === true ? "yes" : "no"}</td>
          <td class="number">${known(peer.reputation)}</td>
        </tr>`)}</tbody></table></div>`}
    ${more > 0 && html`<p class="soft body">and ${count(more)} more</p>`}<//>`;
}

const STEP_TONES = { ok: "success", warn: "warning", error: "danger", skipped: "" };

function Fullcheck() {
  const [state, setState] = useState({});
  const run = async () => {
    setState((old) => ({ ...old, busy: true, error: null }));
    try { setState({ result: await fullcheck() }); } catch (error) { setState({ error }); }
  };
  const { busy, error, result } = state;
  const score = result ? `score ${known(result.summary_score)}` : "";
  const button = html`<${Button} small tone="primary" busy=${busy} onClick=${run}>Run<//>`;
  return html`<${Card} title="Full check" note=${score} actions=${button}>
    ${error && html`<p class="note danger" role="alert">${words(error.message)}</p>`}
    ${!result && !error && html`<p class="soft">
      Asks the node about consensus, peers, markets, scheduler, receipts, storage and names, and scores the answers.</p>`}
    ${result && html`<ol class="bb-steps">${result.steps.map((step) => html`<li key=${step.id}>
      <span>${words(step.label)}${step.data?.error && html`<small class="soft">${words(step.data.error)}</small>`}</span>
      <span class="soft num">${known(step.duration_ms)} ms</span>
      <${Pill} tone=${STEP_TONES[step.status] ?? ""}>${words(step.status)}<//></li>`)}</ol>`}<//>`;
}

const Waiting = () => (notice.value
  ? html`<${EmptyState} icon="warning" title="No data" text="The node has not said anything that could be shown." />`
  : html`<div class="body"><${Skeleton} lines=${4} /></div>`);
