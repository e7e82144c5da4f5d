// Renting: the dialog at /marketplace?rent=WORKER. A length by time or by budget, for an address, at the price that was shown.

import { html, useEffect, useRef, useState } from "/static/app/core.js";
import { ApiError, onceKey, post, url, useApi } from "/static/app/api.js";
import { Dialog } from "/static/app/dialog.js";
import { duration, gpuLabel, hashrate, isAddress, money, pricePerKiloHour, unitMoney } from "/static/app/format.js";
import { Button, ErrorState, Facts, Field, GpuBadge, Icon, Skeleton, StatusBadge, ViewToggle, stateOf } from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { navigate } from "/static/app/router.js";
import { openSignIn, refresh, session } from "/static/app/session.js";

const WAYS = [["time", "By time"], ["budget", "By budget"]];
const LENGTHS = [[600, "10 min"], [3600, "1 h"], [21600, "6 h"], [86400, "24 h"]];
const UNITS = { min: 60, h: 3600, d: 86400 };
const DEFAULT_SECONDS = 3600;

/** Seconds of "90", "1.5 h", "2d" or "1 h 30 min"; a bare number is minutes. NaN when it is none of these. */
export function secondsOf(text) {
  const parts = [...String(text).trim().toLowerCase().matchAll(/(\d+(?:[.,]\d+)?)\s*(min|m|hours?|h|days?|d|s)?\s*/gy)];
  if (parts.length === 0 || parts.reduce((sum, part) => sum + part[0].length, 0) !== String(text).trim().length) return NaN;
  const unit = (word = "m") => (word === "s" ? 1 : UNITS[word === "m" || word === "min" ? "min" : word[0]]);
  return Math.round(parts.reduce((sum, [, value, word]) => sum + Number(value.replace(",", ".")) * unit(word), 0));
}

export function RentDialog({ id, onClose }) {
  const answer = useApi(`/api/workers/${encodeURIComponent(id)}`, { every: 10000 });
  return answer.data?.worker_id === id
    ? html`<${Form} worker=${answer.data} reload=${answer.reload} onClose=${onClose} />`
    : html`<${Dialog} title=${`Rent ${id}`} onClose=${onClose}>
      ${answer.error ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
        : html`<${Skeleton} height=${280} />`}
    <//>`;
}

/** The length that is wanted, and what is wrong with it. */
function lengthOf(way, typed, budget, worker) {
  const seconds = way === "time" ? secondsOf(typed) : Math.floor((Number(budget.replace(",", ".")) / worker.price_per_min) * 60);
  const [least, most] = [worker.min_duration_sec, worker.max_duration_sec];
  if (!Number.isFinite(seconds) || seconds <= 0) {
    return { seconds: 0, problem: way === "time" ? "A time such as 45 min, 2 h or 1 d." : "An amount above zero." };
  }
  if (seconds < least) {
    const price = way === "budget" ? `: ${money((least / 60) * worker.price_per_min, true)}` : "";
    return { seconds, problem: `This worker is rented for ${duration(least)} or more${price}.` };
  }
  if (seconds > most) {
    return way === "budget"
      ? { seconds: most, note: `Cut to the ${duration(most)} that this worker allows.` }
      : { seconds, problem: `This worker is rented for at most ${duration(most)}.` };
  }
  return { seconds };
}

function Form({ worker, reload, onClose }) {
  const { status, account, address } = session.value;
  const [way, setWay] = useState("time");
  const [typed, setTyped] = useState(duration(Math.min(Math.max(DEFAULT_SECONDS, worker.min_duration_sec), worker.max_duration_sec)));
  const [budget, setBudget] = useState("1");
  const [to, setTo] = useState(null);
  const [shown, setShown] = useState(worker.price_per_min);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState(null);
  const once = useRef({ key: "", body: "" });
  const price = worker.price_per_min;
  const { seconds, problem, note } = lengthOf(way, typed, budget, worker);
  const asked = useLater(problem ? 0 : seconds);
  const estimate = useApi(asked ? url("/api/marketplace/estimate", { worker_id: worker.worker_id, duration_sec: asked }) : null);
  const known = estimate.data?.duration_sec === seconds && estimate.data.price_per_min === price ? estimate.data : null;
  const cost = known?.total_cost ?? (price * seconds) / 60;
  const available = account?.available ?? account?.balance ?? 0;
  const mine = to ?? (address || account?.eth_address || "");
  const missing = status === "in" && !problem ? Math.max(0, Math.ceil((cost - available) * 100) / 100) : 0;
  const free = worker.state === "AVAILABLE" && worker.online !== false;
  const changed = shown !== price;
  const lengths = LENGTHS.filter(([at]) => at >= worker.min_duration_sec && at <= worker.max_duration_sec);

  const rent = async (event) => {
    event.preventDefault();
    if (status !== "in") { openSignIn("Renting needs an account that pays."); return; }
    if (problem || !isAddress(mine) || missing > 0 || changed || busy) return;
    const body = { worker_id: worker.worker_id, duration_sec: seconds, consumer_address: mine.trim(), expected_price_per_min: shown };
    // The same order has the same key, so that a lost answer does not rent twice.
    if (once.current.body !== JSON.stringify(body)) once.current = { key: onceKey(), body: JSON.stringify(body) };
    setBusy(true);
    setRefused(null);
    try {
      const lease = await post("/api/rent", body, { once: once.current.key });
      toast("success", `${worker.worker_id} works for you`);
      refresh();
      navigate(`/lease/${encodeURIComponent(lease.lease_id)}`);
    } catch (error) {
      if (error.status > 0) once.current = { key: "", body: "" };
      setRefused(error);
      reload();
      refresh();
      setBusy(false);
    }
  };
  const footer = html`
    <${Button} onClick=${onClose}>Cancel<//>
    ${changed
      ? html`<${Button} key="accept" tone="primary" onClick=${() => { setShown(price); setRefused(null); }}>
        Accept ${money(price, true)} / min
      <//>`
      : html`<${Button} key="rent" tone="primary" type="submit" form="rent-form" busy=${busy}
          disabled=${!free || (status === "in" && (Boolean(problem) || missing > 0 || !isAddress(mine)))}>
        ${status === "in" ? `Rent for ${problem ? "…" : money(cost)}` : "Sign in to rent"}
      <//>`}
  `;
  return html`<${Dialog} title=${`Rent ${worker.worker_id}`} onClose=${onClose} footer=${footer}>
    <form id="rent-form" class="stack" onSubmit=${rent} noValidate>
      <div class="row between">
        <span class="row">
          <${GpuBadge} worker=${worker} />
          <strong class="num">${hashrate(worker.hashrate)}</strong>
        </span>
        <span class="row">
          <span class="num">${money(price, true)} / min</span>
          <span class="soft num">${unitPrice(worker)}</span>
        </span>
      </div>
      ${!free && html`<p class="note warning" role="alert">
        <${Icon} name="warning" size=${16} />
        <span>It cannot be rented now: <${StatusBadge} state=${stateOf(worker)} /></span>
        <button type="button" class="link" onClick=${onClose}>Show the others</button>
      </p>`}
      ${changed && html`<p class="note warning" role="alert">
        <${Icon} name="warning" size=${16} />
        <span>
          The price changed from ${money(shown, true)} to ${money(price, true)} a minute. Nothing has been rented.
        </span>
      </p>`}
      <div class="row between">
        <${ViewToggle} label="Length" value=${way} options=${WAYS} onChange=${setWay} />
        ${way === "time" && html`<div class="row">
          ${lengths.map(([at, text]) => html`<${Button} small key=${at} aria-pressed=${seconds === at ? "true" : "false"}
              onClick=${() => setTyped(duration(at))}>
            ${text}
          <//>`)}
        </div>`}
      </div>
      ${way === "time"
        ? html`<${Field} label="For how long" error=${problem}
            hint=${`${duration(worker.min_duration_sec)} to ${duration(worker.max_duration_sec)}; such as 45 min, 2 h, 1 d`}>
          <input name="length" autocomplete="off" value=${typed}
            onInput=${(event) => setTyped(event.currentTarget.value)} autofocus />
        <//>`
        : html`<${Field} label="What you want to spend" error=${problem}
            hint=${note ?? (seconds ? `Buys ${duration(seconds)}` : "")}>
          <input name="budget" inputmode="decimal" autocomplete="off" value=${budget}
            onInput=${(event) => setBudget(event.currentTarget.value)} autofocus />
        <//>`}
      <${Field} label="Blocks go to"
          error=${mine && !isAddress(mine) ? "An address is 0x and 40 hexadecimal digits." : ""}
          hint="The address that the worker mines for.">
        <input name="address" class="mono" autocomplete="off" spellcheck=${false} placeholder="0x…" value=${mine}
          onInput=${(event) => setTo(event.currentTarget.value)} />
      <//>
      <${Facts} items=${[
        ["Held now", html`<strong class="num">${problem ? "–" : money(cost, true)}</strong>`],
        [
          "of that the platform's fee",
          html`<span class="num">${known && !problem ? money(known.platform_fee, true) : "–"}</span>`,
        ],
        status === "in" && ["Available now", html`<span class="num">${money(available, true)}</span>`],
        status === "in" && [
          "Available after",
          html`<span class=${missing > 0 ? "num bad" : "num"}>${problem ? "–" : money(available - cost, true)}</span>`,
        ],
      ]} />
      ${missing > 0 && html`<${Short} account=${account} missing=${missing} price=${price} available=${available}
        least=${worker.min_duration_sec} onLength=${(at) => { setWay("time"); setTyped(at); }} />`}
      ${refused && !changed && html`<p class="note danger" role="alert">
        <${Icon} name="warning" size=${16} />
        <span>${refused instanceof ApiError ? refused.message : "Something went wrong."}</span>
      </p>`}
      <p class="soft">Only the time that was delivered is paid; the rest of the hold comes back when the lease ends.</p>
    </form>
  <//>`;
}

/** Too little money, and the ways on. */
function Short({ account, missing, price, available, least, onLength }) {
  const [busy, setBusy] = useState(false);
  const key = useRef(onceKey());
  const affordable = Math.floor((available / price) * 60);
  // What had the focus goes with this note: the way on takes it.
  useEffect(() => () => {
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.querySelector("[form=rent-form]")?.focus();
    });
  }, []);
  const deposit = async () => {
    setBusy(true);
    try {
      await post(`/api/accounts/${encodeURIComponent(account.account_id)}/deposit`, { amount: missing }, { once: key.current });
      key.current = onceKey();
      await refresh();
      toast("success", `Deposited ${money(missing)}`);
    } catch (error) { toastError(error); }
    setBusy(false);
  };
  return html`<div class="note warning" role="alert">
    <${Icon} name="warning" size=${16} />
    <span>${money(missing)} is missing on your account.</span>
    <div class="row">
      <${Button} small busy=${busy} onClick=${deposit}>Deposit ${money(missing)}<//>
      ${affordable >= least && html`<${Button} small onClick=${() => onLength(`${Math.floor(affordable / 60)} min`)}>
        Rent ${duration(Math.floor(affordable / 60) * 60)} instead
      <//>`}
    </div>
  </div>`;
}

const unitPrice = (worker) => {
  const at = pricePerKiloHour(worker);
  return at === null ? gpuLabel(worker) : `${unitMoney(at)} per kH/s·h`;
};

/** A value that has stood still for a moment. */
function useLater(value) {
  const [later, set] = useState(value);
  useEffect(() => { const timer = setTimeout(() => set(value), 200); return () => clearTimeout(timer); }, [value]);
  return later;
}
