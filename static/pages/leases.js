// What pages about leases share: a running lease as a row, and CSV and stop dialogs.
// <${ActiveLeases} leases=${items} />        <${StopDialog} lease=${lease} onClose=${close} onStopped=${reload} />

import { html, useRef, useState } from "/static/app/core.js";
import { onceKey, post, useApi } from "/static/app/api.js";
import { ConfirmDialog } from "/static/app/dialog.js";
import { cost, count, countdown, duration, hashrate, money } from "/static/app/format.js";
import { ErrorState, Facts, ProgressBar, Skeleton } from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { refresh } from "/static/app/session.js";
import { useNow } from "/static/app/store.js";

export const leaseHref = (lease) => `/lease/${encodeURIComponent(lease.lease_id)}`;
/** How much of a lease has passed, 0 to 1. */
export const passed = (lease, at) => Math.min(1, Math.max(0, (at - lease.created_at) / Math.max(1, lease.duration_sec)));

export function ActiveLeases({ leases }) {
  const at = useNow();
  return html`<ul class="running">
    ${leases.map((lease) => html`<li key=${lease.lease_id}>
      <div class="running-who">
        <a class="row-link" href=${leaseHref(lease)}>${lease.worker_id}</a>
        <span class="soft">${duration(lease.duration_sec)} at ${money(lease.price_per_min, true)} / min</span>
      </div>
      <div class="running-time">
        <span class="num">${countdown(lease.ends_at - at)}</span>
        <${ProgressBar} value=${passed(lease, at)} label=${`Elapsed of ${lease.worker_id}`} tone="info" />
      </div>
      <span class="number"><span class="soft">Delivered</span>${hashrate(lease.avg_hashrate)}</span>
      <span class="number"><span class="soft">Cost so far</span>${cost(lease.cost_so_far)}</span>
      <span class="number"><span class="soft">Blocks</span>${count(lease.blocks_found)}</span>
    </li>`)}
  </ul>`;
}

/** Asks, with what stopping now would cost and give back. */
export function StopDialog({ lease, onClose, onStopped }) {
  const preview = useApi(`/api/leases/${encodeURIComponent(lease.lease_id)}/preview`, { every: 2000 });
  const [busy, setBusy] = useState(false);
  const key = useRef(onceKey());
  const stop = async () => {
    setBusy(true);
    try {
      const answer = await post("/api/stop", { lease_id: lease.lease_id }, { once: key.current });
      toast("success", `Stopped. Charged ${money(answer.settlement?.total_cost)}.`);
      refresh();
      onClose();
      onStopped();
    } catch (error) { toastError(error); setBusy(false); onStopped(); }
  };
  const now = preview.data?.stop;
  return html`<${ConfirmDialog} title=${`Stop ${lease.worker_id}?`} confirm="Stop and settle" tone="danger" busy=${busy}
      disabled=${!now} onConfirm=${stop} onClose=${onClose}>
    <p>The worker stops mining for you at once. This cannot be undone.</p>
    ${now
      ? html`<${Facts} items=${[
        ["Time delivered", duration(now.billed_sec)],
        now.interrupted_sec > 0 && ["Not charged: away or paused", duration(now.interrupted_sec)],
        ["You pay", html`<strong>${money(now.total_cost, true)}</strong>`],
        ["Comes back to you", html`<strong class="good">${money(now.refund, true)}</strong>`],
      ]} />`
      : preview.error ? html`<${ErrorState} error=${preview.error} retry=${preview.reload} />`
      : html`<${Skeleton} lines=${3} />`}
  <//>`;
}
