// A worker, from the side: what it is and does, its hashrate, reputation, leases and blocks.

import { html, useMemo } from "/static/app/core.js";
import { useApi } from "/static/app/api.js";
import { Drawer } from "/static/app/dialog.js";
import { ago, count, dateTime, duration, gpuName, hashTag, hashrate, money, percent, pricePerKiloHour, short } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, Facts, HashText, MetricCard, Pill, ProgressBar, Skeleton, StaleNote,
  StatusBadge, Tabs, Tooltip, stateOf,
} from "/static/app/kit.js";
import { navigate, useQuery } from "/static/app/router.js";
import { asHeard, useNow } from "/static/app/store.js";
import { Hashrate } from "/static/pages/overview.js";

const TABS = [["now", "Now"], ["leases", "Leases"], ["blocks", "Blocks"]];

export function WorkerDrawer({ id: name, onClose }) {
  const [tab, setTab] = useQuery("tab", "now");
  const answer = useApi(`/api/workers/${encodeURIComponent(name)}`, { every: 15000 });
  return html`<${Drawer} title=${name} onClose=${onClose}>
    ${!answer.data && answer.loading ? html`<${Skeleton} lines=${8} />`
      : !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : html`
        <${StaleNote} of=${answer} />
        <${Head} worker=${answer.data} />
        <${Tabs} label="About this worker" value=${tab} options=${TABS} onChange=${setTab} />
        ${tab === "leases" ? html`<${Leases} id=${name} />`
          : tab === "blocks" ? html`<${Blocks} id=${name} />`
          : html`<${Now} worker=${answer.data} />`}
      `}
  <//>`;
}

function Head({ worker }) {
  const now = asHeard(worker);
  const per = pricePerKiloHour(now);
  return html`
    <div class="row between">
      <${StatusBadge} state=${stateOf(now)} />
      ${now.online && now.state === "AVAILABLE" && html`<${Button} tone="primary" small
          onClick=${() => navigate(`/marketplace?rent=${encodeURIComponent(worker.worker_id)}`)}>
        Rent this worker
      <//>`}
    </div>
    <div class="metrics">
      <${MetricCard} label="Hashrate" icon="bolt" tone="accent" value=${now.online ? hashrate(now.hashrate) : "–"}
        hint=${`${now.active_gpus ?? 0} of ${now.gpu_count} GPUs at work`} />
      <${MetricCard} label="Price per minute" icon="market" value=${money(worker.price_per_min, true)}
        hint=${per === null ? "" : `${money(per)} per kH/s and hour`} />
    </div>
  `;
}

function Now({ worker }) {
  const at = useNow();
  const now = asHeard(worker);
  const uptime = worker.reputation?.breakdown?.uptime_detail;
  return html`<${Hashrate} title="Hashrate" worker=${worker.worker_id} />
    <${Card} title="Worker"><${Facts} items=${[
      ["Owner", html`<${HashText} value=${worker.eth_address} head=${8} tail=${6} />`],
      ["Memory", `${count(worker.total_memory_gb)} GB`],
      ["Heard", ago(now.last_heartbeat, at)],
      uptime && ["Online", `${duration(uptime.online_seconds)} (${percent(uptime.uptime_pct)})`],
      ["Rental", `${duration(worker.min_duration_sec)} to ${duration(worker.max_duration_sec)}`],
      ["Own blocks", count(worker.self_blocks_found)],
      worker.current_address && ["Mines for", html`<${HashText} value=${worker.current_address} head=${8} tail=${6} />`],
      worker.version && ["Version", worker.version]]} /><//>
    <${Card} title="GPUs"><${Gpus} worker=${worker} /><//>
    ${worker.reputation && html`<${Reputation} of=${worker.reputation} />`}`;
}

function Gpus({ worker }) {
  const gpus = Array.isArray(worker.gpus) ? worker.gpus : [];
  if (gpus.length === 0) return html`<p class="soft">It has told of no GPU: it mines on its CPU.</p>`;
  return html`<ul class="gpus">
    ${gpus.map((gpu, i) => html`<li key=${i}>
      <span class="soft num">${gpu?.index ?? i}</span>
      <span>${gpuName(gpu?.name) || "GPU"}</span>
      <span class="soft num">${gpu?.memory_gb ?? "?"} GB</span>
    </li>`)}
  </ul>`;
}

function Reputation({ of }) {
  const b = of.breakdown;
  const parts = [
    ["Blocks", b.block_score, b.block_detail.weight, `${count(b.block_detail.verified_blocks)} of ${b.block_detail.max_blocks} verified`],
    [
      "Leases completed",
      b.completion_score,
      b.completion_detail.weight,
      `${b.completion_detail.completed} of ${b.completion_detail.total}`,
    ],
    ["Uptime", b.uptime_score, b.uptime_detail.weight, percent(b.uptime_detail.uptime_pct)],
    ["Age", b.age_score, b.age_detail.weight, `${Math.floor(b.age_detail.days)} of ${b.age_detail.max_days} days`],
  ];
  return html`<${Card} title="Reputation"
      note=${html`<${Tooltip} text="Four parts that add up to 100; a fifth of it makes the stars.">
        ${of.stars.toFixed(1)} of 5
      <//>`}>
    <ul class="parts">
      ${parts.map(([label, score, weight, text]) => html`<li key=${label}>
        <div class="row between">
          <span>${label}</span>
          <span class="soft num">${text} · ${score.toFixed(1)} / ${weight}</span>
        </div>
        <${ProgressBar} value=${score / weight} label=${label} />
      </li>`)}
    </ul>
  <//>`;
}

function Listed({ answer, rows, empty, children }) {
  if (!answer.data && answer.loading) return html`<${Skeleton} lines=${5} />`;
  if (!answer.data) return html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`;
  return rows.length === 0 ? html`<${EmptyState} icon="list" title=${empty} />` : children;
}

function Leases({ id }) {
  const answer = useApi(`/api/leases?worker_id=${encodeURIComponent(id)}&limit=20`, { every: 15000 });
  const rows = answer.data?.items ?? [];
  return html`<${Listed} answer=${answer} rows=${rows} empty="Nobody has rented it yet">
    <ul class="feed card">
      ${rows.map((lease) => html`<li key=${lease.lease_id}>
        <p>
          <a href=${`/lease/${lease.lease_id}`}>${dateTime(lease.created_at)}</a>
          <br />
          <span class="soft">
            ${duration(lease.elapsed_sec)} of ${duration(lease.duration_sec)} · ${count(lease.blocks_found)} blocks
          </span>
        </p>
        <${StatusBadge} state=${lease.state} />
      </li>`)}
    </ul>
  <//>`;
}

function Blocks({ id }) {
  const answer = useApi(`/api/blocks?worker_id=${encodeURIComponent(id)}&limit=20`, { every: 15000 });
  const rows = useMemo(() => answer.data?.items ?? [], [answer.data]);
  return html`<${Listed} answer=${answer} rows=${rows} empty="It has found no block yet">
    <ul class="feed card">
      ${rows.map((block) => html`<li key=${block.hash + block.timestamp}>
        <p>
          <span class="mono">${short(hashTag(block.hash), 12, 8)}</span>
          <br />
          <span class="soft">${dateTime(block.timestamp)} · ${count(block.attempts)} attempts</span>
        </p>
        ${block.chain_verified ? html`<${Pill} tone="success">verified<//>`
          : html`<${Pill} tone="warning">unverified<//>`}
        ${block.lease_id && html`<a href=${`/lease/${block.lease_id}`}><${Pill} tone="info">lease<//></a>`}
      </li>`)}
    </ul>
  <//>`;
}
