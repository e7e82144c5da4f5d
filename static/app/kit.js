// The small parts every page is made of. Charts are in chart.js, tables in table.js, dialogs in dialog.js.
//
// <${MetricCard} label="Hashrate" value="12.3" unit="kH/s" icon="bolt" hint="of 40 workers" tone="accent" loading=${false} />
// <${StatusBadge} state="AVAILABLE" />                      worker, lease or connection states, each with a word and a colour
// <${GpuBadge} worker=${worker} />                          4× RTX 4090
// <${HashText} value="0x…" head=${6} tail=${4} href="…" />  shortened, with a copy button; `full` shows all of it
// <${Pill} tone="success">Counted<//>
// <${EmptyState} icon="market" title="No workers" text="…">actions<//>
// <${ErrorState} error=${error} retry=${reload} />          <${StaleNote} of=${useApiAnswer} />
// <${Skeleton} lines=${3} height=${120} />
// <${ProgressBar} value=${0.4} label="Elapsed" tone="accent" />
// <${Tooltip} text="What it means"><span>Reputation</span><//>
// <${ViewToggle} label="View" value=${v} options=${[["grid", "Grid", "grid"], ["list", "List"]]} onChange=${set} />
// <${Tabs} label="Period" value=${tab} options=${[["a", "A"]]} onChange=${set} />   same control, for ranges and tabs
// <${Card} title="Blocks" actions=${…} flush>…<//>          <${PageHead} title="Renter" text="…">actions<//>
// <${Field} label="Price" hint="…" error="…"><input name="price" /><//>   labels its one control
// <${Button} tone="primary|danger|quiet" small busy=${sending} onClick=…>Rent<//>
// <${Facts} items=${[["Worker", id], ["State", html`…`]]} />  a definition list

import { cloneElement } from "preact";
import { cx, html, useId, useState } from "/static/app/core.js";
import { gpuLabel, short } from "/static/app/format.js";
import { Icon } from "/static/app/icons.js";
import { toast } from "/static/app/notices.js";

export { Icon };

export function Button({ tone, small, busy, icon, children, class: name, disabled, type = "button", ...rest }) {
  return html`<button type=${type} class=${cx("button", tone, small && "small", name)} disabled=${disabled || busy} aria-busy=${busy ? "true" : undefined} ...${rest}>
    ${busy ? html`<span class="spinner" aria-hidden="true"></span>` : icon && html`<${Icon} name=${icon} size=${16} />`}${children}</button>`;
}

export function PageHead({ title, text, children }) {
  return html`<div class="page-head"><div><h1 tabindex="-1">${title}</h1>${text && html`<p class="soft">${text}</p>`}</div>
    ${children && html`<div class="row">${children}</div>`}</div>`;
}

export function Card({ title, note, actions, flush, class: name, children, id }) {
  const heading = useId();
  return html`<section class=${cx("card", name)} id=${id} aria-labelledby=${title ? heading : undefined}>
    ${title && html`<header><h2 id=${heading}>${title}</h2>${note && html`<span class="soft">${note}</span>`}${actions && html`<div class="row end">${actions}</div>`}</header>`}
    <div class=${flush ? "flush" : "body"}>${children}</div></section>`;
}

export function MetricCard({ label, value, unit, hint, icon, tone, loading, href }) {
  const inner = html`<span class="metric-label">${icon && html`<${Icon} name=${icon} size=${16} />`}${label}</span>
    <span class="metric-value">${loading ? html`<span class="skeleton metric-wait"></span>` : html`${value}${unit && html` <small>${unit}</small>`}`}</span>
    <span class="metric-hint">${hint ?? " "}</span>`;
  return href ? html`<a class="metric" data-tone=${tone} href=${href}>${inner}</a>` : html`<div class="metric" data-tone=${tone}>${inner}</div>`;
}

const STATES = {
  AVAILABLE: ["Available", "success"], LEASED: ["Leased", "info"], MINING: ["Mining", "info"], SELF_MINING: ["Self-mining", "warning"],
  IDLE: ["Idle", ""], ERROR: ["Error", "danger"], OFFLINE: ["Offline", "danger"], offline: ["Offline", "danger"], online: ["Online", "success"],
  active: ["Active", "info"], completed: ["Completed", "success"], cancelled: ["Cancelled", "warning"],
};
export function StatusBadge({ state }) {
  const [text, tone] = STATES[state] ?? [String(state ?? "Unknown"), ""];
  return html`<span class=${cx("badge", tone)}><i class="dot" aria-hidden="true"></i>${text}</span>`;
}
/** What to call a worker's state: silence comes before what it said last. */
export const stateOf = (worker) => (worker.online === false ? "offline" : worker.state);

export const GpuBadge = ({ worker }) => html`<span class="gpu" title=${gpuLabel(worker)}><${Icon} name="gpu" size=${14} /><span>${gpuLabel(worker)}</span></span>`;
export const Pill = ({ tone, children }) => html`<span class=${cx("badge", tone)}>${children}</span>`;

export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    toast("success", what);
  } catch { toast("warning", "The browser does not allow copying here."); }
}

export function HashText({ value, head = 6, tail = 4, full, href, label = "Copy" }) {
  const text = String(value ?? "");
  if (!text) return html`<span class="soft">–</span>`;
  const shown = full ? text : short(text, head, tail);
  return html`<span class="hash">${href ? html`<a class="mono" href=${href} title=${text}>${shown}</a>` : html`<span class="mono" title=${text}>${shown}</span>`}
    <button type="button" class="icon-button tiny" aria-label=${`${label} ${shown}`} onClick=${(event) => { event.stopPropagation(); copy(text); }}><${Icon} name="copy" size=${14} /></button></span>`;
}

export function EmptyState({ icon = "info", title, text, children }) {
  return html`<div class="empty"><span class="empty-icon"><${Icon} name=${icon} size=${24} /></span><p class="empty-title">${title}</p>
    ${text && html`<p class="soft">${text}</p>`}${children && html`<div class="row center">${children}</div>`}</div>`;
}

export function ErrorState({ error, retry }) {
  return html`<div class="empty" role="alert"><span class="empty-icon danger"><${Icon} name="warning" size=${24} /></span>
    <p class="empty-title">${error?.status === 403 ? "Not yours to see" : error?.status === 404 ? "Not there" : "This could not be loaded"}</p>
    <p class="soft">${error?.message}</p>${retry && html`<div class="row center"><${Button} onClick=${retry}>Try again<//></div>`}</div>`;
}

export const StaleNote = ({ of }) => of.stale && html`<p class="note warning"><${Icon} name="warning" size=${16} /><span>These figures are not current: ${of.error.message}</span> <button type="button" class="link" onClick=${of.reload}>Try again</button></p>`;

export function Skeleton({ lines = 3, height }) {
  if (height) return html`<div class="skeleton" style=${{ height: `${height}px` }} role="status"><span class="hidden">Loading</span></div>`;
  return html`<div class="skeleton-lines" role="status"><span class="hidden">Loading</span>${Array.from({ length: lines }, (_, i) => html`<div class="skeleton line" key=${i}></div>`)}</div>`;
}

export function ProgressBar({ value, label, tone = "accent", text }) {
  const part = Math.min(1, Math.max(0, Number(value) || 0));
  return html`<div class="progress" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)} aria-valuetext=${text} data-tone=${tone}>
    <span style=${{ transform: `scaleX(${part})` }}></span></div>`;
}

/** Shown on hover and on focus; Escape hides it. */
export function Tooltip({ text, children }) {
  const id = useId();
  const [open, setOpen] = useState(false);
  return html`<span class="tip" onMouseEnter=${() => setOpen(true)} onMouseLeave=${() => setOpen(false)} onFocusIn=${() => setOpen(true)} onFocusOut=${() => setOpen(false)}
    onKeyDown=${(event) => { if (event.key === "Escape" && open) { event.stopPropagation(); setOpen(false); } }}>
    <span class="tip-on" tabindex="0" aria-describedby=${id}>${children}</span><span id=${id} role="tooltip" class=${cx("tip-text", open && "open")}>${text}</span></span>`;
}

export function ViewToggle({ label, value, options, onChange }) {
  return html`<div class="segments" role="group" aria-label=${label}>${options.map(([key, text, icon]) => html`<button type="button" key=${key}
    aria-pressed=${String(value) === String(key) ? "true" : "false"} onClick=${() => onChange(key)}>${icon && html`<${Icon} name=${icon} size=${16} />`}<span>${text}</span></button>`)}</div>`;
}
export const Tabs = ViewToggle;

/** Gives its one control an id, its label, and what is wrong with it. */
export function Field({ label, hint, error, children, class: name }) {
  const id = useId();
  const said = hint || error ? `${id}-said` : undefined;
  const control = Array.isArray(children) ? children.find((child) => child && typeof child === "object") : children;
  return html`<div class=${cx("field", name)}><label for=${id}>${label}</label>
    ${cloneElement(control, { id, "aria-describedby": said, "aria-invalid": error ? "true" : undefined })}
    ${said && html`<p class=${cx("field-said", error && "bad")} id=${said}>${error || hint}</p>`}</div>`;
}

export const Facts = ({ items }) => html`<dl class="facts">${items.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

export function Pager({ page, pages, onPage }) {
  if (pages <= 1) return null;
  return html`<nav class="pager" aria-label="Pages"><${Button} small icon="left" disabled=${page <= 1} onClick=${() => onPage(page - 1)}>Previous<//>
    <span class="soft num">${page} of ${pages}</span><${Button} small disabled=${page >= pages} onClick=${() => onPage(page + 1)}>Next<${Icon} name="right" size=${16} /><//></nav>`;
}
