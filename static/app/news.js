// What the notification centre tells who is signed in: their leases, the blocks of these, their workers that fall silent.
// Loaded once somebody is signed in. What happened before comes from the account's own activity; what happens now, from the feed.

import { get, url } from "/static/app/api.js";
import { count, duration, money } from "/static/app/format.js";
import { notices, clearNotices, notify } from "/static/app/notices.js";
import { refresh, session } from "/static/app/session.js";
import { news, now, workers } from "/static/app/store.js";

const PAST_ITEMS = 20;
const LEASES_MAX = 200;
const WORKER_PAGE = 100;
const WORKER_PAGES_MAX = 10;
const ASK_MS = 2000;
const SEEN = "xenblocks.seen.";

let account = "";
let address = "";
/** The caller's running leases and workers: id to what is known. */
const leases = new Map();
let ownWorkers = new Set();
let asking = 0;

const leaseHref = (id) => `/lease/${encodeURIComponent(id)}`;
const workerHref = (id) => `/worker/${encodeURIComponent(id)}`;
const blockWord = (n) => `${count(n)} ${Number(n) === 1 ? "block" : "blocks"}`;

// --- notices: the same happening has the same key, from wherever it is known ---

const began = (d, more) => notify({
  key: `began ${d.lease_id}`,
  kind: "info",
  title: `${d.worker_id} works for you`,
  text: `Rented for ${duration(d.duration_sec)}`,
  href: leaseHref(d.lease_id),
  ...more,
});
const ended = (d, more) => notify({
  key: `ended ${d.lease_id}`,
  kind: "success",
  title: `Your lease of ${d.worker_id} ended`,
  text: `With ${blockWord(d.blocks_found)}`,
  href: leaseHref(d.lease_id),
  ...more,
});
const PAST = {
  lease_started: began,
  lease_completed: ended,
  deposit: (d, more) => notify({
    key: `deposit ${more.at}`,
    kind: "success",
    title: `${money(d.amount, true)} came in`,
    text: `The balance after it: ${money(d.balance_after)}`,
    href: "/account",
    ...more,
  }),
  withdraw: (d, more) => notify({
    key: `withdraw ${more.at}`,
    kind: "info",
    title: `${money(Math.abs(d.amount), true)} was withdrawn`,
    text: `The balance after it: ${money(d.balance_after)}`,
    href: "/account",
    ...more,
  }),
  provider_payout: (d, more) => notify({
    key: `payout ${d.lease_id}`,
    kind: "success",
    title: `You earned ${money(d.amount, true)}`,
    text: d.lease_id,
    href: d.lease_id ? leaseHref(d.lease_id) : "/account",
    ...more,
  }),
};

async function past(of) {
  const [seen, begun] = [Number(localStorage.getItem(SEEN + of)), now()];
  const answer = await get(url("/api/activity", { limit: PAST_ITEMS }));
  if (of !== account) return;
  // On the first visit what was before it is no news, and from then on everything is.
  if (!seen) localStorage.setItem(SEEN + of, String(begun));
  for (const item of answer.items) PAST[item.type]?.(item.details, { at: item.timestamp, read: item.timestamp <= (seen || begun) });
}

// --- what is the caller's own ---

async function askForWorkers(of) {
  const found = new Set();
  for (let page = 1, pages = 1; page <= Math.min(pages, WORKER_PAGES_MAX); page += 1) {
    const answer = await get(url("/api/provider/workers", { page, limit: WORKER_PAGE }));
    for (const worker of answer.items) found.add(worker.worker_id);
    pages = answer.total_pages;
  }
  if (of === account) ownWorkers = found;
}

/** Asks for the running leases; those that were not known. */
async function askForLeases(of) {
  const rented = await get(url("/api/renter/leases", { state: "active", limit: LEASES_MAX }));
  if (of !== account) return [];
  const known = new Map(leases);
  leases.clear();
  for (const { lease_id, duration_sec } of rented.items) leases.set(lease_id, { duration_sec, blocks: known.get(lease_id)?.blocks ?? 0 });
  return rented.items.filter((lease) => !known.has(lease.lease_id));
}

/** A lease that nobody here knew has begun: whether it is the caller's is asked once for all that begin within a moment. */
function askSoon() {
  if (asking) return;
  const of = account;
  asking = setTimeout(async () => {
    asking = 0;
    try {
      const fresh = await askForLeases(of);
      fresh.forEach((lease) => began(lease));
      if (fresh.length > 0) refresh();
    } catch { /* the next that begins asks again */ }
  }, ASK_MS);
}

// --- what the feed tells ---

function told({ lease, block, silent }) {
  if (!account) return;
  for (const one of lease) {
    const mine = leases.get(one.lease_id);
    if (!mine) { if (one.state === "active") askSoon(); continue; }
    if (one.state !== "active") { leases.delete(one.lease_id); ended(one); refresh(); continue; }
    if (one.paused) {
      notify({
        key: `paused ${one.lease_id} ${one.interrupted_since}`,
        kind: "warning",
        title: `${one.worker_id} stopped mining for you`,
        text: `It says ${one.paused}. This time is not charged.`,
        href: leaseHref(one.lease_id),
      });
    }
    if (one.duration_sec === undefined || one.duration_sec === mine.duration_sec) continue;
    mine.duration_sec = one.duration_sec;
    refresh();
    notify({
      key: `extended ${one.lease_id}`,
      title: `Your lease of ${one.worker_id} was extended`,
      text: `To ${duration(one.duration_sec)} in all`,
      href: leaseHref(one.lease_id),
    });
  }
  for (const one of block) {
    const mine = leases.get(one.lease_id);
    if (!mine) continue;
    const key = `blocks ${one.lease_id}`;
    // Those of one lease are counted in one line, until it was read.
    mine.blocks = notices.value.some((old) => old.key === key && !old.read) ? mine.blocks + 1 : 1;
    notify({
      key,
      kind: "success",
      title: mine.blocks === 1 ? "Your lease found a block" : `Your lease found ${blockWord(mine.blocks)}`,
      text: `by ${one.worker_id}`,
      href: leaseHref(one.lease_id),
    });
  }
  for (const one of silent) {
    if (!ownWorkers.has(one.worker_id) && !isOwn(workers.get(one.worker_id))) continue;
    notify({
      key: `silent ${one.worker_id} ${one.last_heartbeat}`,
      kind: "warning",
      title: `${one.worker_id} fell silent`,
      text: "It is not for rent until it is heard again.",
      href: workerHref(one.worker_id),
    });
  }
}

/** Workers that came since they were asked for. */
const isOwn = (worker) => Boolean(address && worker?.eth_address) && worker.eth_address.toLowerCase() === address;

// --- who is signed in ---

function start() {
  // What fails here is asked again when the feed is live again.
  for (const ask of [askForLeases, askForWorkers, past]) ask(account).catch(() => {});
}

// A subscriber may write signals that it reads; an effect would run anew for each.
news.subscribe(told);
session.subscribe(({ status, account: whose, address: at }) => {
  if (status === "checking") return;
  const next = status === "in" ? whose.account_id : "";
  address = (at ?? "").toLowerCase();
  if (next === account) return;
  if (account) clearNotices();
  leases.clear();
  ownWorkers.clear();
  account = next;
  if (account) start();
});
// What was missed meanwhile: the activity tells.
addEventListener("live-again", () => { if (account) start(); });
// What was read here is not news on the next visit.
notices.subscribe((list) => {
  if (account && list.length > 0 && list.every((one) => one.read)) localStorage.setItem(SEEN + account, String(list[0].at));
});
