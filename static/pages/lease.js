// A lease: how long yet, what it costs, what was promised and what came, its blocks with their proof, its end.

import { html, useEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { onceKey, post, saveCsv, url, useApi } from "/static/app/api.js";
import { ChartCard } from "/static/app/chart.js";
import { Dialog } from "/static/app/dialog.js";
import {
  cost, count, countdown, dateTime, duration, hashTag, hashrate, hashrateParts, money, percent, short, time,
} from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, Facts, Field, HashText, Icon, MetricCard, PageHead, Pill, ProgressBar, Skeleton,
  StaleNote, StatusBadge,
} from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { navigate } from "/static/app/router.js";
import { refresh, session } from "/static/app/session.js";
import { news, now, useNow } from "/static/app/store.js";
import { DataTable } from "/static/app/table.js";
import { StopDialog, passed } from "/static/pages/leases.js";
import { secondsOf } from "/static/pages/rent.js";

const POLL_MS = 5000;
const CHART_POINTS = 120;
/** A worker reports every half minute. */
const REPORT_SECONDS_MAX = 45;

export default function Lease({ params }) {
  const path = `/api/leases/${encodeURIComponent(params.id)}`;
  const answer = useApi(path, { every: POLL_MS });
  const lease = answer.data?.lease_id === params.id ? answer.data : null;
  const [open, setOpen] = useState("");
  const told = news.value;
  useEffect(() => {
    if ([...told.lease, ...told.block].some((one) => one.lease_id === params.id)) { answer.reload(); refresh(); }
  }, [told]);
  if (!lease) return html`
    <${PageHead} title="Lease" />
    ${answer.error ? html`<${Card}><${ErrorState} error=${answer.error} retry=${answer.reload} /><//>`
      : html`<${Skeleton} height=${320} />`}
  `;
  const active = lease.state === "active";
  const { account } = session.value;
  const mine = Boolean(account) && (account.role === "admin" || account.account_id === lease.consumer_id);
  const close = () => setOpen("");
  return html`
    <${PageHead} title=${lease.worker_id}
        text=${html`
          <${StatusBadge} state=${lease.state} /> Lease <${HashText} value=${lease.lease_id} head=${14} tail=${4}
            label="Copy the lease's id" />
        `}>
      ${active && mine
        ? html`
          <${Button} icon="plus" onClick=${() => setOpen("extend")}>Extend<//>
          <${Button} tone="danger" onClick=${() => setOpen("stop")}>Stop<//>
        `
        : !active && html`<${Button} tone="primary"
            onClick=${() => navigate(`/marketplace?rent=${encodeURIComponent(lease.worker_id)}`)}>
          Rent it again
        <//>`}
    <//>
    <${StaleNote} of=${answer} />
    ${active && lease.interrupted_since && html`<${Interruption} lease=${lease} />`}
    <${Figures} lease=${lease} active=${active} />
    <div class="grid-side">
      <div class="stack"><${Delivered} lease=${lease} active=${active} path=${path} /></div>
      <div class="stack">${lease.settlement && html`<${Settlement} lease=${lease} />`}<${About} lease=${lease} /></div>
    </div>
    ${open === "stop" && html`<${StopDialog} lease=${lease} onClose=${close} onStopped=${answer.reload} />`}
    ${open === "extend" && html`<${ExtendDialog} lease=${lease} path=${path} onClose=${close}
      onExtended=${answer.reload} />`}
  `;
}

/** Why nothing is charged just now. */
const Interruption = ({ lease }) => html`<p class="note warning" role="status"><${Icon} name="warning" size=${16} /><span>${lease.paused
  ? html`Its worker does not mine for this lease since ${time(lease.interrupted_since)}: it says <b class="mono">${lease.paused}</b>.`
  : `Its worker is away since ${time(lease.interrupted_since)}.`} This time is not charged.</span></p>`;

function Figures({ lease, active }) {
  const at = useNow();
  const left = Math.max(0, lease.ends_at - at);
  const part = lease.advertised_hashrate > 0 ? lease.avg_hashrate / lease.advertised_hashrate : null;
  // Nothing is what it delivers only when it has had the time to say so.
  const told = lease.avg_hashrate > 0 || lease.elapsed_sec > REPORT_SECONDS_MAX;
  const [rate, unit] = told ? hashrateParts(lease.avg_hashrate) : ["–"];
  const tone = !told ? "" : part === null || part >= 0.9 ? "success" : part >= 0.7 ? "warning" : "danger";
  const hint = !told ? (active ? "its first report is on the way" : "it ended before a report came")
    : part === null ? "nothing was advertised"
    : `${percent(part * 100)} of ${hashrate(lease.advertised_hashrate)} advertised`;
  return html`
    <div class="metrics">
      ${active
        ? html`<${MetricCard} label="Time left" icon="renter" tone="info" value=${countdown(left)}
          hint=${`ends ${dateTime(lease.ends_at)}`} />`
        : html`<${MetricCard} label="Ran" icon="renter" value=${duration(lease.elapsed_sec)}
          hint=${lease.ended_at ? `ended ${dateTime(lease.ended_at)}` : ""} />`}
      ${active
        ? html`<${MetricCard} label="Cost so far" icon="market" tone="accent" value=${cost(lease.cost_so_far)}
          hint=${`${cost(Math.max(0, lease.held - lease.cost_so_far))} to come, if it runs to its end`} />`
        : html`<${MetricCard} label="Paid" icon="market" tone="accent"
          value=${cost(lease.paid?.total_cost ?? lease.cost_so_far)}
          hint=${`${money(lease.price_per_min, true)} a minute`} />`}
      <${MetricCard} label="Delivered" icon="bolt" tone=${tone} value=${rate} unit=${unit} hint=${hint} />
      <${MetricCard} label="Blocks" icon="block" tone="warning" value=${count(lease.blocks_found)}
        hint="counted for this lease" />
    </div>
    ${active && html`<${ProgressBar} value=${passed(lease, at)} label="Elapsed" tone="info"
      text=${`${countdown(left)} left`} />`}
  `;
}

/** Seconds of one mean, so that the chart stays readable. */
function resolutionOf(lease, at) {
  const seconds = Math.min(at, lease.ended_at ?? lease.ends_at) - lease.created_at;
  return Math.min(3600, Math.max(30, Math.ceil(seconds / CHART_POINTS / 30) * 30));
}

function Delivered({ lease, active, path }) {
  const answer = useApi(url(`${path}/hashrate`, { resolution: resolutionOf(lease, now()) }), { every: active ? POLL_MS * 2 : 0 });
  const data = answer.data?.lease_id === lease.lease_id ? answer.data : null;
  const [times, series, markers] = useMemo(() => {
    const samples = data?.samples ?? [];
    const line = (value) => samples.map(() => value);
    return [samples.map((one) => one.timestamp), [
      { label: "Delivered", values: samples.map((one) => one.hashrate), color: "accent", fill: true },
      { label: "Advertised", values: line(data?.advertised_hashrate), color: "chart-4", dash: [6, 4] },
      { label: "Average", values: line(data?.avg_hashrate), color: "chart-3", dash: [2, 3] },
    ], (data?.blocks ?? []).map((block) => ({ at: block.timestamp, label: hashTag(block.hash) }))];
  }, [data]);
  return html`
    <${ChartCard} title="Delivered hashrate" times=${times} series=${series} markers=${markers} format=${hashrate}
      loading=${!data && answer.loading} error=${answer.error} retry=${answer.reload} stale=${answer}
      empty="A point is recorded every half minute." />
    <${Blocks} blocks=${data?.blocks} lease=${lease} />
  `;
}

function Blocks({ blocks, lease }) {
  const [shown, setShown] = useState(null);
  const columns = [
    { key: "at", label: "Found", width: 150, cell: (b) => html`<time>${dateTime(b.timestamp)}</time>` },
    {
      key: "hash", label: "Block",
      cell: (b) => html`<button type="button" class="link mono" onClick=${() => setShown(b)}>
        ${short(hashTag(b.hash), 12, 8)}
      </button>`,
    },
    { key: "attempts", label: "Attempts", width: 120, number: true, cell: (b) => count(b.attempts) },
    { key: "state", label: "State", width: 110, cell: (b) => html`<${Counted} block=${b} />` },
  ];
  const rows = useMemo(() => [...(blocks ?? [])].reverse(), [blocks]);
  const save = () => saveCsv(
    "blocks.csv",
    ["timestamp", "hash", "key", "account", "attempts", "prefix_valid", "chain_verified", "chain_block_id"],
    rows.map((b) => [
      b.timestamp, b.hash, b.key, b.account, b.attempts, b.prefix_valid, b.chain_verified, b.chain_block_id,
    ]),
  );
  return html`<${Card} title="Blocks" note=${blocks && count(rows.length)} flush
      actions=${html`<${Button} small tone="quiet" icon="download" disabled=${rows.length === 0} onClick=${save}>CSV<//>`}>
    <${DataTable} name="blocks" label="Blocks" rows=${rows} columns=${columns} rowKey=${(b) => b.hash + b.key} manual
      loading=${!blocks} height=${440} onRow=${setShown}
      empty=${html`<${EmptyState} icon="block" title="No block yet"
        text="Finding one is luck; the hashrate above is what you pay for." />`} />
    ${shown && html`<${Proof} block=${shown} prefix=${lease.prefix} onClose=${() => setShown(null)} />`}
  <//>`;
}

const Counted = ({ block }) => (block.prefix_valid && block.chain_verified ? html`<${Pill} tone="success">Counted<//>`
  : html`<${Pill} tone="warning">${block.prefix_valid ? "Waiting" : "Refused"}<//>`);

/** What anybody needs to check a block: the key, and the hash with its parameters. */
function Proof({ block, prefix, onClose }) {
  const whole = block.hash.startsWith("$argon2");
  return html`<${Dialog} title="Proof of a block" wide onClose=${onClose}>
    <p class="row">
      <${Counted} block=${block} />
      <span class="soft">${dateTime(block.timestamp)}, ${time(block.timestamp)}</span>
    </p>
    <${Facts} items=${[
      ["Worker", html`<a href=${`/worker/${encodeURIComponent(block.worker_id)}`}>${block.worker_id}</a>`],
      ["For the address", html`<${HashText} value=${block.account} full />`],
      ["Attempts", count(block.attempts)],
      ["On the chain", block.chain_block_id ? `Block ${count(block.chain_block_id)}` : block.chain_verified ? "Recomputed" : "Not yet"],
    ]} />
    <div class="stack small">
      <h3>Key</h3>
      <p class="secret mono">
        ${block.key && prefix && block.key.startsWith(prefix)
          ? html`<mark title="The lease's prefix">${prefix}</mark>${block.key.slice(prefix.length)}`
          : block.key || "Shown to the lease's parties"}
      </p>
    </div>
    <div class="stack small"><h3>Hash</h3><p class="secret mono">${block.hash}</p></div>
    ${whole && block.key && html`<p class="soft">
      Check it yourself: <code>xenblocks verify ${block.key} '${short(block.hash, 24, 8)}'</code>
    </p>`}
  <//>`;
}

function Settlement({ lease }) {
  const [s, paid] = [lease.settlement, lease.paid];
  return html`<${Card} title="Settlement">
    <${Facts} items=${[
      ["Time paid", duration(s.duration_sec)],
      lease.interrupted_sec > 0 && ["Not charged: away or paused", duration(lease.interrupted_sec)],
      ["To the provider", money(paid.provider_payment, true)],
      ["Platform's fee", money(paid.platform_fee, true)],
      ["In all", html`<span class="total">${money(paid.total_cost, true)}</span>`],
      ["Came back of the hold", html`<span class="good">${money(paid.refund, true)}</span>`],
      ["Settled", dateTime(s.settled_at)],
    ]} />
  <//>`;
}

function About({ lease }) {
  return html`<${Card} title="About this lease">
    <${Facts} items=${[
      ["Worker", html`<a href=${`/worker/${encodeURIComponent(lease.worker_id)}`}>${lease.worker_id}</a>`],
      ["Price", `${money(lease.price_per_min, true)} a minute`],
      ["Length", duration(lease.duration_sec)],
      [lease.state === "active" ? "Held" : "Was held", money(lease.paid?.held ?? lease.held, true)],
      ["Began", dateTime(lease.created_at)],
      lease.state === "active"
        && lease.interrupted_sec > 0
        && ["Away or paused, not charged", html`<span class="warn">${duration(lease.interrupted_sec)}</span>`],
      lease.mining_address && ["Mines for", html`<${HashText} value=${lease.mining_address} />`],
      lease.prefix && ["Keys begin with", html`<${HashText} value=${lease.prefix} full />`],
    ]} />
  <//>`;
}

function ExtendDialog({ lease, path, onClose, onExtended }) {
  const [typed, setTyped] = useState("30 min");
  const [busy, setBusy] = useState(false);
  const key = useRef({ key: onceKey(), at: 0 });
  const seconds = secondsOf(typed);
  const preview = useApi(seconds > 0 ? url(`${path}/preview`, { extend_sec: Math.min(seconds, 31536000) }) : null, { every: POLL_MS });
  const plan = preview.data?.extend?.extend_sec === seconds ? preview.data.extend : null;
  const extend = async (event) => {
    event.preventDefault();
    if (!plan?.possible || busy) return;
    if (key.current.at !== seconds) key.current = { key: onceKey(), at: seconds };
    setBusy(true);
    try {
      await post(`${path}/extend`, { duration_sec: seconds }, { once: key.current.key });
      toast("success", `Extended by ${duration(seconds)}`);
      refresh();
      onClose();
      onExtended();
    } catch (error) { toastError(error); setBusy(false); }
  };
  return html`<${Dialog} title=${`Extend ${lease.worker_id}`} onClose=${onClose}
      footer=${html`
        <${Button} onClick=${onClose}>Cancel<//>
        <${Button} tone="primary" type="submit" form="extend-form" busy=${busy} disabled=${!plan?.possible}>Extend<//>
      `}>
    <form id="extend-form" class="stack" onSubmit=${extend} noValidate>
      <${Field} label="By how long" error=${seconds > 0 ? plan?.problem : "A time such as 45 min or 2 h."}
          hint="At the lease's price and with its prefix.">
        <input name="length" autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.currentTarget.value)}
          autofocus />
      <//>
      ${plan
        ? html`<${Facts} items=${[
          ["Ends", dateTime(plan.ends_at)],
          ["Held in addition", html`<strong>${money(plan.more_held, true)}</strong>`],
          ["Your available balance", money(plan.available, true)],
          ["after", html`<span class=${plan.available_after < 0 ? "bad" : ""}>${money(plan.available_after, true)}</span>`],
        ]} />`
        : preview.error ? html`<${ErrorState} error=${preview.error} retry=${preview.reload} />`
        : seconds > 0 && html`<${Skeleton} lines=${3} />`}
    </form>
  <//>`;
}
