// What the page knows of the node: by the socket, or by asking when there is none.
//   views.value.network      { data, at } of network, markets, operations and peers; null before the first
//   history.value            the last 60 points of the network: { at, data }
//   connection.value         connecting, live, polling or lost
//   notice.value             why there is no fresh data, in the gateway's words, or ""
//   age(view, now)           seconds since the node said it

import { batch, signal } from "/static/app/core.js";

const POINTS_MAX = 60;
const OPERATIONS_MAX = 50;
const POLL_MS = 5000;
const ANSWER_MS_MAX = 4000;
const SILENCE_MS_MAX = 12000;
const RETRY_MS = [1000, 2000, 5000, 10000];

const STREAMS = { network_metrics: "network", markets_health: "markets", operations: "operations", peers: "peers" };
const PATHS = {
  network: "/theblock/network/metrics",
  markets: "/theblock/markets/health",
  operations: "/theblock/operations",
  peers: "/theblock/peers/list",
};

export const views = signal({ network: null, markets: null, operations: null, peers: null });
export const history = signal([]);
export const connection = signal("connecting");
export const notice = signal("");

let socket = null;
let attempt = 0;
let heard = 0;
let polling = 0;

/** Connects, and asks in the meantime. */
export function start() {
  ask();
  connect();
  setInterval(() => {
    if (socket && socket.readyState === WebSocket.OPEN && Date.now() - heard > SILENCE_MS_MAX) socket.close();
    if (connection.value !== "live" && Date.now() - polling >= POLL_MS) ask();
  }, 1000);
}

export const age = (view, now = Date.now()) => (view ? (view.data.age_seconds ?? 0) + Math.max(0, now - view.at) / 1000 : null);

/** POST /theblock/fullcheck */
export async function fullcheck() {
  const answer = await fetch("/theblock/fullcheck", { method: "POST", signal: AbortSignal.timeout(15000) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? `The gateway answered ${answer.status}.`);
  return body;
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/theblock/ws`);
  socket.onmessage = ({ data }) => {
    heard = Date.now();
    let frame;
    try { frame = JSON.parse(data); } catch { return; }
    attempt = 0;
    batch(() => {
      connection.value = "live";
      if (frame.type === "stale") notice.value = String(frame.message ?? "The node does not answer.");
      else if (frame.type in STREAMS) take(STREAMS[frame.type], frame.data);
      else if (frame.type === "receipts") prepend(frame.data?.receipts);
    });
  };
  socket.onclose = () => {
    socket = null;
    if (connection.value === "live") { connection.value = "polling"; ask(); }
    setTimeout(connect, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
    attempt += 1;
  };
}

async function ask() {
  polling = Date.now();
  const answers = await Promise.all(Object.entries(PATHS).map(async ([name, path]) => {
    try {
      const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
      return [name, answer.status, await answer.json()];
    } catch { return [name, 0, null]; }
  }));
  batch(() => {
    const reached = answers.some(([, status]) => status > 0);
    if (connection.value !== "live") connection.value = reached ? "polling" : "lost";
    for (const [name, status, body] of answers) {
      if (status === 200) take(name, body);
      else if (status === 503) { notice.value = String(body.detail); forget(name); }
    }
  });
}

function take(name, data) {
  if (data === null || typeof data !== "object") return;
  const view = { data, at: Date.now() };
  views.value = { ...views.value, [name]: view };
  if (name !== "network") return;
  if (!data.stale) notice.value = "";
  const points = history.value;
  if (!data.stale && points.at(-1)?.data.timestamp !== data.timestamp) history.value = [...points, view].slice(-POINTS_MAX);
}

/** The gateway has nothing that it would still show, and so has the page. */
function forget(name) {
  if (views.value[name]) views.value = { ...views.value, [name]: null };
}

/** New receipts are operations too, before the next list of all of them comes. */
function prepend(receipts) {
  const view = views.value.operations;
  if (!Array.isArray(receipts) || !Array.isArray(view?.data.operations)) return;
  const known = new Set(view.data.operations.map((one) => one.id));
  const fresh = receipts.filter((one) => !known.has(one.id)).map((one) => ({ status: "completed", type: one.market, ...one }));
  const operations = [...fresh, ...view.data.operations].slice(0, OPERATIONS_MAX);
  views.value = { ...views.value, operations: { ...view, data: { ...view.data, operations, total: operations.length } } };
}
