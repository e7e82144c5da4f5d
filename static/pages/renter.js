// Renter: what runs, what was spent, and every lease there was.

import { html, useState } from "/static/app/core.js";
import { download, url, useApi } from "/static/app/api.js";
import { cost, count, dateTime, duration, hashrate, money } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, MetricCard, PageHead, Pager, Skeleton, StaleNote, StatusBadge, ViewToggle,
} from "/static/app/kit.js";
import { toastError } from "/static/app/notices.js";
import { navigate, setQuery, useQuery } from "/static/app/router.js";
import { openSignIn, session } from "/static/app/session.js";
import { DataTable } from "/static/app/table.js";
import { ActiveLeases, leaseHref } from "/static/pages/leases.js";

const PAGE_ROWS = 20;
const POLL_MS = 5000;
const STATES = [["", "All"], ["active", "Active"], ["completed", "Completed"], ["cancelled", "Cancelled"]];
const COLUMNS = [
  { key: "worker", label: "Worker", title: true, cell: (l) => l.worker_id },
  { key: "state", label: "State", width: 130, cell: (l) => html`<${StatusBadge} state=${l.state} />` },
  { key: "at", label: "Began", width: 160, cell: (l) => dateTime(l.created_at) },
  {
    key: "length", label: "Ran", width: 150, number: true,
    cell: (l) => html`<span>${duration(l.elapsed_sec)} <span class="soft">of ${duration(l.duration_sec)}</span></span>`,
  },
  { key: "rate", label: "Delivered", width: 130, number: true, cell: (l) => hashrate(l.avg_hashrate) },
  { key: "blocks", label: "Blocks", width: 90, number: true, cell: (l) => count(l.blocks_found) },
  { key: "cost", label: "Cost", width: 120, number: true, cell: (l) => cost(l.cost_so_far) },
];

export default function Renter() {
  const { status, account } = session.value;
  if (status === "checking" && !account) return html`<${PageHead} title="Renter" /><${Skeleton} height=${280} />`;
  if (!account) return html`
    <${PageHead} title="Renter" text="Your leases, and what they delivered." />
    <${Card}>
      <${EmptyState} icon="renter" title="Sign in to see your leases"
          text="What runs for you, what it delivers, and what it costs.">
        <${Button} tone="primary" onClick=${() => openSignIn()}>Sign in<//>
        <${Button} onClick=${() => navigate("/marketplace")}>Look at the market<//>
      <//>
    <//>
  `;
  return html`
    <${PageHead} title="Renter" text="Your leases, and what they delivered.">
      <${Button} tone="primary" icon="market" onClick=${() => navigate("/marketplace")}>Rent hashpower<//>
    <//>
    <${Totals} account=${account} />
    <${Running} />
    <${History} />
  `;
}

function Totals({ account }) {
  const stats = useApi("/api/renter/stats", { every: POLL_MS });
  const s = stats.data;
  if (stats.error && !s) return html`<${Card}><${ErrorState} error=${stats.error} retry=${stats.reload} /><//>`;
  return html`
    <${StaleNote} of=${stats} />
    <div class="metrics">
      <${MetricCard} label="Active leases" icon="renter" tone="info" value=${count(s?.active_leases)} loading=${!s}
        hint=${s && `of ${count(s.total_leases)} in all`} />
      <${MetricCard} label="Spent" icon="market" tone="accent" value=${money(s?.total_spent)} loading=${!s}
        hint=${s && `${money(s.avg_cost)} a lease`} />
      <${MetricCard} label="Held" icon="bolt" tone="warning" value=${money(account.held)}
        hint="what is not used comes back" />
      <${MetricCard} label="Available" icon="wallet" tone="success" value=${money(account.available ?? account.balance)}
        hint="to rent with" href="/account" />
    </div>
  `;
}

function Running() {
  const leases = useApi("/api/renter/leases?state=active&limit=100", { every: POLL_MS });
  if (!leases.data) return leases.error ? null : html`<${Card} title="Running now"><${Skeleton} lines=${3} /><//>`;
  if (leases.data.items.length === 0) return html`<${Card} title="Running now">
    <${EmptyState} icon="bolt" title="No worker runs for you now" text="Rent one: it starts within seconds.">
      <${Button} tone="primary" onClick=${() => navigate("/marketplace")}>Browse the market<//>
    <//>
  <//>`;
  return html`<${Card} title="Running now" note=${count(leases.data.total)} flush>
    <${StaleNote} of=${leases} />
    <${ActiveLeases} leases=${leases.data.items} />
  <//>`;
}

function History() {
  const [state] = useQuery("state");
  const [page, setPage] = useQuery("page", "1");
  const [saving, setSaving] = useState(false);
  const at = Math.max(1, Number.parseInt(page, 10) || 1);
  const answer = useApi(url("/api/renter/leases", { state, limit: PAGE_ROWS, offset: (at - 1) * PAGE_ROWS }), { every: POLL_MS });
  const rows = answer.data?.items ?? [];
  const save = async () => {
    setSaving(true);
    await download(url("/api/renter/leases", { state, format: "csv" }), "leases.csv").catch(toastError);
    setSaving(false);
  };
  return html`<${Card} title="History" note=${answer.data && count(answer.data.total)} flush
      actions=${html`<div class="filters">
        <${ViewToggle} label="State" value=${state} options=${STATES}
          onChange=${(next) => setQuery({ state: next, page: "" })} />
        <${Button} small tone="quiet" icon="download" busy=${saving} disabled=${rows.length === 0} onClick=${save}>
          CSV
        <//>
      </div>`}>
    <${StaleNote} of=${answer} />
    ${answer.error && !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : html`<${DataTable} label="Leases" rows=${rows} columns=${COLUMNS} rowKey=${(l) => l.lease_id} manual
        loading=${!answer.data} href=${leaseHref} height=${1020}
        empty=${html`<${EmptyState} icon="list" title=${state ? `No ${state} lease` : "No lease yet"}
          text="Each lease stays here with its settlement." />`} />`}
    <${Pager} page=${at} pages=${Math.ceil(answer.data?.total / PAGE_ROWS)}
      onPage=${(next) => setPage(next, { push: true })} />
  <//>`;
}
