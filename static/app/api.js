// Talking to the server. Every refusal becomes an ApiError whose message is what the server said.
//   const leases = useApi("/api/renter/leases", { every: 5000 });   // {data, error, loading, stale, reload}
//   await post("/api/rent", { worker_id }, { once: key });          // throws ApiError
//   catch (error) { toastError(error); }

import { useCallback, useEffect, useRef, useState } from "/static/app/core.js";

const ANSWER_MS_MAX = 15000;
const CACHE_MAX = 60;

export class ApiError extends Error {
  constructor(status, message, fields = {}) {
    super(message);
    this.status = status; // 0: the server was not reached
    this.fields = fields; // what a 422 says about each field
  }
}

let credentials = () => ({});
let onRefusedCredential = () => {};
/** Called once by the session: which headers to send, and what to do when they are refused. */
export function authorize(headers, refused) { credentials = headers; onRefusedCredential = refused; }

/** A key under which a POST that moves money happens once, however often it is sent. */
export const onceKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-");

export async function request(method, path, { body, once, headers, as = "json" } = {}) {
  const own = headers ?? credentials();
  const sent = { Accept: as === "json" ? "application/json" : "*/*", ...own };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (once) sent["Idempotency-Key"] = once;
  let response;
  try {
    response = await fetch(path, {
      method, headers: sent, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS_MAX),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    throw new ApiError(0, error.name === "TimeoutError" ? "The server did not answer in time." : "The server cannot be reached.");
  }
  if (!response.ok) throw await refusal(response, own);
  return as === "json" ? response.json() : response.blob();
}

async function refusal(response, sent) {
  if (response.status === 401 && Object.keys(sent).length > 0) onRefusedCredential();
  const detail = (await response.json().catch(() => null))?.detail;
  if (Array.isArray(detail)) {
    const fields = Object.fromEntries(detail.map((one) => [(one.loc ?? []).at(-1) ?? "request", one.msg]));
    return new ApiError(response.status, Object.entries(fields).map(([name, text]) => `${name}: ${text}`).join("; "), fields);
  }
  const wait = response.headers.get("Retry-After");
  const text = typeof detail === "string" ? detail : `${response.status} ${response.statusText}`;
  return new ApiError(response.status, response.status === 429 && wait ? `Too many requests. Try again in ${wait} s.` : text);
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, options) => request("POST", path, { ...options, body });
export const put = (path, body, options) => request("PUT", path, { ...options, body });
export const del = (path, options) => request("DELETE", path, options);

/** `path` with these parameters; empty ones are left out. */
export function url(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Saves what the server answers, with the session's credential, as a file. */
export async function download(path, name) { save(await get(path, { as: "blob" }), name); }

/** Saves rows (arrays of values) as a CSV file; a text that a spreadsheet would compute is disarmed. */
export function saveCsv(name, header, rows) {
  const cell = (value) => {
    const text = String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [header, ...rows].map((row) => row.map(cell).join(","));
  save(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }), name);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// What was answered last, so that going back shows something at once.
const cache = new Map();
export const forgetAnswers = () => cache.clear();

/** Asks again every `every` ms while the page is visible. A null path asks nothing. */
export function useApi(path, { every = 0 } = {}) {
  const [state, setState] = useState(() => ({ path, data: cache.get(path), error: null, loading: Boolean(path) }));
  const current = useRef(path);
  current.current = path;
  const reload = useCallback(async () => {
    const asked = current.current;
    if (!asked) return;
    try {
      const data = await get(asked);
      cache.delete(asked);
      cache.set(asked, data);
      if (cache.size > CACHE_MAX) cache.delete(cache.keys().next().value);
      if (current.current === asked) setState({ path: asked, data, error: null, loading: false });
    } catch (error) {
      if (current.current !== asked) return;
      setState((old) => ({ path: asked, data: old.path === asked ? old.data : cache.get(asked), error, loading: false }));
    }
  }, []);
  useEffect(() => {
    setState((old) => (old.path === path
      ? old
      : { path, data: cache.get(path) ?? (path ? old.data : undefined), error: null, loading: Boolean(path) }));
    reload();
    if (!path) return undefined;
    const timer = every && setInterval(() => { if (!document.hidden) reload(); }, every);
    const again = () => { if (!document.hidden) reload(); };
    if (every) document.addEventListener("visibilitychange", again);
    addEventListener("live-again", again);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", again);
      removeEventListener("live-again", again);
    };
  }, [path, every]);
  return { ...state, stale: Boolean(state.error && state.data !== undefined), reload };
}
