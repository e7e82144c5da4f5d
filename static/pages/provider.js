// Provider: the workers of the signed-in wallet, what they earn, their prices, and what has been achieved.

import { html, useEffect, useMemo, useState } from "/static/app/core.js";
import { download, post, url, useApi } from "/static/app/api.js";
import { ChartCard } from "/static/app/chart.js";
import { ConfirmDialog } from "/static/app/dialog.js";
import { count, dateTime, duration, hashrate, hashrateParts, money } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, GpuBadge, MetricCard, PageHead, Pager, Skeleton, StaleNote, StatusBadge, Tabs,
  stateOf,
} from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { useQuery } from "/static/app/router.js";
import { openSignIn, session } from "/static/app/session.js";
import { asHeard, roster, workers } from "/static/app/store.js";
import { DataTable } from "/static/app/table.js";
import { Achievements } from "/static/pages/achievements.js";
import { Connect } from "/static/pages/connect.js";
import { PriceDialog } from "/static/pages/pricing.js";

const PAGE_ROWS = 20;
const POLL_MS = 10000;
const PERIODS = [["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]];

export default function Provider() {
  const { status, account } = session.value;
  const [tab, setTab] = useQuery("tab", "workers");
  if (status === "checking" && !account) return html`<${PageHead} title="Provider" /><${Skeleton} height=${280} />`;
  if (!account) return html`
    <${PageHead} title="Provider" text="Earn with hardware that is idle." />
    <${Card}>
      <${EmptyState} icon="provider" title="Sign in with the wallet of your workers"
          text="A worker belongs to the address it was started with.">
        <${Button} tone="primary" onClick=${() => openSignIn()}>Sign in<//>
      <//>
    <//>
    <${Connect} />
  `;
  const wallet = session.value.kind === "wallet";
  const tabs = [
    ["workers", "Workers"],
    ["earnings", "Earnings"],
    wallet && ["achievements", "Achievements"],
    ["connect", "Connect"],
  ].filter(Boolean);
  const who = wallet ? "" : account.account_id;
  return html`
    <${PageHead} title="Provider" text="Your workers, their prices, and what they earned." />
    <${Totals} who=${who} />
    <${Tabs} label="Part of the page" value=${tab} options=${tabs} onChange=${setTab} />
    ${tab === "earnings" ? html`<${Summary} who=${who} />${wallet && html`<${Period} />`}<${Earnings} who=${who} />`
      : tab === "connect" ? html`<${Connect} />`
      : tab === "achievements" && wallet ? html`<${Achievements} />`
      : html`<${Workers} who=${who} wallet=${wallet} />`}
  `;
}

function Totals({ who }) {
  const answer = useApi(url("/api/provider/dashboard", { provider_id: who }), { every: POLL_MS });
  const d = answer.data;
  if (answer.error && !d) return html`<${Card}><${ErrorState} error=${answer.error} retry=${answer.reload} /><//>`;
  const [rate, unit] = hashrateParts(d?.avg_hashrate);
  return html`
    <${StaleNote} of=${answer} />
    <div class="metrics">
      <${MetricCard} label="Earned" icon="market" tone="accent" value=${money(d?.total_earned)} loading=${!d}
        hint="paid out, fee taken off" />
      <${MetricCard} label="Workers" icon="gpu" tone="success" value=${count(d?.worker_count)} loading=${!d}
        hint=${d && `${count(d.active_leases)} rented now`} />
      <${MetricCard} label="Mean hashrate" icon="bolt" tone="info" value=${rate} unit=${unit} loading=${!d}
        hint="of a worker, now" />
      <${MetricCard} label="Own blocks" icon="block" tone="warning" value=${count(d?.total_blocks_mined)} loading=${!d}
        hint="found for yourself" />
    </div>
  `;
}

// --- workers ---

/** For rent, or about to be: what the owner wants, and what the worker says. */
const isListed = (worker) => worker.listed && worker.state !== "SELF_MINING";

/** How many workers of this wallet the feed knows. */
function useOwn() {
  void roster.value.tick;
  const owner = session.value.address?.toLowerCase();
  return useMemo(() => [...workers.values()].filter((worker) => worker.eth_address?.toLowerCase() === owner).length, [workers.size, owner]);
}

function Workers({ who, wallet }) {
  const [page, setPage] = useQuery("page", "1");
  const at = Math.max(1, Number.parseInt(page, 10) || 1);
  const answer = useApi(url("/api/provider/workers", { provider_id: who, page: at, limit: PAGE_ROWS }), { every: POLL_MS });
  const [chosen, setChosen] = useState(() => new Set());
  const [pricing, setPricing] = useState(null);
  const [listing, setListing] = useState(null);
  const rows = (answer.data?.items ?? []).map(asHeard);
  const own = useOwn();
  // A worker that has just come is shown now, not with the next look.
  useEffect(() => { answer.reload(); }, [own]);
  const picked = rows.filter((worker) => chosen.has(worker.worker_id));
  const pick = (id, on) => setChosen((old) => { const next = new Set(old); if (on) next.add(id); else next.delete(id); return next; });
  if (answer.error && !answer.data) return html`<${Card} title="Your workers">
    <${ErrorState} error=${answer.error} retry=${answer.reload} />
  <//>`;
  if (answer.data?.total === 0) return html`
    <${Card} title="Your workers">
      <${EmptyState} icon="gpu" title="No worker is yours yet"
        text="Start one with your address, and it appears here." />
    <//>
    <${Connect} />
  `;
  const columns = [
    {
      key: "pick", label: "Choose", width: 84, clip: false,
      cell: (w) => html`<label class="check">
        <input type="checkbox" aria-label=${`Choose ${w.worker_id}`} checked=${chosen.has(w.worker_id)}
          onChange=${(event) => pick(w.worker_id, event.currentTarget.checked)} />
      </label>`,
    },
    {
      key: "worker", label: "Worker", title: true,
      cell: (w) => html`<a class="row-link" href=${`/worker/${encodeURIComponent(w.worker_id)}`}>${w.worker_id}</a>`,
    },
    { key: "state", label: "State", width: 130, cell: (w) => html`<${StatusBadge} state=${stateOf(w)} />` },
    { key: "gpu", label: "GPUs", wideOnly: true, cell: (w) => html`<${GpuBadge} worker=${w} />` },
    { key: "rate", label: "Hashrate", width: 120, number: true, cell: (w) => hashrate(w.online ? w.hashrate : 0) },
    {
      key: "price", label: "Price / min", width: 120, number: true,
      cell: (w) => html`<button type="button" class="link"
          aria-label=${`Price of ${w.worker_id}: ${money(w.price_per_min, true)}`} onClick=${() => setPricing([w])}>
        ${money(w.price_per_min, true)}
      </button>`,
    },
    { key: "online", label: "Online", width: 110, number: true, wideOnly: true, cell: (w) => duration(w.total_online_sec) },
    { key: "blocks", label: "Blocks", width: 90, number: true, wideOnly: true, cell: (w) => count(w.self_blocks_found) },
    {
      key: "list", label: "", width: 100, clip: false,
      cell: (w) => wallet && html`<${Button} small disabled=${w.state === "LEASED"}
          aria-label=${`${isListed(w) ? "Unlist" : "List"} ${w.worker_id}`}
          onClick=${() => setListing({ workers: [w], list: !isListed(w) })}>
        ${isListed(w) ? "Unlist" : "List"}
      <//>`,
    },
  ];
  const done = () => { setChosen(new Set()); answer.reload(); };
  return html`
    <${StaleNote} of=${answer} />
    <${Card} title="Your workers" note=${answer.data && count(answer.data.total)} flush
        actions=${rows.length > 0 && html`<${Button} small tone="quiet"
            onClick=${() => setChosen(picked.length === rows.length ? new Set() : new Set(rows.map((w) => w.worker_id)))}>
          ${picked.length === rows.length ? "Choose none" : "Choose this page"}
        <//>`}>
      ${picked.length > 0 && html`<div class="bulk" role="group" aria-label="With the chosen workers">
        <strong>${count(picked.length)} chosen</strong>
        <${Button} small onClick=${() => setPricing(picked)}>Set the price<//>
        ${wallet && html`
          <${Button} small onClick=${() => setListing({ workers: picked, list: true })}>List<//>
          <${Button} small onClick=${() => setListing({ workers: picked, list: false })}>Unlist<//>
        `}
      </div>`}
      <${DataTable} label="Your workers" rows=${rows} columns=${columns} rowKey=${(w) => w.worker_id} manual
        loading=${!answer.data} height=${1020} />
      <${Pager} page=${at} pages=${answer.data?.total_pages}
        onPage=${(next) => { setChosen(new Set()); setPage(next, { push: true }); }} />
    <//>
    ${pricing && html`<${PriceDialog} workers=${pricing} onClose=${() => setPricing(null)} onDone=${done} />`}
    ${listing && html`<${ListDialog} ...${listing} onClose=${() => setListing(null)} onDone=${done} />`}
  `;
}

/** Does one thing to many workers, one after the other; tells how many it worked for. */
export async function forEachWorker(workers, act, done) {
  const failed = [];
  for (const worker of workers) await act(worker).catch((error) => failed.push([worker.worker_id, error]));
  if (failed.length < workers.length) toast("success", done(workers.length - failed.length));
  if (failed.length > 0) toast(
    "danger",
    failed.length === 1
      ? `${failed[0][0]}: ${failed[0][1].message}`
      : `${failed.length} of ${workers.length} were refused, the first, ${failed[0][0]}: ${failed[0][1].message}`,
  );
}
export const many = (n) => `${count(n)} ${n === 1 ? "worker" : "workers"}`;

function ListDialog({ workers, list, onClose, onDone }) {
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    await forEachWorker(
      workers,
      (worker) => post(`/api/wallet/workers/${encodeURIComponent(worker.worker_id)}/command`, {
        command: list ? "list" : "unlist",
      }),
      (n) => `${many(n)} ${list ? "listed" : "taken off the market"}`,
    );
    onClose();
    onDone();
  };
  return html`<${ConfirmDialog}
      title=${`${list ? "List" : "Unlist"} ${workers.length === 1 ? workers[0].worker_id : many(workers.length)}?`}
      confirm=${list ? "List" : "Unlist"} busy=${busy} onConfirm=${act} onClose=${onClose}>
    <p>
      ${list
        ? "Anybody may rent it from now on, at its price."
        : "It mines for you, and nobody may rent it. A worker that is rented now stays so until its lease ends."}
    </p>
  <//>`;
}

// --- earnings ---

const SPANS = [["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["all", "In all"]];

function Summary({ who }) {
  const answer = useApi(url("/api/provider/earnings/summary", { provider_id: who }), { every: POLL_MS });
  const periods = answer.data?.periods;
  if (answer.error && !periods) return html`<${Card}><${ErrorState} error=${answer.error} retry=${answer.reload} /><//>`;
  return html`<div class="metrics">
    ${SPANS.map(([key, label]) => html`<${MetricCard} key=${key} label=${label} icon="market" tone="success"
      loading=${!periods} value=${money(periods?.[key].earned, true)}
      hint=${periods && `${count(periods[key].leases)} ${periods[key].leases === 1 ? "lease" : "leases"} settled`} />`)}
  </div>`;
}

function Period() {
  const [period, setPeriod] = useQuery("period", "24h");
  const answer = useApi(url("/api/wallet/history", { period }), { every: 60000 });
  const data = answer.data?.period === period ? answer.data.data : null;
  const [times, earned, rate] = useMemo(() => {
    const rows = data ?? [];
    return [
      rows.map((row) => row.timestamp),
      [{ label: "Earned", values: rows.map((row) => row.earnings), color: "success", fill: true }],
      [{ label: "Hashrate", values: rows.map((row) => row.hashrate), color: "accent", fill: true }],
    ];
  }, [data]);
  const sum = (data ?? []).reduce((total, row) => total + row.earnings, 0);
  const shared = {
    times, loading: !data && answer.loading, error: answer.error, retry: answer.reload, stale: answer, height: 220,
    empty: "A point is made every hour.",
  };
  return html`<div class="grid-2">
    <${ChartCard} title="Earned"
      note=${data && `${money(sum, true)} in ${PERIODS.find(([key]) => key === period)?.[1] ?? period}`}
      series=${earned} format=${(value) => money(value)}
      actions=${html`<${Tabs} label="Period" value=${period} options=${PERIODS} onChange=${setPeriod} />`}
      ...${shared} />
    <${ChartCard} title="Hashrate" series=${rate} format=${hashrate} ...${shared} />
  </div>`;
}

const PAYMENTS = [
  { key: "at", label: "Settled", width: 160, cell: (s) => dateTime(s.settled_at) },
  { key: "worker", label: "Worker", cell: (s) => s.worker_id },
  { key: "length", label: "Time paid", width: 130, number: true, cell: (s) => duration(s.duration_sec) },
  { key: "blocks", label: "Blocks", width: 90, number: true, wideOnly: true, cell: (s) => count(s.blocks_found) },
  { key: "cost", label: "Renter paid", width: 130, number: true, wideOnly: true, cell: (s) => money(s.total_cost, true) },
  { key: "fee", label: "Fee", width: 100, number: true, wideOnly: true, cell: (s) => money(s.platform_fee, true) },
  {
    key: "got", label: "You got", width: 130, number: true,
    cell: (s) => html`<span class="good">+${money(s.provider_payment, true)}</span>`,
  },
];

function Earnings({ who }) {
  const [page, setPage] = useQuery("page", "1");
  const at = Math.max(1, Number.parseInt(page, 10) || 1);
  const answer = useApi(
    url("/api/provider/earnings", { provider_id: who, limit: PAGE_ROWS, offset: (at - 1) * PAGE_ROWS }),
    { every: POLL_MS },
  );
  const rows = answer.data?.earnings ?? [];
  const save = () => download(url("/api/provider/earnings", { provider_id: who, format: "csv" }), "earnings.csv").catch(toastError);
  return html`<${Card} title="Payments" note=${answer.data && count(answer.data.total)} flush
      actions=${html`<${Button} small tone="quiet" icon="download" disabled=${rows.length === 0} onClick=${save}>CSV<//>`}>
    <${StaleNote} of=${answer} />
    ${answer.error && !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : html`<${DataTable} label="Payments" rows=${rows} columns=${PAYMENTS} rowKey=${(s) => s.lease_id} manual
        loading=${!answer.data} href=${(s) => `/lease/${encodeURIComponent(s.lease_id)}`} height=${1020}
        empty=${html`<${EmptyState} icon="market" title="Nothing earned yet"
          text="Each lease of your workers is paid here when it ends." />`} />`}
    <${Pager} page=${at} pages=${Math.ceil(answer.data?.total / PAGE_ROWS)}
      onPage=${(next) => setPage(next, { push: true })} />
  <//>`;
}
