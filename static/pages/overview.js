// Overview: the platform in four numbers, what happened, the network, and what to do next.

import { html, useMemo } from "/static/app/core.js";
import { useApi } from "/static/app/api.js";
import { ChartCard } from "/static/app/chart.js";
import { count, day, duration, hashTag, hashrate, hashrateParts, money, short, time } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, Facts, Icon, MetricCard, PageHead, Pager, Skeleton, StaleNote, Tabs,
} from "/static/app/kit.js";
import { navigate, useQuery } from "/static/app/router.js";
import { openSignIn, session } from "/static/app/session.js";
import { now, stats as live } from "/static/app/store.js";

const POLL_MS = 15000;
const FEED_ROWS = 20;
const RANGES = [["1", "1 h"], ["6", "6 h"], ["24", "24 h"]];
const SPANS = [["24", "1 d"], ["168", "7 d"], ["720", "30 d"]];
/** Seconds of a bucket for each range, so that a chart has 60 to 100 points. */
export const RESOLUTION = { 1: 60, 6: 300, 24: 900 };

export default function Overview() {
  const totals = useApi("/api/overview/stats", { every: POLL_MS });
  return html`
    <${PageHead} title="Overview" text="Hashpower for XenBlocks, rented by the minute and checked block by block.">
      <${Start} />
    <//>
    <${StaleNote} of=${totals} />
    ${totals.error && !totals.data ? html`<${ErrorState} error=${totals.error} retry=${totals.reload} />`
      : html`<${Metrics} totals=${totals} />`}
    <div class="grid-side"><${Hashrate} /><${Next} /></div>
    <div class="grid-side"><${Activity} /><div class="stack"><${Network} /></div></div>
  `;
}

function Start() {
  const rent = html`<${Button} tone="primary" icon="market" onClick=${() => navigate("/marketplace")}>Rent hashpower<//>`;
  return session.value.status === "in"
    ? html`<${Button} icon="renter" onClick=${() => navigate("/renter")}>My leases<//>${rent}`
    : rent;
}

function Metrics({ totals }) {
  const data = totals.data;
  const [rate, unit] = hashrateParts(live.value?.total_hashrate ?? data?.total_hashrate);
  const online = live.value?.online ?? data?.online_workers;
  const leases = data && `${count(data.total_leases)} ${data.total_leases === 1 ? "lease" : "leases"}`;
  return html`<div class="metrics">
    <${MetricCard} label="Hashrate" icon="bolt" tone="accent" value=${rate} unit=${unit} loading=${!data}
      hint="of all workers online" href="/monitoring" />
    <${MetricCard} label="Workers online" icon="gpu" tone="success" value=${count(online)} loading=${!data}
      hint=${data && `of ${count(data.total_workers)} registered`} href="/monitoring?status=online" />
    <${MetricCard} label="Blocks in 24 h" icon="block" tone="warning" value=${count(data?.blocks_24h)} loading=${!data}
      hint=${data && `${count(data.total_blocks)} in all`} href="/monitoring" />
    <${MetricCard} label="Platform revenue" icon="market" tone="info" value=${money(data?.platform_revenue)}
      loading=${!data}
      hint=${data && `${money(data.total_settled)} settled in ${leases}`} />
  </div>`;
}

/** The fleet's hashrate over 1, 6 or 24 hours; the range is in the address. */
export function Hashrate({ title = "Fleet hashrate", worker }) {
  const [range, setRange] = useQuery("range", "1");
  const hours = RANGES.some(([key]) => key === range) ? range : "1";
  const who = worker ? `&worker_id=${encodeURIComponent(worker)}` : "";
  const history = useApi(`/api/monitoring/hashrate-history?hours=${hours}&resolution=${RESOLUTION[hours]}${who}`, { every: 30000 });
  const [times, series] = useMemo(() => {
    const rows = history.data ?? [];
    return [
      rows.map((row) => row.timestamp),
      [{ label: "Hashrate", values: rows.map((row) => row.hashrate), color: "accent", fill: true }],
    ];
  }, [history.data]);
  return html`<${ChartCard} title=${title} times=${times} series=${series} format=${hashrate}
    height=${worker ? 180 : 240} loading=${history.loading} error=${history.error} retry=${history.reload}
    stale=${history} empty="A point is recorded every half minute."
    actions=${html`<${Tabs} label="Range" value=${hours} options=${RANGES} onChange=${setRange} />`} />`;
}

const KINDS = {
  block: {
    icon: "block", tone: "success",
    text: (d) => html`
      <a href=${workerHref(d)}>${d.worker_id}</a> found a block <span class="soft num">${short(hashTag(d.hash), 8, 6)}</span>
    `,
  },
  lease_started: {
    icon: "renter", tone: "info",
    text: (d) => html`<a href=${workerHref(d)}>${d.worker_id}</a> was rented for ${duration(d.duration_sec)}`,
  },
  lease_completed: {
    icon: "check", tone: "accent",
    text: (d) => html`
      A lease of <a href=${workerHref(d)}>${d.worker_id}</a> ended with ${count(d.blocks_found)} ${d.blocks_found === 1
        ? "block"
        : "blocks"}
    `,
  },
};
const kib = (value) => `${count(value)} KiB`;
const workerHref = (d) => `/worker/${encodeURIComponent(d.worker_id)}`;

function Activity() {
  const [page, setPage] = useQuery("page", "1");
  const at = Math.max(1, Number.parseInt(page, 10) || 1);
  const feed = useApi(`/api/overview/activity?page=${at}&limit=${FEED_ROWS}`, { every: at === 1 ? POLL_MS : 0 });
  const days = useMemo(() => {
    const found = new Map();
    for (const item of feed.data?.items ?? []) {
      const name = day(item.timestamp, now());
      found.set(name, [...(found.get(name) ?? []), item]);
    }
    return [...found];
  }, [feed.data]);
  return html`<${Card} title="Activity" flush>
    <${StaleNote} of=${feed} />
    ${!feed.data && feed.loading ? html`<div class="body"><${Skeleton} lines=${6} /></div>`
      : !feed.data ? html`<${ErrorState} error=${feed.error} retry=${feed.reload} />`
      : days.length === 0 ? html`<${EmptyState} icon="monitoring" title="Nothing has happened yet"
        text="Blocks and leases appear here as they come." />`
      : days.map(([name, items]) => html`<section key=${name}>
        <h3 class="day">${name}</h3>
        <ul class="feed">
          ${items.map((item) => html`<${Happening}
            key=${`${item.type}${item.timestamp}${item.details.worker_id}${item.details.hash ?? item.details.lease_id}`}
            item=${item} />`)}
        </ul>
      </section>`)}
    <${Pager} page=${at} pages=${feed.data?.total_pages} onPage=${setPage} />
  <//>`;
}

function Happening({ item }) {
  const kind = KINDS[item.type] ?? { icon: "info", text: () => item.type };
  return html`<li>
    <span class=${`feed-icon ${kind.tone ?? ""}`}><${Icon} name=${kind.icon} size=${16} /></span>
    <p>
      ${kind.text(item.details)}
      ${item.details.lease_id && html` · <a class="soft" href=${`/lease/${item.details.lease_id}`}>lease</a>`}
    </p>
    <time class="soft num" dateTime=${new Date(item.timestamp * 1000).toISOString()}>${time(item.timestamp)}</time>
  </li>`;
}

function Network() {
  const network = useApi("/api/overview/network", { every: POLL_MS });
  const data = network.data;
  return html`
    <${Card} title="Network">
      ${!data && network.loading ? html`<${Skeleton} lines=${4} />`
        : !data ? html`<${ErrorState} error=${network.error} retry=${network.reload} />`
        : html`<${Facts} items=${[
          ["Difficulty", html`<span>${count(data.difficulty)} <span class="soft">KiB</span></span>`],
          ["Blocks on the chain", count(data.chain_blocks)],
          ["Blocks of this platform", count(data.total_blocks)],
          ["Workers", count(data.total_workers)],
        ]} />`}
    <//>
    <${Difficulty} />
  `;
}

/** What a hash costs in memory, as the chain raised it; the range is a part of the address. */
function Difficulty() {
  const [range, setRange] = useQuery("span", "168");
  const hours = SPANS.some(([key]) => key === range) ? range : "168";
  const answer = useApi(`/api/overview/difficulty?hours=${hours}`, { every: POLL_MS * 4 });
  const [times, series] = useMemo(() => {
    const items = answer.data?.items ?? [];
    // The last one holds until now.
    const rows = items.length > 0 ? [...items, { timestamp: now(), difficulty: answer.data.difficulty }] : [];
    return [
      rows.map((row) => row.timestamp),
      [{ label: "Difficulty", values: rows.map((row) => row.difficulty), color: "warning", fill: true, steps: true }],
    ];
  }, [answer.data]);
  return html`<${ChartCard} title="Difficulty" times=${times} series=${series} format=${kib} height=${160}
    loading=${answer.loading} error=${answer.error} retry=${answer.reload} stale=${answer}
    empty="It is recorded where a chain is connected."
    actions=${html`<${Tabs} label="Span of the difficulty" value=${hours} options=${SPANS} onChange=${setRange} />`} />`;
}

function Next() {
  const { status, account, kind } = session.value;
  const renter = useApi(status === "in" ? "/api/renter/stats" : null, { every: POLL_MS }).data;
  const provider = useApi(status === "in" && kind === "wallet" ? "/api/provider/dashboard" : null, { every: POLL_MS }).data;
  const steps = [
    {
      done: status === "in", title: "Sign in with a wallet", text: "It proves your address; nothing is sent on chain.",
      run: () => openSignIn(),
      label: "Sign in",
    },
    {
      done: status === "in" && account?.balance > 0, title: "Fund your account",
      text: "Money is held while a lease runs, and what is left comes back.",
      run: () => navigate("/account"),
      label: "Deposit",
    },
    {
      done: renter?.total_leases > 0, title: "Rent a worker",
      text: "It mines for your address, with keys that bear your prefix.",
      run: () => navigate("/marketplace"),
      label: "Browse",
    },
    {
      done: provider?.worker_count > 0, title: "Connect a worker of your own", text: "Earn while it is idle.",
      run: () => navigate("/provider?tab=connect"),
      label: "Show how",
    },
  ];
  return html`<${Card} title="What to do next"
      note=${`${steps.filter((step) => step.done).length} of ${steps.length} done`}>
    <ol class="steps">
      ${steps.map((step, i) => html`<li key=${step.title} class=${step.done ? "done" : ""}>
        <span class="step-no" aria-hidden="true">${step.done ? html`<${Icon} name="check" size=${14} />` : i + 1}</span>
        <div>
          <p class="step-title">${step.title}${step.done && html`<span class="hidden">, done</span>`}</p>
          <p class="soft">${step.text}</p>
        </div>
        ${!step.done && html`<${Button} small onClick=${step.run}>${step.label}<//>`}
      </li>`)}
    </ol>
  <//>`;
}
