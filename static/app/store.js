// The live state of the fleet. The socket's handler only writes into maps and sets a flag; one
// animation-frame loop tells the components, at most ten times a second.
//   stats.value.total_hashrate     blocks.value[0]     connection.value.state
//   roster.value; for (const worker of workers.values()) …   // roster counts changes of rows
//   useRoster()                                              // asks for the whole fleet while mounted
//   const at = useNow();                                     // the server's seconds, once a second, for ages and countdowns

import { batch, signal, useEffect, useState } from "/static/app/core.js";
import { get } from "/static/app/api.js";

const FLUSH_MS = 100;
const SILENCE_MS_MAX = 15000;
const RETRY_MS = [1000, 2000, 4000, 8000, 15000, 30000];
const BLOCKS_KEPT = 200;
const ONLINE_SECONDS = 90;
const ROSTER_PAGE = 500;
const NEWS_MAX = 200;

/** Every worker that is known, by id; rows are changed in place. */
export const workers = new Map();
/** Counts changes of `workers`: read it to be drawn again. */
export const roster = signal({ tick: 0, complete: false, total: 0 });
/** Totals as in /api/monitoring/stats; null until something is known. */
export const stats = signal(null);
/** The newest blocks, newest first. */
export const blocks = signal([]);
const quiet = () => ({ lease: [], block: [], silent: [] });
/** What the feed told since the value before; what a snapshot holds is not told. */
export const news = signal(quiet());
/** state: connecting, live, waiting (retryAt), stale; `since`: when the last frame came, ms. */
export const connection = signal({ state: "connecting", since: 0, retryAt: 0, attempt: 0 });

let clockOffset = 0;
const CLOCK_OFF_SECONDS = 120;
/** How far this machine's clock is behind the server's, in seconds (less than 0: before it); 0 while that does not matter. */
export const clockOff = signal(0);
/** Seconds by the server's clock, whatever this machine's says. */
export const now = () => Date.now() / 1000 + clockOffset;
export const isOnline = (worker) => worker.online ?? now() - (worker.last_heartbeat ?? 0) < ONLINE_SECONDS;

/** A clock that ticks once a second for ages and countdowns: the server's seconds. */
export function useNow(every = 1000) {
  const [at, set] = useState(now());
  useEffect(() => { const timer = setInterval(() => set(now()), every); return () => clearInterval(timer); }, [every]);
  return at;
}

// --- what has come in and not been shown yet ---

const pending = { rows: false, blocks: [], stats: null, news: quiet(), totals: false };
const totals = { total_workers: 0, online: 0, total_hashrate: 0, total_gpus: 0, active_gpus: 0, total_blocks: 0 };
let flushedAt = 0;
let scheduled = false;
let ownTotals = false;

function touch() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(flush);
}

function flush(at) {
  if (at - flushedAt < FLUSH_MS) { requestAnimationFrame(flush); return; }
  scheduled = false;
  flushedAt = at;
  batch(() => {
    if (pending.rows) {
      const total = Math.max(workers.size, stats.value?.total_workers ?? 0);
      roster.value = { ...roster.value, tick: roster.value.tick + 1, total };
    }
    if (pending.stats) stats.value = { ...stats.value, ...pending.stats };
    else if (pending.totals && ownTotals) stats.value = { ...stats.value, ...totals, offline: totals.total_workers - totals.online };
    if (pending.blocks.length > 0) blocks.value = merged(pending.blocks, blocks.value);
    if (Object.values(pending.news).some((list) => list.length > 0)) news.value = pending.news;
  });
  Object.assign(pending, { rows: false, blocks: [], stats: null, news: quiet(), totals: false });
}

function merged(fresh, old) {
  const seen = new Set();
  const all = [...fresh].reverse().concat(old).filter((block) => !seen.has(block.hash + block.key) && seen.add(block.hash + block.key));
  return all.sort((a, b) => b.timestamp - a.timestamp).slice(0, BLOCKS_KEPT);
}

// --- rows, with their share of the totals ---

function weigh(worker, sign) {
  const online = worker.online ? 1 : 0;
  totals.total_workers += sign;
  totals.online += sign * online;
  totals.total_gpus += sign * (worker.gpu_count ?? 0);
  totals.active_gpus += sign * online * (worker.active_gpus ?? 0);
  totals.total_hashrate += sign * online * (worker.hashrate ?? 0);
}

function setWorker(row, at) {
  const old = workers.get(row.worker_id);
  if (old) weigh(old, -1);
  const worker = old ?? {};
  Object.assign(worker, row);
  worker.online = row.online ?? at - (worker.last_heartbeat ?? 0) < ONLINE_SECONDS;
  if (!old) workers.set(row.worker_id, worker);
  weigh(worker, 1);
  pending.rows = pending.totals = true;
}

function beat(data, at) {
  const worker = workers.get(data.worker_id);
  if (!worker) return;
  weigh(worker, -1);
  worker.hashrate = data.hashrate;
  worker.active_gpus = data.active_gpus;
  worker.last_heartbeat = at;
  worker.online = true;
  weigh(worker, 1);
  pending.rows = pending.totals = true;
}

function silent(data) {
  const worker = workers.get(data.worker_id);
  if (!worker) return;
  weigh(worker, -1);
  worker.online = false;
  worker.last_heartbeat = data.last_heartbeat;
  weigh(worker, 1);
  pending.rows = pending.totals = true;
}

// --- frames ---

const resume = { feed: "", seq: 0 };
const arrived = {
  snapshot(frame) {
    workers.clear();
    for (const name of Object.keys(totals)) if (name !== "total_blocks") totals[name] = 0;
    ownTotals = frame.v !== 2;
    for (const row of frame.data.workers ?? []) setWorker(row, frame.ts);
    pending.blocks.push(...[...(frame.data.recent_blocks ?? [])].reverse());
    if (frame.data.stats) pending.stats = frame.data.stats;
    Object.assign(resume, { feed: frame.feed ?? "", seq: frame.seq ?? 0 });
    const complete = ownTotals || workers.size >= (frame.data.stats?.total_workers ?? 0);
    roster.value = { ...roster.value, complete, total: frame.data.stats?.total_workers ?? workers.size };
    pending.rows = pending.totals = true;
    if (!complete && rosterUsers > 0) loadRoster();
    if (ownTotals) {
      get("/api/monitoring/stats").then((answer) => {
        const { total_blocks, blocks_last_hour } = answer;
        stats.value = { ...answer, ...stats.value, total_blocks, blocks_last_hour };
      }, () => {});
    }
  },
  delta(frame) {
    const kinds = frame.data;
    for (const row of kinds.worker ?? []) setWorker(row, frame.ts);
    for (const one of kinds.heartbeat ?? []) beat(one, frame.ts);
    for (const one of kinds.silent ?? []) silent(one);
    // A hidden page draws nothing: what waits is bounded, and its oldest is forgotten.
    if (kinds.block) pending.blocks = pending.blocks.concat(kinds.block).slice(-BLOCKS_KEPT);
    for (const kind of Object.keys(pending.news)) pending.news[kind] = pending.news[kind].concat(kinds[kind] ?? []).slice(-NEWS_MAX);
    if (kinds.stats) pending.stats = kinds.stats.at(-1);
    resume.seq = frame.seq;
  },
  heartbeat: (frame) => beat(frame.data, frame.ts),
  block(frame) {
    pending.blocks.push({ timestamp: frame.ts, ...frame.data });
    if (stats.value) {
      pending.stats = {
        total_blocks: (stats.value.total_blocks ?? 0) + 1,
        blocks_last_hour: (stats.value.blocks_last_hour ?? 0) + 1,
      };
    }
  },
  health: (frame) => frame.data.forEach(silent),
};

// --- the whole fleet, a page after the other, for who shows it ---

let rosterUsers = 0;
let loading = false;

async function loadRoster() {
  if (loading) return;
  loading = true;
  try {
    for (let offset = 0; rosterUsers > 0; offset += ROSTER_PAGE) {
      const page = await get(`/api/workers?limit=${ROSTER_PAGE}&offset=${offset}`);
      // What the feed has told since is newer than a page.
      for (const row of page) if (!(workers.get(row.worker_id)?.last_heartbeat > row.last_heartbeat)) setWorker(row, now());
      touch();
      if (page.length < ROSTER_PAGE) { roster.value = { ...roster.value, complete: true }; break; }
    }
  } catch { /* the next snapshot, or visit, tries again */ }
  loading = false;
}

/** A worker as the API answered it, with what the feed has told since; drawn again with each change. */
export function asHeard(worker) {
  void roster.value.tick;
  const heard = workers.get(worker.worker_id);
  const merged = heard
    ? {
        ...worker,
        hashrate: heard.hashrate,
        active_gpus: heard.active_gpus,
        last_heartbeat: heard.last_heartbeat,
        state: heard.state,
        gpus: worker.gpus ?? heard.gpus,
      }
    : worker;
  return { ...merged, online: heard ? heard.online : isOnline(worker) };
}

/** Keeps the whole fleet in `workers` while a component that shows it is mounted. */
export function useRoster() {
  useEffect(() => {
    rosterUsers += 1;
    if (!roster.value.complete && connection.value.state === "live") loadRoster();
    return () => { rosterUsers -= 1; };
  }, []);
  return roster.value;
}

// --- the connection ---

let socket = null;
let timer = 0;

export function connect() {
  clearTimeout(timer);
  const query = resume.feed ? `&feed=${resume.feed}&seq=${resume.seq}` : "";
  connection.value = { ...connection.value, state: connection.value.since ? "waiting" : "connecting", retryAt: 0 };
  const mine = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/dashboard?v=2${query}`);
  socket = mine;
  mine.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    clockOffset = frame.ts - Date.now() / 1000;
    clockOff.value = Math.abs(clockOffset) < CLOCK_OFF_SECONDS ? 0 : Math.round(clockOffset / 60) * 60;
    heard = Date.now();
    arrived[frame.type]?.(frame);
    // Pages that could not ask meanwhile ask again.
    if (connection.value.state !== "live" && connection.value.since) dispatchEvent(new Event("live-again"));
    if (connection.value.state !== "live") connection.value = { state: "live", since: heard, retryAt: 0, attempt: 0 };
    touch();
  };
  mine.onclose = () => { if (socket === mine) lost(); };
}

let heard = 0;
function lost() {
  socket = null;
  const { attempt } = connection.value;
  const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2);
  const state = attempt >= 4 ? "stale" : "waiting";
  connection.value = { state, since: heard, retryAt: Date.now() + wait, attempt: attempt + 1 };
  timer = setTimeout(connect, wait);
}

// A connection may die without a word, and a laptop may sleep.
setInterval(() => {
  if (socket?.readyState === 1 && ownTotals === false && heard && Date.now() - heard > SILENCE_MS_MAX) socket.close();
}, 5000);
addEventListener("online", () => { if (!socket) connect(); });
