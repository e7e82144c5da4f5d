// Monitoring: six live figures, the fleet, its hashrate, the newest blocks; a worker's drawer at /worker/:id.

import { html, useMemo } from "/static/app/core.js";
import { saveCsv } from "/static/app/api.js";
import { ago, count, gpuLabel, hashTag, hashrate, hashrateParts, money, short, time } from "/static/app/format.js";
import {
  Button, Card, EmptyState, GpuBadge, HashText, Icon, MetricCard, PageHead, Pill, Skeleton, StatusBadge, ViewToggle,
  stateOf,
} from "/static/app/kit.js";
import { navigate, useQuery } from "/static/app/router.js";
import { blocks, connection, now, stats, useNow, useRoster, workers } from "/static/app/store.js";
import { DataTable } from "/static/app/table.js";
import { Hashrate } from "/static/pages/overview.js";
import { WorkerDrawer } from "/static/pages/worker.js";

const FILTERS = [["all", "All"], ["online", "Online"], ["offline", "Offline"], ["leased", "Leased"], ["available", "Available"]];
const TAKES = {
  all: () => true,
  online: (w) => w.online,
  offline: (w) => !w.online,
  leased: (w) => w.online && (w.state === "LEASED" || w.state === "MINING"),
  available: (w) => w.online && w.state === "AVAILABLE",
};

export default function Monitoring({ params, path }) {
  const close = () => navigate(`/monitoring${window.location.search}`);
  return html`<${PageHead} title="Monitoring" text="Every worker, as it reports: live." />
    <${Metrics} />
    <${Fleet} />
    <div class="grid-side"><${Hashrate} /><${Blocks} /></div>
    ${params.id && html`<${WorkerDrawer} key=${path} id=${params.id} onClose=${close} />`}`;
}

function Metrics() {
  const s = stats.value;
  const [rate, unit] = hashrateParts(s?.total_hashrate);
  const part = s?.total_gpus > 0 ? Math.round((s.active_gpus / s.total_gpus) * 100) : 0;
  const cards = [
    ["Hashrate", "bolt", "accent", rate, unit, s && (s.online === 1 ? "1 worker delivers it" : `${count(s.online)} workers deliver it`)],
    ["Online", "monitoring", "success", count(s?.online), "", s && `of ${count(s.total_workers)} registered`],
    ["Offline", "warning", s?.offline > 0 ? "warning" : "", count(s?.offline), "", "silent for 90 s or more"],
    ["GPUs at work", "gpu", "info", count(s?.active_gpus), "", s && `of ${count(s.total_gpus)}, ${part}%`],
    ["Blocks", "block", "warning", count(s?.total_blocks), "", "counted by this platform"],
    ["Blocks, last hour", "renter", "success", count(s?.blocks_last_hour), "", s && `${(s.blocks_last_hour / 60).toFixed(1)} a minute`],
  ];
  return html`<div class="metrics six">
    ${cards.map(([label, icon, tone, value, small, hint]) => html`<${MetricCard} key=${label} label=${label}
      icon=${icon} tone=${tone} value=${value} unit=${small} hint=${hint} loading=${!s} />`)}
  </div>`;
}

const COLUMNS = [
  { key: "worker_id", label: "Worker", width: 190, title: true, value: (w) => w.worker_id, cell: (w) => w.worker_id },
  { key: "state", label: "State", width: 130, value: (w) => stateOf(w), cell: (w) => html`<${StatusBadge} state=${stateOf(w)} />` },
  { key: "gpus", label: "GPUs", value: (w) => w.gpu_count, cell: (w) => html`<${GpuBadge} worker=${w} />` },
  {
    key: "hashrate", label: "Hashrate", width: 130, number: true,
    value: (w) => (w.online ? w.hashrate : 0),
    cell: (w) => (w.online ? hashrate(w.hashrate) : html`<span class="soft">–</span>`),
  },
  { key: "price", label: "Price / min", width: 120, number: true, value: (w) => w.price_per_min, cell: (w) => money(w.price_per_min) },
  {
    key: "blocks", label: "Own blocks", width: 120, number: true, wideOnly: true,
    value: (w) => w.self_blocks_found,
    cell: (w) => count(w.self_blocks_found),
  },
  {
    key: "owner", label: "Owner", width: 150, wideOnly: true,
    value: (w) => w.eth_address,
    cell: (w) => html`<${HashText} value=${w.eth_address} />`,
  },
  { key: "seen", label: "Heard", width: 120, number: true, value: (w) => w.last_heartbeat, cell: (w) => ago(w.last_heartbeat, now()) },
];

/** The rows that are wanted; the list is made anew only when its members may have changed. */
function useFleet(status, search) {
  const { tick, complete } = useRoster();
  const slow = useNow(1000);
  const text = search.trim().toLowerCase();
  const rows = useMemo(() => {
    const takes = TAKES[status] ?? TAKES.all;
    const found = [];
    for (const w of workers.values()) {
      const has = (value) => value?.toLowerCase().includes(text);
      if (takes(w) && (!text || has(w.worker_id) || has(w.eth_address) || has(gpuLabel(w)))) found.push(w);
    }
    return found;
  }, [status, text, complete, workers.size, status === "all" ? 0 : Math.floor(slow)]);
  return { rows, tick, complete };
}

function Fleet() {
  const [status, setStatus] = useQuery("status", "all");
  const [search, setSearch] = useQuery("q", "");
  const { rows, tick, complete } = useFleet(status, search);
  const total = stats.value?.total_workers ?? 0;
  const waiting = connection.value.state === "connecting" && workers.size === 0;
  const filtered = status !== "all" || search;
  const save = () => saveCsv(
    "fleet.csv",
    ["worker_id", "state", "gpus", "hashrate", "price_per_min", "self_blocks_found", "eth_address", "last_heartbeat"],
    rows.map((w) => [
      w.worker_id, stateOf(w), gpuLabel(w), w.hashrate, w.price_per_min, w.self_blocks_found, w.eth_address,
      w.last_heartbeat,
    ]),
  );
  return html`<${Card} title="Fleet" flush
      note=${filtered ? `${count(rows.length)} of ${count(total)}`
        : complete ? count(total)
        : `${count(workers.size)} of ${count(total)} loaded`}
      actions=${html`<div class="filters">
        <label class="search">
          <span class="hidden">Search the fleet</span>
          <${Icon} name="search" size=${16} />
          <input type="search" placeholder="Worker, owner or GPU" value=${search}
            onInput=${(event) => setSearch(event.currentTarget.value)} />
        </label>
        <${ViewToggle} label="Show" value=${status} options=${FILTERS} onChange=${setStatus} />
        <${Button} small tone="quiet" icon="download" disabled=${rows.length === 0} onClick=${save}>CSV<//>
      </div>`}>
    <${DataTable} name="fleet" label="Fleet" rows=${rows} columns=${COLUMNS} rowKey=${(w) => w.worker_id}
      sort="-hashrate" tick=${tick} loading=${waiting} height=${520}
      href=${(w) => `/worker/${encodeURIComponent(w.worker_id)}${window.location.search}`}
      empty=${filtered
        ? html`<${EmptyState} icon="search" title="No worker is like that" text="Change the search or the filter.">
          <${Button} onClick=${() => { setSearch(""); setStatus("all"); }}>Show all<//>
        <//>`
        : html`<${EmptyState} icon="gpu" title="No worker has registered yet"
            text="Start one on a machine with GPUs: xenblocks worker --miner-addr 0x…">
          <${Button} onClick=${() => navigate("/provider?tab=connect")}>How to connect one<//>
        <//>`} />
  <//>`;
}

function Blocks() {
  const [mine, setMine] = useQuery("blocks", "all");
  const shown = blocks.value.filter((block) => mine === "all" || (mine === "lease") === Boolean(block.lease_id)).slice(0, 8);
  return html`<${Card} title="Live blocks" flush
      actions=${html`<${ViewToggle} label="Blocks" value=${mine}
        options=${[["all", "All"], ["lease", "Leases"], ["self", "Own"]]} onChange=${setMine} />`}>
    ${connection.value.state === "connecting" && !stats.value ? html`<div class="body"><${Skeleton} lines=${5} /></div>`
      : shown.length === 0 ? html`<${EmptyState} icon="block" title="No block yet"
        text="Each block appears here the moment it is counted." />`
      : html`<ul class="feed">
        ${shown.map((block) => html`<li key=${block.hash + block.key}>
          <span class="feed-icon success"><${Icon} name="block" size=${16} /></span>
          <p>
            <a href=${`/worker/${encodeURIComponent(block.worker_id)}`}>${block.worker_id}</a>
            <br />
            <span class="mono soft" title=${block.hash}>${short(hashTag(block.hash), 10, 6)}</span>
          </p>
          <span class="feed-side">
            <time class="soft num">${time(block.timestamp)}</time>
            ${block.lease_id ? html`<a href=${`/lease/${block.lease_id}`}><${Pill} tone="info">lease<//></a>`
              : html`<${Pill}>own<//>`}
          </span>
        </li>`)}
      </ul>`}
  <//>`;
}
