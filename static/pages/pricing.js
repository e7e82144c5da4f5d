// Prices: what a worker asks, where that ranks among all, and what is suggested.

import { html, useMemo, useState } from "/static/app/core.js";
import { put, useApi } from "/static/app/api.js";
import { Dialog } from "/static/app/dialog.js";
import { count, money, pricePerKiloHour, unitMoney } from "/static/app/format.js";
import { Button, Facts, Field, ProgressBar } from "/static/app/kit.js";
import { useRoster, workers as fleet } from "/static/app/store.js";
import { forEachWorker, many } from "/static/pages/provider.js";

/** How many of the workers online ask less for the same hashpower, and of how many. */
function rankOf(worker, price) {
  const own = pricePerKiloHour({ ...worker, price_per_min: price });
  if (own === null) return null;
  let [cheaper, all] = [0, 1];
  for (const other of fleet.values()) {
    const at = other.online && other.worker_id !== worker.worker_id ? pricePerKiloHour(other) : null;
    if (at === null) continue;
    all += 1;
    if (at < own) cheaper += 1;
  }
  return { place: cheaper + 1, all, own };
}

export function PriceDialog({ workers, onClose, onDone }) {
  const one = workers.length === 1 ? workers[0] : null;
  const { complete } = useRoster();
  const hint = useApi(one && `/api/workers/${encodeURIComponent(one.worker_id)}/pricing/suggest`);
  const [typed, setTyped] = useState(one ? String(one.price_per_min) : "");
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const price = Number(typed.replace(",", "."));
  const bad = !(price > 0 && Number.isFinite(price));
  const rank = useMemo(() => (one && !bad ? rankOf(one, price) : null), [one, price, complete, fleet.size]);
  const save = async (event) => {
    event.preventDefault();
    setTried(true);
    if (bad || busy) return;
    setBusy(true);
    await forEachWorker(workers, (worker) => put(`/api/provider/workers/${encodeURIComponent(worker.worker_id)}/pricing`, { price_per_min: price }), (n) => `${many(n)} now at ${money(price, true)} a minute`);
    onClose();
    onDone();
  };
  const advice = [["Suggested for the hardware", hint.data?.suggested_price_per_min], ["Median of recent leases", hint.data?.market_median]].filter(([, value]) => value > 0);
  return html`<${Dialog} title=${one ? `Price of ${one.worker_id}` : `Price of ${many(workers.length)}`} onClose=${onClose} footer=${html`<${Button} onClick=${onClose}>Cancel<//><${Button} tone="primary" type="submit" form="price-form" busy=${busy}>Set the price<//>`}>
    <form id="price-form" class="stack" onSubmit=${save} noValidate>
      <${Field} label="Price a minute" error=${tried && bad ? "A price above zero." : ""} hint="Leases that run keep the price they began with."><input name="price" inputmode="decimal" autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.currentTarget.value)} autofocus /><//>
      ${advice.length > 0 && html`<${Facts} items=${advice.map(([text, value]) => [text, html`<span class="row"><span class="num">${money(value, true)}</span><${Button} small onClick=${() => setTyped(String(value))}>Take it<//></span>`])} />`}
      ${rank && html`<div class="stack small"><div class="row between"><h3>Where it ranks</h3><span class="num">${count(rank.place)} of ${count(rank.all)}</span></div>
        <${ProgressBar} value=${rank.all > 1 ? 1 - (rank.place - 1) / (rank.all - 1) : 1} label="Cheaper than" tone=${rank.place <= rank.all / 3 ? "success" : rank.place <= (rank.all * 2) / 3 ? "warning" : "danger"} />
        <p class="soft">${unitMoney(rank.own)} per kH/s and hour: ${rank.place === 1 ? "the cheapest hashpower online" : `${count(rank.place - 1)} of ${count(rank.all)} workers online ask less`}.</p></div>`}
      ${one && !rank && !bad && html`<p class="soft">It has no hashrate yet, so its price cannot be compared.</p>`}
    </form><//>`;
}
