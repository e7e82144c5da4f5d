// Prices: what a worker asks, where that ranks among all, and what is suggested.

import { html, useState } from "/static/app/core.js";
import { put, url, useApi } from "/static/app/api.js";
import { Dialog } from "/static/app/dialog.js";
import { count, money, unitMoney } from "/static/app/format.js";
import { Button, Facts, Field, ProgressBar } from "/static/app/kit.js";
import { forEachWorker, many } from "/static/pages/provider.js";

export function PriceDialog({ workers, onClose, onDone }) {
  const one = workers.length === 1 ? workers[0] : null;
  const hint = useApi(one && `/api/workers/${encodeURIComponent(one.worker_id)}/pricing/suggest`);
  const [typed, setTyped] = useState(one ? String(one.price_per_min) : "");
  const [busy, setBusy] = useState(false);
  const [tried, setTried] = useState(false);
  const price = Number(typed.replace(",", "."));
  const bad = !(price > 0 && Number.isFinite(price));
  const standing = useApi(one && !bad
    ? url(`/api/workers/${encodeURIComponent(one.worker_id)}/pricing/rank`, { price_per_min: price })
    : null).data;
  const rank = !bad && standing?.rank && standing.price_per_min === price ? standing : null;
  const save = async (event) => {
    event.preventDefault();
    setTried(true);
    if (bad || busy) return;
    setBusy(true);
    await forEachWorker(
      workers,
      (worker) => put(`/api/provider/workers/${encodeURIComponent(worker.worker_id)}/pricing`, { price_per_min: price }),
      (n) => `${many(n)} now at ${money(price, true)} a minute`,
    );
    onClose();
    onDone();
  };
  const advice = [
    ["Suggested for the hardware", hint.data?.suggested_price_per_min],
    ["Median of recent leases", hint.data?.market_median],
  ].filter(([, value]) => value > 0);
  return html`<${Dialog} title=${one ? `Price of ${one.worker_id}` : `Price of ${many(workers.length)}`}
      onClose=${onClose}
      footer=${html`
        <${Button} onClick=${onClose}>Cancel<//>
        <${Button} tone="primary" type="submit" form="price-form" busy=${busy}>Set the price<//>
      `}>
    <form id="price-form" class="stack" onSubmit=${save} noValidate>
      <${Field} label="Price a minute" error=${tried && bad ? "A price above zero." : ""}
          hint="Leases that run keep the price they began with.">
        <input name="price" inputmode="decimal" autocomplete="off" value=${typed}
          onInput=${(event) => setTyped(event.currentTarget.value)} autofocus />
      <//>
      ${advice.length > 0 && html`<${Facts} items=${advice.map(([text, value]) => [
        text,
        html`<span class="row">
          <span class="num">${money(value, true)}</span>
          <${Button} small onClick=${() => setTyped(String(value))}>Take it<//>
        </span>`,
      ])} />`}
      ${rank && html`<div class="stack small">
        <div class="row between">
          <h3>Where it ranks</h3>
          <span class="num">${count(rank.rank)} of ${count(rank.of)}</span>
        </div>
        <${ProgressBar} value=${rank.of > 1 ? 1 - (rank.rank - 1) / (rank.of - 1) : 1} label="Cheaper than"
          tone=${rank.rank <= rank.of / 3 ? "success" : rank.rank <= (rank.of * 2) / 3 ? "warning" : "danger"} />
        <p class="soft">
          ${unitMoney(rank.price_per_khs_hour)} per kH/s and hour: ${placeOf(rank)}.${othersOf(rank)}
        </p>
      </div>`}
      ${one && standing && !standing.rank && html`<p class="soft">
        It has no hashrate yet, so its price cannot be compared.
      </p>`}
    </form>
  <//>`;
}

const placeOf = (rank) => (rank.rank === 1
  ? "the cheapest hashpower"
  : `${count(rank.rank - 1)} of ${count(rank.of)} workers ask less`);

function othersOf(rank) {
  if (!rank.median_per_khs_hour) return "";
  const [least, middle] = [rank.cheapest_per_khs_hour, rank.median_per_khs_hour].map(unitMoney);
  return ` The others ask ${least} at least, and ${middle} in the middle.`;
}
