// Tables: sortable, virtual (only rows in sight exist), sort in the URL, cards on a narrow screen.
// <${DataTable} name="fleet" label="Workers" rows=${rows} rowKey=${(w) => w.worker_id} sort="-hashrate"
//    columns=${[{ key: "worker_id", label: "Worker", cell: (w) => w.worker_id, value: (w) => w.worker_id, width: 200 },
//               { key: "hashrate", label: "Hashrate", cell: (w) => hashrate(w.hashrate), value: (w) => w.hashrate, number: true }]}
//    href=${(w) => `/worker/${w.worker_id}`} empty=${html`<${EmptyState} …/>`} height=${560} tick=${roster.tick} />
// A column sorts when it has `value`; Shift-click a heading sorts by several columns. `width` in px, or none for a share of
// what is left. A card is headed by the column with `title`; one with `wideOnly` is left out where there is little room.
// `loading` shows skeleton rows. `manual` leaves the order to the caller (a server that sorts), who reads it with
// useSort(name, fallback). `tick` changes when rows were changed in place.

import { cx, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { Icon } from "/static/app/kit.js";
import { navigate, useQuery } from "/static/app/router.js";

const ROW_PX = 48;
const CARD_LINE_PX = 28;
const OVERSCAN = 6;
const SORT_MS = 1000;
const collator = new Intl.Collator(undefined, { numeric: true });
const NARROW = "(max-width: 700px)";
const TIGHT = "(max-width: 1000px)";

/** The sort of the URL: [{key, down}], and what a click on a heading does. */
export function useSort(name, fallback = "") {
  const [text, setText] = useQuery(name ? `${name}-sort` : "sort", fallback);
  const order = useMemo(() => text
    .split(",")
    .filter(Boolean)
    .map((part) => ({ key: part.replace(/^-/, ""), down: part.startsWith("-") })), [text]);
  const toggle = (key, several, numeric) => {
    const old = order.find((one) => one.key === key);
    const next = { key, down: old ? !old.down : Boolean(numeric) };
    const rest = several ? order.filter((one) => one.key !== key) : [];
    setText([...rest, next].map((one) => (one.down ? "-" : "") + one.key).join(","));
  };
  return { order, toggle, text };
}

function compare(a, b) {
  if (typeof a === "number" || typeof b === "number") return (Number(a) || 0) - (Number(b) || 0);
  return collator.compare(a ?? "", b ?? "");
}

/** Sorted, anew at most once a second while only values change: rows must not jump under the pointer. */
function useSorted(rows, columns, order, tick, manual) {
  const kept = useRef({ at: 0 });
  const old = kept.current;
  const same = old.rows === rows && old.order === order;
  if (!same || (old.tick !== tick && performance.now() - old.at > SORT_MS)) {
    const by = order
      .map(({ key, down }) => [columns.find((column) => column.key === key)?.value, down ? -1 : 1])
      .filter(([value]) => value);
    const sorted = manual || by.length === 0 ? rows : [...rows].sort((a, b) => {
      for (const [value, sign] of by) { const way = compare(value(a), value(b)); if (way !== 0) return way * sign; }
      return 0;
    });
    kept.current = { rows, order, tick, sorted, at: performance.now() };
  }
  return kept.current.sorted;
}

/** Whether the screen is like that. */
function useScreen(query) {
  const [is, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const screen = matchMedia(query);
    const change = () => set(screen.matches);
    screen.addEventListener("change", change);
    return () => screen.removeEventListener("change", change);
  }, [query]);
  return is;
}

export function DataTable({
  name = "", label, rows, columns, rowKey, sort = "", href, onRow, empty, loading, height = 560, tick = 0, manual, rowClass,
}) {
  const { order, toggle } = useSort(name, sort);
  const [cards, tight] = [useScreen(NARROW), useScreen(TIGHT)];
  const sorted = useSorted(rows ?? [], columns, order, tick, manual);
  const scroller = useRef(null);
  const [view, setView] = useState({ top: 0, height });
  const shown = columns.filter((column) => !(tight && column.wideOnly));
  const rowPx = cards ? 24 + shown.length * CARD_LINE_PX : ROW_PX;
  // With the new order itself: later, it would undo what somebody has scrolled since.
  useLayoutEffect(() => { if (scroller.current) scroller.current.scrollTop = 0; }, [order, name]);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    let frame = 0;
    const read = () => { frame = 0; setView({ top: element.scrollTop, height: element.clientHeight }); };
    const onScroll = () => { frame ||= requestAnimationFrame(read); };
    element.addEventListener("scroll", onScroll, { passive: true });
    const sized = new ResizeObserver(onScroll);
    sized.observe(element);
    return () => { element.removeEventListener("scroll", onScroll); sized.disconnect(); cancelAnimationFrame(frame); };
  }, [sorted.length > 0]);
  if (!loading && sorted.length === 0) return empty ?? null;
  // Of fewer rows than there were, the last are shown until the browser has scrolled back to them.
  const last = Math.min(sorted.length, Math.ceil((view.top + view.height) / rowPx) + OVERSCAN);
  const first = Math.max(0, Math.min(Math.floor(view.top / rowPx), last - Math.ceil(view.height / rowPx)) - OVERSCAN);
  const below = (sorted.length - last) * rowPx;
  const full = sorted.length * rowPx + (cards ? 0 : 41);
  const open = (row, event) => {
    if (event.target.closest("a, button, input, label, select")) return;
    if (href) navigate(href(row)); else onRow?.(row);
  };
  const tall = Math.min(height, loading ? ROW_PX * 6 : full + 2);
  const least = shown.reduce((sum, c) => sum + (c.width ?? 140), 0);
  const space = (key, px) => html`<tr key=${key} class="space" aria-hidden="true" style=${{ height: `${px}px` }}>
    <td colspan=${shown.length}></td></tr>`;
  const waiting = (_, i) => html`<tr key=${i} role="row">
    ${shown.map((c) => html`<td role="cell" key=${c.key}><span class="skeleton line"></span></td>`)}</tr>`;
  return html`<div class=${cx("table-scroll", cards && "cards")} ref=${scroller} style=${{ height: `${tall}px` }}
    tabindex="0" role="group" aria-label=${label}>
    <table role="table" aria-rowcount=${sorted.length + 1} class=${cards ? "cards" : ""}
      style=${{ minWidth: cards ? undefined : `${least}px` }}>
      <colgroup>${shown.map((c) => html`<col key=${c.key} style=${{ width: c.width ? `${c.width}px` : "auto" }} />`)}</colgroup>
      <thead role="rowgroup"><tr role="row">
        ${shown.map((column) => html`<${Heading} key=${column.key} column=${column} order=${order} toggle=${toggle} />`)}
      </tr></thead>
      <tbody role="rowgroup">
        ${first > 0 && space("above", first * rowPx)}
        ${loading && sorted.length === 0
          ? Array.from({ length: 5 }, waiting)
          : sorted.slice(first, last).map((row, i) => html`<tr role="row" key=${rowKey(row)} aria-rowindex=${first + i + 2}
              style=${{ height: `${rowPx}px` }} class=${cx((href || onRow) && "opens", rowClass?.(row))}
              onClick=${href || onRow ? (event) => open(row, event) : undefined}>
              ${shown.map((column, at) => html`<td role="cell" key=${column.key}
                class=${cx(column.number && "number", column.clip !== false && "clip", !column.label && "stick")}
                data-label=${column.label} data-title=${column.title || undefined}>
                ${at === 0 && href ? html`<a class="row-link" href=${href(row)}>${column.cell(row)}</a>` : column.cell(row)}</td>`)}</tr>`)}
        ${below > 0 && space("below", below)}
      </tbody></table></div>`;
}

function Heading({ column, order, toggle }) {
  const at = order.findIndex((one) => one.key === column.key);
  const down = order[at]?.down;
  if (!column.value) {
    return html`<th role="columnheader" scope="col" class=${cx(column.number && "number", !column.label && "stick")}>
      ${column.label || html`<span class="hidden">Actions</span>`}</th>`;
  }
  return html`<th role="columnheader" scope="col" class=${column.number ? "number" : ""}
    aria-sort=${at === 0 ? (down ? "descending" : "ascending") : undefined}>
    <button type="button" class=${cx("sort", at >= 0 && "on")} title="Sort; with Shift, by several columns"
      onClick=${(event) => toggle(column.key, event.shiftKey, column.number)}>${column.label}
    <${Icon} name=${at >= 0 && !down ? "up" : "down"} size=${12} />
    ${at >= 0 && order.length > 1 && html`<sup>${at + 1}</sup>`}</button></th>`;
}
