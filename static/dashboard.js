// The dashboard: asks the REST API every five seconds and shows the answers as text. Whatever a
// worker calls itself, nothing here turns a string into markup.

const POLL_MS = 5000;
const ANSWER_MS_MAX = 10000;
const WORKERS_PER_PAGE = 50;
const ACCOUNTS_MAX = 50;
const ONLINE_SECONDS = 90;
const KEY = "xenblocks.api-key";

const byId = (id) => document.getElementById(id);
const state = { page: 0, workers: [], polling: false, timer: 0, heardAt: null };

// --- asking the server ---

class Refused extends Error {}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers["X-API-Key"] = key;
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Idempotency-Key"] = crypto.getRandomValues(new Uint32Array(4)).join("-");
  }
  const response = await fetch(path, {
    method, headers, cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(explain(response, answer?.detail));
  return answer;
}

/** What the server says is wrong, in one line. */
function explain(response, detail) {
  if (Array.isArray(detail)) {
    return detail.map((one) => `${(one.loc ?? []).slice(1).join(".") || "request"}: ${one.msg}`).join("; ");
  }
  const text = typeof detail === "string" ? detail : `${response.status} ${response.statusText}`;
  if (response.status !== 401) return text;
  const hint = sessionStorage.getItem(KEY) ? "The API key in use is not accepted." : "Give an API key at the top of this page.";
  return `${text.replace(/[.]?$/, ".")} ${hint}`;
}

function reason(error) {
  if (error instanceof Refused) return error.message;
  return error.name === "TimeoutError" ? "The server did not answer in time." : "The server cannot be reached.";
}

// --- how values read ---

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 });

function hashrate(value) {
  const units = ["H/s", "kH/s", "MH/s", "GH/s"];
  let rate = Number(value) || 0;
  let unit = 0;
  while (rate >= 1000 && unit < units.length - 1) { rate /= 1000; unit += 1; }
  return `${rate.toFixed(unit === 0 ? 0 : 2)} ${units[unit]}`;
}

function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${total % 60} s` : `${total} s`;
}

function ago(timestamp) {
  if (!timestamp) return "never";
  const seconds = Math.max(0, Date.now() / 1000 - timestamp);
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

function clock(timestamp) {
  const at = new Date(timestamp * 1000);
  return at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
}

function gpus(worker) {
  const counts = new Map();
  for (const gpu of Array.isArray(worker.gpus) ? worker.gpus : []) {
    const name = String(gpu?.name ?? "GPU").replace(/^NVIDIA /, "").replace(/^GeForce /, "");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return worker.gpu_count > 0 ? `${worker.gpu_count}` : "CPU";
  return [...counts].map(([name, count]) => (count > 1 ? `${count}× ${name}` : name)).join(" + ");
}

const isOnline = (worker) => Date.now() / 1000 - worker.last_heartbeat < ONLINE_SECONDS;
const moods = { AVAILABLE: "good", LEASED: "busy", MINING: "busy", ERROR: "bad", active: "busy", completed: "good", cancelled: "warn" };

/** The last part of a PHC string, which is where the marker is. */
const tag = (hash) => String(hash).split("$").pop();

// --- tables: rows are kept and only what changed is written, so that focus and selection stay ---

const columns = {
  workers: [
    { text: (w) => w.worker_id, className: "mono clip" },
    { text: (w) => (isOnline(w) ? w.state : "offline"), badge: (w) => (isOnline(w) ? moods[w.state] : "bad") ?? "" },
    { text: gpus, className: "clip" },
    { text: (w) => hashrate(w.hashrate), className: "number" },
    { text: (w) => money.format(w.price_per_min), className: "number" },
    { text: (w) => whole.format(w.self_blocks_found), className: "number" },
    { text: (w) => (w.reputation ? `${w.reputation.stars.toFixed(1)} / 5` : ""), className: "number" },
    {
      text: (w) => w.current_address ? [w.current_address, w.current_block_pattern].filter(Boolean).join(" · ") : "",
      className: "mono clip",
    },
    { text: (w) => ago(w.last_heartbeat) },
  ],
  leases: [
    { text: (l) => l.lease_id, className: "mono clip" },
    { text: (l) => l.worker_id, className: "mono clip" },
    { text: (l) => l.consumer_id, className: "mono clip" },
    { text: (l) => l.state, badge: (l) => moods[l.state] ?? "" },
    { text: (l) => `${duration(l.elapsed_sec)} of ${duration(l.duration_sec)}`, className: "number" },
    { text: (l) => whole.format(l.blocks_found), className: "number" },
    { text: (l) => hashrate(l.avg_hashrate), className: "number" },
    { text: (l) => l.prefix, className: "mono" },
    { text: (l) => clock(l.created_at) },
    { text: (l) => (l.state === "active" ? "Stop" : ""), label: (l) => `Stop lease ${l.lease_id}`, press: stopLease },
  ],
  blocks: [
    { text: (b) => clock(b.timestamp) },
    { text: (b) => b.worker_id, className: "mono clip" },
    { text: (b) => b.lease_id || "self-mined", className: "mono clip roomy" },
    { text: (b) => tag(b.hash), className: "mono clip" },
    { text: (b) => b.key, className: "mono clip" },
    { text: (b) => whole.format(b.attempts), className: "number roomy" },
    {
      text: (b) => (b.prefix_valid && b.chain_verified ? "counted" : b.prefix_valid ? "not on the chain" : "wrong prefix"),
      badge: (b) => (b.prefix_valid && b.chain_verified ? "good" : "warn"),
    },
  ],
  accounts: [
    { text: (a) => a.account_id, className: "mono clip" },
    { text: (a) => a.role },
    { text: (a) => a.eth_address, className: "mono" },
    { text: (a) => money.format(a.balance), className: "number" },
  ],
};
const keyOf = {
  workers: (w) => w.worker_id,
  leases: (l) => l.lease_id,
  blocks: (b) => `${b.key} ${b.hash} ${b.timestamp}`,
  accounts: (a) => a.account_id,
};

function show(name, rows) {
  const table = byId(`${name}-table`);
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  rows.forEach((item, index) => {
    const key = keyOf[name](item);
    const row = known.get(key) ?? newRow(name, key, table);
    known.delete(key);
    columns[name].forEach((column, place) => fill(row.cells[place], column, item));
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const row of known.values()) row.remove();
  table.parentElement.hidden = rows.length === 0;
  byId(`${name}-empty`).hidden = rows.length > 0;
}

function newRow(name, key, table) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  columns[name].forEach((column, place) => {
    const cell = row.insertCell();
    cell.className = column.className ?? "";
    cell.dataset.label = table.tHead.rows[0].cells[place].textContent;
  });
  return row;
}

function fill(cell, column, item) {
  const text = String(column.text(item) ?? "");
  if (column.press) return fillButton(cell, column, item, text);
  if (text === "") return cell.replaceChildren();
  const place = cell.firstElementChild ?? cell.appendChild(document.createElement("span"));
  if (column.badge) place.className = `badge ${column.badge(item)}`;
  if (place.textContent !== text) place.textContent = text;
  if (cell.classList.contains("clip") && cell.title !== text) cell.title = text;
}

function fillButton(cell, column, item, text) {
  if (text === "") return cell.replaceChildren();
  if (cell.firstElementChild) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "small danger";
  button.textContent = text;
  button.setAttribute("aria-label", column.label(item));
  button.addEventListener("click", () => column.press(item, button));
  cell.append(button);
}

function options(id, values) {
  const list = byId(id);
  const wanted = values.slice(0, 200);
  if ([...list.children].map((option) => option.value).join() === wanted.join()) return;
  list.replaceChildren(...wanted.map((value) => Object.assign(document.createElement("option"), { value })));
}

// --- polling ---

const parts = {
  status: [() => "/api/status", showStatus],
  workers: [() => `/api/workers?limit=${WORKERS_PER_PAGE}&offset=${state.page * WORKERS_PER_PAGE}`, showWorkers],
  leases: [() => "/api/leases?limit=20", (page) => show("leases", page.items)],
  blocks: [() => "/api/blocks?limit=20", (page) => show("blocks", page.items)],
  accounts: [() => `/api/accounts?limit=${ACCOUNTS_MAX}`, showAccounts],
};

async function poll() {
  clearTimeout(state.timer);
  if (state.polling) return;
  state.polling = true;
  const answered = await Promise.all(Object.keys(parts).map(refresh));
  state.polling = false;
  connection(answered.some(Boolean));
  if (!document.hidden) state.timer = setTimeout(poll, POLL_MS);
}

/** Asks for one part and shows it; whether the server answered at all. */
async function refresh(name) {
  const [path, put] = parts[name];
  const problem = byId(`${name}-problem`);
  try {
    put(await ask("GET", path()));
    problem.hidden = true;
    return true;
  } catch (error) {
    const text = reason(error);
    if (problem.textContent !== text) problem.textContent = text;
    problem.hidden = !(error instanceof Refused);
    return error instanceof Refused;
  }
}

function connection(alive) {
  const line = byId("connection");
  if (alive) state.heardAt = new Date();
  const since = state.heardAt ? ` since ${state.heardAt.toLocaleTimeString()}` : "";
  line.dataset.state = alive ? "live" : "lost";
  line.textContent = alive
    ? `Updated ${state.heardAt.toLocaleTimeString()}, every 5 s`
    : `No answer from the server${since}; trying again every 5 s`;
}

function showStatus(status) {
  const put = (id, value) => { byId(id).textContent = whole.format(value); };
  put("count-clients", status.mqtt_clients.length);
  put("count-workers", status.workers);
  put("count-leases", status.active_leases);
  put("count-blocks", status.total_blocks);
  put("count-self", status.self_mined_blocks);
  put("count-settlements", status.total_settlements);
  const pages = Math.max(1, Math.ceil(status.workers / WORKERS_PER_PAGE));
  byId("workers-page").textContent = pages > 1 ? `page ${state.page + 1} of ${pages}` : "";
  byId("workers-back").hidden = byId("workers-next").hidden = pages === 1;
  byId("workers-back").disabled = state.page === 0;
  byId("workers-next").disabled = state.page + 1 >= pages;
}

function showWorkers(workers) {
  state.workers = workers;
  show("workers", workers);
  options("known-workers", workers.map((worker) => worker.worker_id));
  showCost();
}

function showAccounts(byAccount) {
  const accounts = Object.values(byAccount);
  show("accounts", accounts);
  const renters = accounts.filter((one) => one.role === "consumer" && one.balance > 0);
  options("known-accounts", renters.map((one) => one.account_id));
  byId("accounts-shown").textContent = accounts.length < ACCOUNTS_MAX ? "" : `the first ${ACCOUNTS_MAX}`;
}

function turn(pages) {
  state.page = Math.max(0, state.page + pages);
  poll();
}

// --- acting ---

function say(id, kind, text) {
  const line = byId(id);
  line.hidden = false;
  line.dataset.kind = kind;
  line.textContent = text;
}

/** Runs what a button asks for, once at a time, and says how it went. */
async function act(button, sayIn, action) {
  button.disabled = true;
  try {
    say(sayIn, "good", await action());
    poll();
  } catch (error) {
    say(sayIn, "bad", reason(error));
  } finally {
    button.disabled = false;
  }
}

function showCost() {
  const worker = state.workers.find((one) => one.worker_id === byId("rent-worker").value.trim());
  const seconds = byId("rent-duration").valueAsNumber;
  byId("rent-cost").textContent = worker && seconds > 0
    ? `holds ${money.format((worker.price_per_min * seconds) / 60)} at ${money.format(worker.price_per_min)} a minute`
    : "";
}

function rent(event) {
  event.preventDefault();
  const body = { duration_sec: byId("rent-duration").valueAsNumber };
  for (const [field, id] of [["consumer_id", "rent-account"], ["worker_id", "rent-worker"], ["consumer_address", "rent-address"]]) {
    const value = byId(id).value.trim();
    if (value) body[field] = value;
  }
  act(event.submitter, "rent-said", async () => {
    const lease = await ask("POST", "/api/rent", body);
    return `Rented ${lease.worker_id} as ${lease.lease_id}; its keys begin with ${lease.prefix}.`;
  });
}

async function stopLease(lease, button) {
  const what = `${lease.lease_id} on ${lease.worker_id} ends now. The time used is settled, the rest of the hold goes back to the renter.`;
  if (!(await confirmed("Stop this lease?", what))) return;
  act(button, "leases-said", async () => {
    const answer = await ask("POST", "/api/stop", { lease_id: lease.lease_id });
    const paid = answer.settlement ? `; it cost ${money.format(answer.settlement.total_cost)}` : "";
    return `Stopped ${answer.lease_id} with ${whole.format(answer.blocks_found)} blocks${paid}.`;
  });
}

async function control(event) {
  event.preventDefault();
  const button = event.submitter;
  const action = byId("control-action").value;
  const all = new FormData(event.target).get("target") === "all";
  const worker = byId("control-worker").value.trim();
  const config = action === "set_config" ? configFields() : {};
  if (action === "set_config" && Object.keys(config).length === 0) {
    return say("control-said", "bad", "Fill in at least one field to change.");
  }
  const whom = all ? "all registered workers" : worker;
  if ((all || action === "shutdown") && !(await confirmed(`Send ${action}?`, `It goes to ${whom}.`))) return;
  act(button, "control-said", async () => {
    const path = all ? "/api/control/broadcast" : `/api/workers/${encodeURIComponent(worker)}/control`;
    const answer = await ask("POST", path, { action, config });
    if (all) return `Sent ${action} to ${whole.format(answer.workers.length)} workers.`;
    return answer.delivered === false ? `Sent ${action}, but ${worker} is not connected now.` : `Sent ${action} to ${worker}.`;
  });
}

function configFields() {
  const config = {};
  const difficulty = byId("config-difficulty").valueAsNumber;
  if (!Number.isNaN(difficulty)) config.difficulty = difficulty;
  for (const [field, id] of [["block_pattern", "config-pattern"], ["address", "config-address"], ["prefix", "config-prefix"]]) {
    const value = byId(id).value.trim();
    if (value) config[field] = value;
  }
  return config;
}

/** Asks in a dialog; Escape and Cancel say no, and the focus goes back by itself. */
function confirmed(title, text) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function controlForm() {
  const all = byId("control-form").elements.target.value === "all";
  byId("control-worker-field").hidden = all;
  byId("control-worker").required = !all;
  const configures = byId("control-action").value === "set_config";
  byId("control-config").hidden = !configures;
  byId("control-config").disabled = !configures;
}

function useKey(event) {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  byId("key").value = "";
  showKey();
  poll();
}

function showKey() {
  const inUse = sessionStorage.getItem(KEY) !== null;
  byId("key").placeholder = inUse ? "a key is in use" : "only where asked for";
  say("key-said", "good", inUse ? "In use until this tab closes; an empty field forgets it." : "");
}

byId("rent-form").addEventListener("submit", rent);
byId("rent-form").addEventListener("input", showCost);
byId("control-form").addEventListener("submit", control);
byId("control-form").addEventListener("input", controlForm);
byId("key-form").addEventListener("submit", useKey);
byId("workers-back").addEventListener("click", () => turn(-1));
byId("workers-next").addEventListener("click", () => turn(1));
byId("confirm-no").addEventListener("click", () => byId("confirm").close(""));
byId("confirm-yes").addEventListener("click", () => byId("confirm").close("yes"));
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });

controlForm();
showKey();
poll();
