// Marketplace: what is for rent, as cards, as a list or as an order book. Every filter is in the address.

import { html } from "/static/app/core.js";
import { get, url, useApi } from "/static/app/api.js";
import { count, hashrate, money, percent, pricePerKiloHour, unitMoney } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, GpuBadge, Icon, PageHead, Pager, Skeleton, StaleNote, StatusBadge, ViewToggle,
  stateOf,
} from "/static/app/kit.js";
import { toastError } from "/static/app/notices.js";
import { setQuery, useQuery } from "/static/app/router.js";
import { isIn, session } from "/static/app/session.js";
import { DataTable } from "/static/app/table.js";
import { ActiveLeases } from "/static/pages/leases.js";
import { RentDialog } from "/static/pages/rent.js";

const VIEWS = [["grid", "Grid", "grid"], ["list", "List", "list"], ["book", "Order book", "chart"]];
const SORTS = [
  ["price", "Cheapest per minute"],
  ["value", "Cheapest per kH/s"],
  ["hashrate", "Fastest"],
  ["reputation", "Best rated"],
  ["gpus", "Most GPUs"],
];
const RATINGS = [["", "Any rating"], ["3", "3.0 and better"], ["4", "4.0 and better"], ["4.5", "4.5 and better"]];
const PAGE_ROWS = 18;
const POLL_MS = 10000;
const LEVELS_MAX = 16;

const number = (text) => (Number(text) > 0 ? Number(text) : undefined);

function useFilters() {
  const read = {
    q: useQuery("q")[0], gpu: useQuery("gpu")[0], rate: useQuery("rate")[0], max: useQuery("max")[0],
    rating: useQuery("rating")[0], all: useQuery("all")[0],
  };
  const set = (changes) => setQuery({ ...changes, page: "" });
  const used = Object.values(read).some(Boolean);
  return { ...read, set, used, clear: () => set({ q: "", gpu: "", rate: "", max: "", rating: "", all: "" }) };
}

export default function Marketplace() {
  const [view, setView] = useQuery("view", "grid");
  const [renting, setRenting] = useQuery("rent");
  const filters = useFilters();
  const [sort, setSort] = useQuery("sort", "price");
  const [page, setPage] = useQuery("page", "1");
  const at = Math.max(1, Number.parseInt(page, 10) || 1);
  const answer = useApi(
    url("/api/marketplace", {
      page: at, limit: PAGE_ROWS, sort_by: sort, search: filters.q, gpu_type: filters.gpu,
      min_hashrate: number(filters.rate) && Number(filters.rate) * 1000,
      max_price: number(filters.max), min_reputation: number(filters.rating),
      available_only: filters.all ? "false" : "true",
    }),
    { every: POLL_MS },
  );
  const clear = html`<${Button} onClick=${filters.clear}>Clear the filters<//>`;
  const empty = filters.used
    ? html`<${EmptyState} icon="search" title="No worker is like that"
        text="Widen the filters: fewer demands, more workers.">
      ${clear}
    <//>`
    : html`<${EmptyState} icon="market" title="Nothing is for rent now"
        text="Workers appear here when they come online and are free.">
      <${Button} onClick=${() => filters.set({ all: "1" })}>Show all workers<//>
    <//>`;
  return html`
    <${PageHead} title="Marketplace" text="Rent hashpower by the minute. You pay for what is delivered.">
      <${ViewToggle} label="View" value=${view} options=${VIEWS} onChange=${setView} />
    <//>
    <${Mine} />
    ${view === "book" ? html`<${OrderBook} types=${answer.data?.gpu_types ?? []} onRent=${setRenting} />`
      : html`
        <${Filters} filters=${filters} types=${answer.data?.gpu_types ?? []} sort=${sort}
          setSort=${(next) => { setPage("1"); setSort(next); }} total=${answer.data?.total} />
        <${StaleNote} of=${answer} />
        ${answer.error && !answer.data
          ? html`<${Card}><${ErrorState} error=${answer.error} retry=${answer.reload} /><//>`
          : !answer.data ? html`<div class="offers">
            ${Array.from({ length: 6 }, (_, i) => html`<${Skeleton} key=${i} height=${208} />`)}
          </div>`
          : answer.data.items.length === 0 ? html`<${Card}>${empty}<//>`
          : view === "list" ? html`<${Card} flush>
            <${DataTable} label="Workers for rent" rows=${answer.data.items} columns=${columns(setRenting)}
              rowKey=${(w) => w.worker_id} manual href=${(w) => `/worker/${encodeURIComponent(w.worker_id)}`}
              height=${960} />
          <//>`
          : html`<ul class="offers">
            ${answer.data.items.map((worker) => html`<${Offer} key=${worker.worker_id} worker=${worker}
              onRent=${setRenting} />`)}
          </ul>`}
        <${Pager} page=${at} pages=${answer.data?.total_pages}
          onPage=${(next) => { setPage(next, { push: true }); scrollTo(0, 0); }} />
      `}
    ${renting && html`<${RentDialog} key=${renting} id=${renting} onClose=${() => setRenting("")} />`}
  `;
}

function Filters({ filters, types, sort, setSort, total }) {
  const on = (name) => (event) => filters.set({ [name]: event.currentTarget.value });
  return html`<div class="market-bar">
    <div class="filters" role="search" aria-label="Filters">
      <label class="search">
        <span class="hidden">Search the marketplace</span>
        <${Icon} name="search" size=${16} />
        <input type="search" placeholder="Worker, owner or GPU" value=${filters.q} onInput=${on("q")} />
      </label>
      <select aria-label="GPU" value=${filters.gpu} onChange=${on("gpu")}>
        <option value="">Any GPU</option>
        ${types.map((type) => html`<option key=${type} value=${type}>${type}</option>`)}
      </select>
      <input class="short" aria-label="At least kH/s" inputmode="decimal" placeholder="Min kH/s" value=${filters.rate}
        onInput=${on("rate")} />
      <input class="short" aria-label="At most per minute" inputmode="decimal" placeholder="Max / min"
        value=${filters.max} onInput=${on("max")} />
      <select aria-label="Rating" value=${filters.rating} onChange=${on("rating")}>
        ${RATINGS.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
      </select>
      <select aria-label="Order" value=${sort} onChange=${(event) => setSort(event.currentTarget.value)}>
        ${SORTS.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
      </select>
      <label class="check">
        <input type="checkbox" checked=${Boolean(filters.all)}
          onChange=${(event) => filters.set({ all: event.currentTarget.checked ? "1" : "" })} />
        Also those not free
      </label>
    </div>
    <p class="soft num" role="status">
      ${total === undefined ? " " : `${count(total)} ${total === 1 ? "worker" : "workers"}`}
    </p>
  </div>`;
}

const unit = (worker) => { const at = pricePerKiloHour(worker); return at === null ? "–" : unitMoney(at); };
const isFree = (worker) => worker.state === "AVAILABLE" && worker.online;
const Stars = ({ value }) => html`<span class="num" aria-label=${`Rated ${value.toFixed(1)} of 5`}>
  <span class="warn" aria-hidden="true">★</span> ${value.toFixed(1)}
</span>`;

function Offer({ worker, onRent }) {
  return html`<li class="offer">
    <div class="row between">
      <a class="row-link clip" href=${`/worker/${encodeURIComponent(worker.worker_id)}`} title=${worker.worker_id}>
        ${worker.worker_id}
      </a>
      <${StatusBadge} state=${stateOf(worker)} />
    </div>
    <${GpuBadge} worker=${worker} />
    <div class="offer-price">
      <span><strong class="num">${money(worker.price_per_min, true)}</strong> <span class="soft">/ min</span></span>
      <span class="soft num">${unit(worker)} per kH/s·h</span>
    </div>
    <dl class="offer-facts">
      <div><dt>Hashrate</dt><dd>${hashrate(worker.hashrate)}</dd></div>
      <div><dt>Rating</dt><dd><${Stars} value=${worker.reputation} /></dd></div>
      <div><dt>Uptime</dt><dd>${percent(worker.uptime_pct)}</dd></div>
      <div><dt>Blocks</dt><dd>${count(worker.blocks_mined)}</dd></div>
    </dl>
    <${Button} tone=${isFree(worker) ? "primary" : ""} class="block" disabled=${!isFree(worker)}
        aria-label=${`Rent ${worker.worker_id}`} onClick=${() => onRent(worker.worker_id)}>
      ${isFree(worker) ? "Rent" : "Not free now"}
    <//>
  </li>`;
}

const columns = (onRent) => [
  { key: "worker", label: "Worker", title: true, cell: (w) => w.worker_id },
  { key: "gpus", label: "GPUs", cell: (w) => html`<${GpuBadge} worker=${w} />` },
  { key: "hashrate", label: "Hashrate", width: 120, number: true, cell: (w) => hashrate(w.hashrate) },
  { key: "price", label: "Price / min", width: 110, number: true, cell: (w) => money(w.price_per_min, true) },
  { key: "unit", label: "Per kH/s·h", width: 110, number: true, cell: unit },
  { key: "rating", label: "Rating", width: 90, number: true, wideOnly: true, cell: (w) => html`<${Stars} value=${w.reputation} />` },
  { key: "uptime", label: "Uptime", width: 90, number: true, wideOnly: true, cell: (w) => percent(w.uptime_pct) },
  { key: "state", label: "State", width: 120, wideOnly: true, cell: (w) => html`<${StatusBadge} state=${stateOf(w)} />` },
  {
    key: "rent", label: "", width: 96, clip: false,
    cell: (w) => html`<${Button} small tone=${isFree(w) ? "primary" : ""} disabled=${!isFree(w)}
        aria-label=${`Rent ${w.worker_id}`} onClick=${() => onRent(w.worker_id)}>
      Rent
    <//>`,
  },
];

/** The caller's own rentals; nothing when there are none. */
function Mine() {
  const { status } = session.value;
  const leases = useApi(status === "in" && isIn() ? "/api/renter/leases?state=active&limit=3" : null, { every: POLL_MS });
  if (status !== "in" || !leases.data?.items?.length) return null;
  return html`<${Card} title="Your active rentals" note=${count(leases.data.total)} flush
      actions=${html`<a href="/renter">All leases</a>`}>
    <${ActiveLeases} leases=${leases.data.items} />
  <//>`;
}

/** The book as the server keeps it; a row is the cheapest worker of its level. */
function OrderBook({ types, onRent }) {
  const [gpu] = useQuery("gpu");
  const answer = useApi(url("/api/marketplace/ladder", { levels: LEVELS_MAX, gpu_type: gpu }), { every: POLL_MS });
  const book = answer.data;
  const rent = async (place) => {
    try {
      const found = await get(url("/api/marketplace", { sort_by: "value", gpu_type: gpu, limit: 1, page: place }));
      if (found.items.length > 0) onRent(found.items[0].worker_id); else answer.reload();
    } catch (error) { toastError(error); }
  };
  let before = 0;
  const rows = (book?.levels ?? []).map((level) => { const place = before + 1; before += level.workers; return { ...level, place }; });
  return html`<${Card} title="Order book" flush
      note=${book && `${hashrate(book.hashrate)} of ${count(book.workers)} free workers`}
      actions=${html`<div class="filters">
        <select aria-label="GPU" value=${gpu} onChange=${(event) => setQuery({ gpu: event.currentTarget.value })}>
          <option value="">Any GPU</option>
          ${[...new Set([gpu, ...types])].filter(Boolean).map((type) => html`<option key=${type} value=${type}>
            ${type}
          </option>`)}
        </select>
      </div>`}>
    <${StaleNote} of=${answer} />
    ${answer.error && !book ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : !book ? html`<div class="body"><${Skeleton} lines=${8} /></div>`
      : rows.length === 0 ? html`<${EmptyState} icon="market" title="Nothing is for rent now"
        text="Free workers stand here by what a kH/s costs for an hour." />`
      : html`
        <p class="book-text soft">
          The cheapest hashpower first. A row adds its workers to all above it: read how much you can have at a price.
        </p>
        <div class="table-scroll plain book" tabindex="0" role="group" aria-label="Order book">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">Up to, per kH/s·h</th>
                <th scope="col" class="number wide-only">Workers</th>
                <th scope="col" class="number wide-only">Hashrate</th>
                <th scope="col" class="number">In all</th>
                <th scope="col"><span class="hidden">Rent</span></th>
              </tr>
            </thead>
            <tbody>
              ${rows.map((level) => html`<tr key=${level.place}>
                <td class="number">${unitMoney(level.price_per_khs_hour)}</td>
                <td class="number wide-only">${count(level.workers)}</td>
                <td class="number wide-only">${hashrate(level.hashrate)}</td>
                <td class="number depth">
                  <span class="depth-bar"
                      style=${{ transform: `scaleX(${book.hashrate > 0 ? level.cumulative_hashrate / book.hashrate : 0})` }}></span>
                  <span class="depth-value">${hashrate(level.cumulative_hashrate)}</span>
                </td>
                <td class="number">
                  <${Button} small
                      aria-label=${`Rent the cheapest worker at up to ${unitMoney(level.price_per_khs_hour)}`}
                      onClick=${() => rent(level.place)}>
                    Rent
                  <//>
                </td>
              </tr>`)}
            </tbody>
          </table>
        </div>
      `}
    <div class="row between book-text">
      <${Button} small tone="quiet" onClick=${() => setQuery({ view: "", sort: "value" }, { push: true })}>
        See them as cards
      <//>
      ${book?.unrated > 0 && html`<span class="soft">${count(book.unrated)} more do not hash yet.</span>`}
    </div>
  <//>`;
}
