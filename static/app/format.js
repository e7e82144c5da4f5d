// How values read: one spelling for the whole app.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const coins = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const exact = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 6 });
const running = new Intl.NumberFormat("en-US", { minimumFractionDigits: 4, maximumFractionDigits: 4 });
const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayTime = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const fullDay = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });

/** 12,345 */
export const count = (value) => whole.format(Number(value) || 0);
/** 1,234.56; `money(value, true)` shows up to six decimals. */
export const money = (value, all = false) => (all ? exact : coins).format(Number(value) || 0).replace("-", "−");
/** 0.3530: what runs up before one's eyes has one length. */
export const cost = (value) => running.format(Number(value) || 0);
/** 99.5% */
export const percent = (value, decimals = 1) => `${(Number(value) || 0).toFixed(decimals)}%`;

const UNITS = ["H/s", "kH/s", "MH/s", "GH/s"];
/** Number and unit apart, for metrics: ["12.34", "kH/s"]. */
export function hashrateParts(value) {
  let rate = Number(value) || 0;
  let unit = 0;
  while (rate >= 1000 && unit < UNITS.length - 1) { rate /= 1000; unit += 1; }
  return [rate.toFixed(unit === 0 && rate >= 100 ? 0 : rate >= 100 ? 1 : 2), UNITS[unit]];
}
/** 12.34 kH/s */
export const hashrate = (value) => hashrateParts(value).join(" ");

/** 2 h 5 min; 3 d 4 h; 45 s */
export function duration(seconds) {
  const total = Math.max(0, Math.round(Number(seconds) || 0));
  const [d, h, m, s] = [Math.floor(total / 86400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
  if (d > 0) return h > 0 ? `${d} d ${h} h` : `${d} d`;
  if (h > 0) return m > 0 ? `${h} h ${m} min` : `${h} h`;
  return m > 0 ? (s > 0 && m < 10 ? `${m} min ${s} s` : `${m} min`) : `${s} s`;
}
/** 01:02:03, for what counts down. */
export function countdown(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  return [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

/** 14:03:59 */
export const time = (seconds) => clockTime.format(seconds * 1000);
/** Nov 3, 14:03 */
export const dateTime = (seconds) => dayTime.format(seconds * 1000);
/** Today, Yesterday, or Monday, November 3; `now` as in ago */
export function day(seconds, now = Date.now() / 1000) {
  const at = new Date(seconds * 1000);
  const days = Math.round((startOfDay(new Date(now * 1000)) - startOfDay(at)) / 86400000);
  return days === 0 ? "Today" : days === 1 ? "Yesterday" : fullDay.format(at);
}
const startOfDay = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate());
/** 5 min ago; `now` in seconds by the server's clock (store.now()). */
export function ago(seconds, now = Date.now() / 1000) {
  if (!seconds) return "never";
  const passed = Math.max(0, now - seconds);
  if (passed < 5) return "just now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} d ago`;
}

/** 0x1234…cdef */
export function short(text, head = 6, tail = 4) {
  const value = String(text ?? "");
  return value.length <= head + tail + 1 ? value : `${value.slice(0, head)}…${value.slice(-tail)}`;
}
/** The last part of an Argon2 hash, where the marker is. */
export const hashTag = (hash) => String(hash ?? "").split("$").pop();

/** RTX 4090, without the maker's name. */
export const gpuName = (name) => String(name ?? "").replace(/^(NVIDIA|AMD Radeon)\s+/i, "").replace(/^GeForce\s+/i, "");
/** 4× RTX 4090 + 2× A100, of a worker as the API gives it. */
export function gpuLabel(worker) {
  const counts = new Map();
  for (const gpu of Array.isArray(worker?.gpus) ? worker.gpus : []) {
    const name = gpuName(gpu?.name) || "GPU";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.size === 0) return worker?.gpu_name ? gpuName(worker.gpu_name) : worker?.gpu_count > 0 ? `${worker.gpu_count} GPUs` : "CPU";
  return [...counts].map(([name, n]) => (n > 1 ? `${n}× ${name}` : name)).join(" + ");
}
/** Coins per kH/s and hour as it reads: two decimals, and of tiny prices the first two digits that say something. */
export const unitMoney = (value) => (value > 0 && value < 0.1 ? money(Number(value.toPrecision(2)), true) : money(value));
/** Coins per kH/s and hour: what makes prices of unlike workers comparable. */
export const pricePerKiloHour = (worker) => (worker.hashrate > 0 ? (worker.price_per_min * 60) / (worker.hashrate / 1000) : null);
export const isAddress = (text) => /^0x[0-9a-fA-F]{40}$/.test(String(text).trim());
