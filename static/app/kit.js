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
// <${Icon} name="bell" size=${18} />                        line icons on a 24 px grid; decorative unless `label` is given
// <${Facts} items=${[["Worker", id], ["State", html`…`]]} />  a definition list

import { cloneElement } from "preact";
import { cx, html, useEffect, useId, useState } from "/static/app/core.js";
import { gpuLabel, short } from "/static/app/format.js";
import { toast } from "/static/app/notices.js";
import { setQuery } from "/static/app/router.js";

export function Button({ tone, small, busy, icon, children, class: name, disabled, type = "button", ...rest }) {
  return html`<button type=${type} class=${cx("button", tone, small && "small", name)}
    disabled=${disabled || busy} aria-busy=${busy ? "true" : undefined} ...${rest}>
    ${busy
      ? html`<span class="spinner" aria-hidden="true"></span>`
      : icon && html`<${Icon} name=${icon} size=${16} />`}
    ${children}</button>`;
}

export function PageHead({ title, text, children }) {
  return html`<div class="page-head"><div><h1 tabindex="-1">${title}</h1>${text && html`<p class="soft">${text}</p>`}</div>
    ${children && html`<div class="row">${children}</div>`}</div>`;
}

export function Card({ title, note, actions, flush, class: name, children, id }) {
  const heading = useId();
  return html`<section class=${cx("card", name)} id=${id} aria-labelledby=${title ? heading : undefined}>
    ${title && html`<header>
      <h2 id=${heading}>${title}</h2>
      ${note && html`<span class="soft">${note}</span>`}
      ${actions && html`<div class="row end">${actions}</div>`}
    </header>`}
    <div class=${flush ? "flush" : "body"}>${children}</div></section>`;
}

export function MetricCard({ label, value, unit, hint, icon, tone, loading, href }) {
  const inner = html`<span class="metric-label">${icon && html`<${Icon} name=${icon} size=${16} />`}${label}</span>
    <span class="metric-value">
      ${loading
        ? html`<span class="skeleton metric-wait"></span>`
        : html`${value}${unit && html` <small>${unit}</small>`}`}
    </span>
    <span class="metric-hint">${hint ?? " "}</span>`;
  return href
    ? html`<a class="metric" data-tone=${tone} href=${href}>${inner}</a>`
    : html`<div class="metric" data-tone=${tone}>${inner}</div>`;
}

const STATES = {
  AVAILABLE: ["Available", "success"], LEASED: ["Leased", "info"], MINING: ["Mining", "info"], SELF_MINING: ["Self-mining", "warning"],
  IDLE: ["Idle", ""], ERROR: ["Error", "danger"], OFFLINE: ["Offline", "danger"],
  offline: ["Offline", "danger"], online: ["Online", "success"],
  active: ["Active", "info"], completed: ["Completed", "success"], cancelled: ["Cancelled", "warning"],
};
export function StatusBadge({ state }) {
  const [text, tone] = STATES[state] ?? [String(state ?? "Unknown"), ""];
  return html`<span class=${cx("badge", tone)}><i class="dot" aria-hidden="true"></i>${text}</span>`;
}
/** What to call a worker's state: silence comes before what it said last. */
export const stateOf = (worker) => (worker.online === false ? "offline" : worker.state);

export const GpuBadge = ({ worker }) => html`<span class="gpu" title=${gpuLabel(worker)}>
  <${Icon} name="gpu" size=${14} /><span>${gpuLabel(worker)}</span></span>`;
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
  const copyIt = (event) => { event.stopPropagation(); copy(text); };
  return html`<span class=${cx("hash", full && "full")}>
    ${href
      ? html`<a class="mono" href=${href} title=${text}>${shown}</a>`
      : html`<span class="mono" title=${text}>${shown}</span>`}
    <button type="button" class="icon-button tiny" aria-label=${`${label} ${shown}`} onClick=${copyIt}>
      <${Icon} name="copy" size=${14} /></button></span>`;
}

export function EmptyState({ icon = "info", title, text, children }) {
  return html`<div class="empty"><span class="empty-icon"><${Icon} name=${icon} size=${24} /></span><p class="empty-title">${title}</p>
    ${text && html`<p class="soft">${text}</p>`}${children && html`<div class="row center">${children}</div>`}</div>`;
}

export function ErrorState({ error, retry }) {
  return html`<div class="empty" role="alert"><span class="empty-icon danger"><${Icon} name="warning" size=${24} /></span>
    <p class="empty-title">
      ${error?.status === 403 ? "Not yours to see" : error?.status === 404 ? "Not there" : "This could not be loaded"}</p>
    <p class="soft">${error?.message}</p>${retry && html`<div class="row center"><${Button} onClick=${retry}>Try again<//></div>`}</div>`;
}

export const StaleNote = ({ of }) => of.stale && html`<p class="note warning">
  <${Icon} name="warning" size=${16} />
  <span>These figures are not current: ${of.error.message}</span> <button type="button" class="link"
    onClick=${of.reload}>Try again</button></p>`;

export function Skeleton({ lines = 3, height }) {
  if (height) return html`<div class="skeleton" style=${{ height: `${height}px` }} role="status"><span class="hidden">Loading</span></div>`;
  return html`<div class="skeleton-lines" role="status">
    <span class="hidden">Loading</span>
    ${Array.from({ length: lines }, (_, i) => html`<div class="skeleton line" key=${i}></div>`)}</div>`;
}

export function ProgressBar({ value, label, tone = "accent", text }) {
  const part = Math.min(1, Math.max(0, Number(value) || 0));
  return html`<div class="progress" role="progressbar" aria-label=${label} data-tone=${tone}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(part * 100)} aria-valuetext=${text}>
    <span style=${{ transform: `scaleX(${part})` }}></span></div>`;
}

/** Shown on hover and on focus; Escape hides it. */
export function Tooltip({ text, children }) {
  const id = useId();
  const [open, setOpen] = useState(false);
  return html`<span class="tip"
    onMouseEnter=${() => setOpen(true)} onMouseLeave=${() => setOpen(false)}
    onFocusIn=${() => setOpen(true)} onFocusOut=${() => setOpen(false)}
    onKeyDown=${(event) => { if (event.key === "Escape" && open) { event.stopPropagation(); setOpen(false); } }}>
    <span class="tip-on" tabindex="0" aria-describedby=${id}>${children}</span>
    <span id=${id} role="tooltip" class=${cx("tip-text", open && "open")}>${text}</span></span>`;
}

export function ViewToggle({ label, value, options, onChange }) {
  return html`<div class="segments" role="group" aria-label=${label}>
    ${options.map(([key, text, icon]) => html`<button type="button" key=${key}
      aria-pressed=${String(value) === String(key) ? "true" : "false"} onClick=${() => onChange(key)}>
      ${icon && html`<${Icon} name=${icon} size=${16} />`}<span>${text}</span></button>`)}</div>`;
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

export const Facts = ({ items }) => html`<dl class="facts">
  ${items.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

/** `pages` is not a number until it is known. A page after the last one is the last one. */
export function Pager({ page, pages, onPage }) {
  useEffect(() => { if (pages >= 0 && page > Math.max(1, pages)) setQuery({ page: pages > 1 ? pages : "" }); }, [page, pages]);
  if (!(pages > 1)) return null;
  return html`<nav class="pager" aria-label="Pages">
    <${Button} small icon="left" disabled=${page <= 1} onClick=${() => onPage(page - 1)}>Previous<//>
    <span class="soft num">${page} of ${pages}</span>
    <${Button} small disabled=${page >= pages} onClick=${() => onPage(page + 1)}>Next<${Icon} name="right" size=${16} /><//></nav>`;
}

// --- icons ---

const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  monitoring: "M3 12h4l3 7 4-14 3 7h4",
  market: "M4 9l1.5-5h13L20 9M4 9v11h16V9M4 9h16M9 20v-6h6v6",
  renter: "M12 7v5l3 2M12 3a9 9 0 100 18 9 9 0 000-18z",
  provider: "M4 5h16v5H4zM4 14h16v5H4zM7.5 7.5h.01M7.5 16.5h.01",
  block: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  account: "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20c1-3.5 4-5 7.5-5s6.500 1.500 7.500 5",
  wallet: "M4 7h15v12H4zM4 7l11-3v3M15.500 13h.01",
  search: "M10.500 17a6.500 6.500 0 100-13 6.500 6.500 0 000 13zM20 20l-4.800-4.800",
  bell: "M6 16V11a6 6 0 0112 0v5l1.500 2h-15zM10 21h4",
  sun: "M12 16a4 4 0 100-8 4 4 0 000 8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2"
    + "M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400",
  moon: "M20 14.500A8.500 8.500 0 019.500 4a8.500 8.500 0 1010.500 10.500z",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  right: "M9 5l7 7-7 7",
  left: "M15 5l-7 7 7 7",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  chart: "M4 20V4M4 20h16M8 16l4-5 3 3 5-7",
  table: "M4 5h16v14H4zM4 10h16M4 14.500h16M10 10v9",
  info: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 11v5.500M12 7.500h.01",
  warning: "M12 4l9 16H3zM12 10v4.500M12 17.300h.01",
  key: "M8 16a4 4 0 110-8 4 4 0 010 8zM12 12h9v3M17 12v3",
  out: "M14 4H5v16h9M10 12h11M17 8l4 4-4 4",
  download: "M12 4v11M7 10.500l5 5 5-5M4 20h16",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  gpu: "M3 7h16v10H3zM19 10h2v4h-2M6 17v3M10 17v3M7 10h4v4H7zM14 10.500h2M14 13.500h2",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  external: "M10 5H5v14h14v-5M13 5h6v6M19 5l-9 9",
  question: "M12 21a9 9 0 100-18 9 9 0 000 18zM9.500 9.500a2.500 2.500 0 114 2c-.9.700-1.500 1.200-1.500 2.200M12 17h.01",
  trophy: "M8 4h8v6a4 4 0 01-8 0zM8 6H4.500c0 3 1.500 4.500 3.500 4.500M16 6h3.500c0 3-1.500 4.500-3.500 4.500M12 14v4M8 20h8",
  filter: "M4 5h16l-6 7.500V19l-4-2v-4.500z",
};

export function Icon({ name, size = 18, label }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24"
    aria-hidden=${label ? undefined : "true"} role=${label ? "img" : undefined} aria-label=${label}>
    <path d=${PATHS[name] ?? PATHS.info} /></svg>`;
}
