// Account: balance and holds, money in and out, the ledger, API keys, sessions. The tab is in the address.

import { html, useEffect, useMemo, useRef, useState } from "/static/app/core.js";
import { del, download, onceKey, post, url, useApi } from "/static/app/api.js";
import { ConfirmDialog, Dialog } from "/static/app/dialog.js";
import { ago, dateTime, isAddress, money } from "/static/app/format.js";
import {
  Button, Card, EmptyState, ErrorState, Facts, Field, HashText, Icon, MetricCard, PageHead, Pill, Skeleton, StaleNote,
  Tabs, copy,
} from "/static/app/kit.js";
import { toast, toastError } from "/static/app/notices.js";
import { useQuery } from "/static/app/router.js";
import { openSignIn, refresh, session, signOut } from "/static/app/session.js";
import { useNow } from "/static/app/store.js";
import { DataTable } from "/static/app/table.js";

const PAGE_ROWS = 50;
const POLL_MS = 10000;
const TABS = [["ledger", "Ledger", "list"], ["keys", "API keys", "key"], ["sessions", "Sessions", "account"]];
const TYPES = {
  deposit: "Deposit", withdraw: "Withdrawal", lease_charge: "Lease", provider_payout: "Earning",
  platform_fee: "Platform fee", transfer_out: "Transfer out", transfer_in: "Transfer in", opening: "Opening balance",
};
const OUT = new Set(["withdraw", "lease_charge", "transfer_out"]);

export default function Account() {
  const { status, account } = session.value;
  const [tab, setTab] = useQuery("tab", "ledger");
  const [open, setOpen] = useState("");
  // Money also comes and goes by programs and by leases that end.
  useEffect(() => {
    refresh();
    const timer = setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
    return () => clearInterval(timer);
  }, []);
  if (status === "checking" && !account) return html`<${PageHead} title="Account" /><${Skeleton} height=${280} />`;
  if (!account) return html`
    <${PageHead} title="Account" text="Your money, and who may act for you." />
    <${Card}>
      <${EmptyState} icon="wallet" title="Sign in to see your account"
          text="Balance, ledger, API keys and sessions are yours alone.">
        <${Button} tone="primary" onClick=${() => openSignIn()}>Sign in<//>
      <//>
    <//>
  `;
  const close = () => setOpen("");
  const does = account.role === "provider" && session.value.kind === "wallet" ? "rents and provides" : account.role;
  return html`
    <${PageHead} title="Account" text=${html`<span class="mono">${account.account_id}</span> · ${does}`}>
      <${Button} onClick=${() => setOpen("withdraw")} disabled=${account.role === "admin"}>Withdraw<//>
      <${Button} tone="primary" icon="plus" onClick=${() => setOpen("deposit")} disabled=${account.role === "admin"}>
        Deposit
      <//>
    <//>
    <div class="metrics">
      <${MetricCard} label="Available" icon="wallet" tone="success" value=${money(account.available ?? account.balance)}
        hint="to rent with, or to withdraw" />
      <${MetricCard} label="Held by leases" icon="renter" tone="info" value=${money(account.held)}
        hint="the unused rest returns" href="/renter" />
      <${MetricCard} label="Balance" icon="market" value=${money(account.balance)} hint="available and held" />
    </div>
    <${Tabs} label="Part of the account" value=${tab} options=${TABS} onChange=${setTab} />
    ${tab === "keys" ? html`<${Keys} account=${account} />`
      : tab === "sessions" ? html`<${Sessions} />`
      : html`<${Ledger} account=${account} />`}
    ${open === "deposit" && html`<${Deposit} account=${account} onClose=${close} />`}
    ${open === "withdraw" && html`<${Withdraw} account=${account} onClose=${close} />`}
  `;
}

// --- the ledger ---

const COLUMNS = [
  { key: "at", label: "When", width: 170, cell: (row) => dateTime(row.created_at) },
  {
    key: "type", label: "What", width: 150,
    cell: (row) => html`<${Pill} tone=${row.type === "deposit" || row.type === "provider_payout" ? "success" : ""}>
      ${TYPES[row.type] ?? row.type}
    <//>`,
  },
  {
    key: "lease", label: "Lease",
    cell: (row) => (row.lease_id
      ? html`<${HashText} value=${row.lease_id} head=${12} tail=${4} href=${`/lease/${row.lease_id}`} />`
      : html`<span class="soft">${row.note ?? "–"}</span>`),
  },
  {
    key: "amount", label: "Amount", width: 150, number: true,
    cell: (row) => {
      const value = signed(row);
      return html`<span class=${value < 0 ? "" : "good"}>
        ${value < 0 ? "−" : "+"}${money(Math.abs(value), true)}
      </span>`;
    },
  },
  { key: "after", label: "Balance after", width: 150, number: true, cell: (row) => money(row.balance_after, true) },
  {
    key: "no", label: "Entry", width: 100, number: true, wideOnly: true,
    cell: (row) => html`<span class="soft">#${row.transaction_id}</span>`,
  },
];
const signed = (row) => (row.amount < 0 || !OUT.has(row.type) ? row.amount : -row.amount);

function Ledger({ account }) {
  const [type, setType] = useQuery("type", "");
  const [before, setBefore] = useQuery("before", "");
  const path = `/api/accounts/${encodeURIComponent(account.account_id)}/transactions`;
  const answer = useApi(url(path, { limit: PAGE_ROWS, type, before }), { every: before ? 0 : POLL_MS });
  // Money that moved is written here at once, not with the next look.
  useEffect(() => { answer.reload(); }, [account.balance]);
  const rows = answer.data?.items ?? [];
  const save = () => download(url(path, { format: "csv", type }), "ledger.csv").catch(toastError);
  return html`<${Card} title="Ledger" flush
      actions=${html`<div class="filters">
        <select aria-label="Kind of entry" value=${type}
            onChange=${(event) => { setBefore(""); setType(event.currentTarget.value); }}>
          <option value="">All entries</option>
          ${Object.entries(TYPES).map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
        </select>
        <${Button} small tone="quiet" icon="download" onClick=${save} disabled=${rows.length === 0}>CSV<//>
      </div>`}>
    <${StaleNote} of=${answer} />
    ${answer.error && !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
      : html`
        <${DataTable} label="Ledger" rows=${rows} columns=${COLUMNS} rowKey=${(row) => row.transaction_id}
          loading=${answer.loading && !answer.data} manual height=${620}
          empty=${type || before
            ? html`<${EmptyState} icon="search" title="No entry is like that">
              <${Button} onClick=${() => { setBefore(""); setType(""); }}>Show all<//>
            <//>`
            : html`<${EmptyState} icon="wallet" title="No money has moved yet"
              text="Deposits, leases and earnings are written here, each once." />`} />
        ${(before || answer.data?.next_before) && html`<nav class="pager" aria-label="Pages">
          ${before && html`<${Button} small icon="left" onClick=${() => setBefore("")}>Newest<//>`}
          ${answer.data?.next_before && html`<${Button} small
              onClick=${() => setBefore(answer.data.next_before, { push: true })}>
            Older<${Icon} name="right" size=${16} />
          <//>`}
        </nav>`}
      `}
  <//>`;
}

// --- money in and out ---

/** A form that moves money once, however often it is sent. */
function useMove(send, onClose) {
  const key = useRef(onceKey());
  const [busy, setBusy] = useState(false);
  const [errors, setErrors] = useState({});
  const submit = async (values, check) => {
    const wrong = check(values);
    setErrors(wrong);
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      await send(values, key.current);
      await refresh();
      onClose();
    } catch (error) {
      // What was refused was not done: another try is another order.
      if (error.status > 0) key.current = onceKey();
      setErrors({ form: error.message, ...error.fields });
    }
    setBusy(false);
  };
  return { busy, errors, submit };
}

/** The foot of a dialog with a form. */
const sending = (text, busy, onClose) => html`
  <${Button} onClick=${onClose}>Cancel<//>
  <${Button} tone="primary" type="submit" form="account-form" busy=${busy}>${text}<//>
`;
const read = (event) => { event.preventDefault(); return Object.fromEntries(new FormData(event.currentTarget)); };
const FormError = ({ text }) => text && html`<p class="note danger" role="alert">
  <${Icon} name="warning" size=${16} />
  <span>${text}</span>
</p>`;
const amountOf = (text) => Number(String(text).replace(",", "."));
const badAmount = (text, most = Infinity) => {
  const value = amountOf(text);
  return !(value > 0) ? "An amount above 0." : value > most ? `At most ${money(most, true)} is available.` : "";
};

function Deposit({ account, onClose }) {
  const [amount, setAmount] = useState("100");
  const move = useMove(async (values, once) => {
    const answer = await post(
      `/api/accounts/${encodeURIComponent(account.account_id)}/deposit`,
      { amount: amountOf(values.amount) },
      { once },
    );
    toast("success", `Deposited ${money(amountOf(values.amount), true)}: the balance is ${money(answer.balance)}`);
  }, onClose);
  const submit = (event) => move.submit(read(event), (values) => {
    const bad = badAmount(values.amount);
    return bad ? { amount: bad } : {};
  });
  return html`<${Dialog} title="Deposit" onClose=${onClose} footer=${sending("Deposit", move.busy, onClose)}>
    <form id="account-form" class="stack" onSubmit=${submit} noValidate>
      <${FormError} text=${move.errors.form} />
      <${Field} label="Amount" error=${move.errors.amount}
          hint="On a platform of your own this is play money; on a public one, deposits come in by its payment service.">
        <input name="amount" inputmode="decimal" autocomplete="off" value=${amount}
          onInput=${(event) => setAmount(event.currentTarget.value)} autofocus />
      <//>
      <div class="row">
        ${["10", "100", "1000"].map((one) => html`<${Button} small key=${one} onClick=${() => setAmount(one)}>
          ${one}
        <//>`)}
      </div>
      <${Facts} items=${[
        ["Balance now", money(account.balance, true)],
        ["Balance after", html`<strong>${money(account.balance + (amountOf(amount) > 0 ? amountOf(amount) : 0), true)}</strong>`],
      ]} />
    </form>
  <//>`;
}

function Withdraw({ account, onClose }) {
  const available = account.available ?? account.balance;
  const [amount, setAmount] = useState("");
  const move = useMove(async (values, once) => {
    const answer = await post(
      `/api/accounts/${encodeURIComponent(account.account_id)}/withdraw`,
      { amount: amountOf(values.amount), eth_address: values.to.trim() },
      { once },
    );
    toast("success", `Withdrew ${money(answer.withdrawn, true)}: the balance is ${money(answer.balance)}`);
  }, onClose);
  const check = (values) => {
    const bad = badAmount(values.amount, available);
    return {
      ...(bad && { amount: bad }),
      ...(!isAddress(values.to) && { to: "An address is 0x and 40 hexadecimal digits." }),
    };
  };
  return html`<${Dialog} title="Withdraw" onClose=${onClose} footer=${sending("Withdraw", move.busy, onClose)}>
    <form id="account-form" class="stack" onSubmit=${(event) => move.submit(read(event), check)} noValidate>
      <${FormError} text=${move.errors.form} />
      <${Field} label="Amount" error=${move.errors.amount}
          hint=${`${money(available, true)} is available${account.held > 0 ? `; ${money(account.held)} is held by leases` : ""}.`}>
        <input name="amount" inputmode="decimal" autocomplete="off" value=${amount}
          onInput=${(event) => setAmount(event.currentTarget.value)} autofocus />
      <//>
      <div class="row"><${Button} small onClick=${() => setAmount(String(available))}>All that is available<//></div>
      <${Field} label="To the address" error=${move.errors.to ?? move.errors.eth_address}>
        <input name="to" class="mono" autocomplete="off" spellcheck=${false} maxlength="42" value=${account.eth_address}
          placeholder="0x…" />
      <//>
    </form>
  <//>`;
}

// --- keys ---

const DAY = 86400;
const SCOPES = [
  ["", "everything that you may"],
  ["read", "only look"],
  ["rent", "look and rent"],
  ["provider", "look and run workers"],
];
const LASTS = [
  ["", "when it is revoked"],
  [String(7 * DAY), "after 7 days"],
  [String(30 * DAY), "after 30 days"],
  [String(90 * DAY), "after 90 days"],
  [String(365 * DAY), "after a year"],
];
const LABEL_MAX = 60;

function keyState(key, at) {
  if (key.revoked_at) return html`<${Pill}>Revoked ${dateTime(key.revoked_at)}<//>`;
  if (key.expires_at && key.expires_at <= at) return html`<${Pill} tone="warning">Expired ${dateTime(key.expires_at)}<//>`;
  return html`<${Pill} tone="success">${key.expires_at ? `Good until ${dateTime(key.expires_at)}` : "In use"}<//>`;
}

function Keys({ account }) {
  const answer = useApi("/api/auth/keys");
  const at = useNow(30000);
  const [making, setMaking] = useState(false);
  const [doomed, setDoomed] = useState(null);
  const [busy, setBusy] = useState(false);
  const revoke = async () => {
    setBusy(true);
    try {
      await del(`/api/auth/keys/${doomed.key_id}`);
      setDoomed(null);
      toast("success", "Key revoked");
      await answer.reload();
    } catch (error) { toastError(error); }
    setBusy(false);
  };
  const isOver = (key) => key.revoked_at || (key.expires_at && key.expires_at <= at);
  const columns = useMemo(() => [
    { key: "name", label: "Name", cell: (key) => key.label || html`<span class="soft">No name</span>` },
    { key: "hint", label: "Key", width: 130, cell: (key) => html`<span class="mono">${key.hint}…</span>` },
    { key: "may", label: "May", width: 150, cell: (key) => (key.scopes.length === 5 ? "everything" : key.scopes.join(", ")) },
    { key: "made", label: "Made", width: 170, cell: (key) => dateTime(key.created_at) },
    {
      key: "used", label: "Last used", width: 120,
      cell: (key) => (key.last_used_at ? ago(key.last_used_at, at) : html`<span class="soft">never</span>`),
    },
    { key: "state", label: "State", width: 240, cell: (key) => keyState(key, at) },
    {
      key: "act", label: "", width: 110, number: true, clip: false,
      cell: (key) => !isOver(key) && html`<${Button} small tone="danger" aria-label=${`Revoke ${key.label || key.hint}`}
          onClick=${() => setDoomed(key)}>
        Revoke
      <//>`,
    },
  ], [at]);
  return html`
    <${Card} title="API keys" note="for programs, in the header X-API-Key" flush
        actions=${html`<${Button} small tone="primary" icon="plus" onClick=${() => setMaking(true)}>New key<//>`}>
      <${StaleNote} of=${answer} />
      ${answer.error && !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
        : html`<${DataTable} label="API keys" rows=${answer.data?.keys ?? []} columns=${columns}
          rowKey=${(key) => key.key_id} loading=${answer.loading && !answer.data} manual
          empty=${html`<${EmptyState} icon="key" title="No key yet" text="A key lets a program act as this account." />`} />`}
    <//>
    ${making && html`<${NewKey} account=${account} onMade=${answer.reload} onClose=${() => setMaking(false)} />`}
    ${doomed && html`<${ConfirmDialog} title="Revoke this key?" confirm="Revoke" tone="danger" busy=${busy}
        onConfirm=${revoke} onClose=${() => setDoomed(null)}>
      <p>
        Programs that use ${doomed.label && html`<strong>${doomed.label}</strong> `}
        <span class="mono">${doomed.hint}…</span> are refused from then on. This cannot be undone.
      </p>
    <//>`}
  `;
}

/** Asks for a name and an end, then shows the key, this once. */
function NewKey({ account, onMade, onClose }) {
  const [made, setMade] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const make = async (event) => {
    const { label, lasts, may } = read(event);
    setBusy(true);
    try {
      setMade(await post("/api/auth/keys", {
        label: label.trim(), ...(may && { scopes: [may] }), ...(lasts && { expires_in_sec: Number(lasts) }),
        ...(account.role === "admin" && { account_id: account.account_id }),
      }));
      onMade();
    } catch (refused) { setError(refused.message); }
    setBusy(false);
  };
  if (made) {
    const ends = made.expires_at ? `until ${dateTime(made.expires_at)}` : "until it is revoked";
    return html`<${Dialog} title="Your new key" onClose=${onClose}
        footer=${html`
          <${Button} icon="copy" onClick=${() => copy(made.api_key, "Key copied")}>Copy<//>
          <${Button} tone="primary" onClick=${onClose}>I have kept it<//>
        `}>
      <p class="note warning">
        <${Icon} name="warning" size=${16} />
        <span>It is shown this once. The server keeps only a digest of it.</span>
      </p>
      <p class="mono secret">${made.api_key}</p>
      <p class="soft">${made.label ? `“${made.label}” is` : "It is"} good ${ends}.</p>
    <//>`;
  }
  return html`<${Dialog} title="New API key" onClose=${onClose} footer=${sending("Make the key", busy, onClose)}>
    <form id="account-form" class="stack" onSubmit=${make} noValidate>
      <${FormError} text=${error} />
      <${Field} label="Name" hint="What you know it by: the program or machine that uses it.">
        <input name="label" autocomplete="off" maxlength=${LABEL_MAX} placeholder="rig at home" autofocus />
      <//>
      <${Field} label="It ends">
        <select name="lasts">
          ${LASTS.map(([seconds, text]) => html`<option key=${text} value=${seconds}>${text}</option>`)}
        </select>
      <//>
      <${Field} label="It may">
        <select name="may">
          ${SCOPES.map(([scope, text]) => html`<option key=${text} value=${scope}>${text}</option>`)}
        </select>
      <//>
    </form>
  <//>`;
}

// --- sessions ---

const BROWSERS = [
  ["Edge", /Edg\//],
  ["Opera", /OPR\//],
  ["Firefox", /Firefox\//],
  ["Chrome", /Chrom(e|ium)\//],
  ["Safari", /Safari\//],
];
const SYSTEMS = [
  ["Android", /Android/],
  ["iPhone or iPad", /iPhone|iPad/],
  ["Windows", /Windows/],
  ["macOS", /Mac OS/],
  ["Linux", /Linux/],
];
/** Firefox on Linux, of what a browser calls itself; a program's own name as it is. */
function agentName(agent) {
  const [browser, system] = [BROWSERS, SYSTEMS].map((known) => known.find(([, sign]) => sign.test(agent))?.[0]);
  return browser ? `${browser}${system ? ` on ${system}` : ""}` : agent || "A program without a name";
}

function Sessions() {
  const at = useNow(30000);
  const answer = useApi("/api/auth/sessions", { every: 30000 });
  const [ending, setEnding] = useState(false);
  const [busy, setBusy] = useState(false);
  const run = async (work) => {
    setBusy(true);
    try { await work(); await answer.reload(); } catch (error) { toastError(error); }
    setBusy(false);
  };
  const end = (one) => (one.current
    ? signOut()
    : run(async () => {
      await del(`/api/auth/sessions/${one.session_id}`);
      toast("success", "That session has ended");
    }));
  const endOthers = () => run(async () => {
    const { ended } = await del("/api/auth/sessions?others=true");
    setEnding(false);
    toast("success", ended === 1 ? "One session has ended" : `${ended} sessions have ended`);
  });
  const rows = answer.data?.sessions ?? [];
  const others = rows.filter((one) => !one.current).length;
  const seen = (one) => (one.last_used_at ? ago(one.last_used_at, at) : "never since");
  return html`
    <${Card} title="Sessions" note="where a wallet of this account is signed in" flush
        actions=${others > 0 && html`<${Button} small tone="danger" onClick=${() => setEnding(true)}>
          ${others < rows.length ? "End all others" : "End all"}
        <//>`}>
      <${StaleNote} of=${answer} />
      ${!answer.data && answer.loading ? html`<div class="body"><${Skeleton} lines=${3} /></div>`
        : !answer.data ? html`<${ErrorState} error=${answer.error} retry=${answer.reload} />`
        : rows.length === 0 ? html`<${EmptyState} icon="account" title="No wallet is signed in"
          text="API keys have a page of their own." />`
        : html`<ul class="feed sessions">
          ${rows.map((one) => html`<li key=${one.session_id}>
            <span class="feed-icon"><${Icon} name="account" size=${16} /></span>
            <div>
              <p title=${one.agent}>
                ${agentName(one.agent)} ${one.current && html`<${Pill} tone="success">this one<//>`}
              </p>
              <p class="soft">
                From ${one.address || "an unknown address"}, signed in ${dateTime(one.created_at)},${" "}
                seen ${seen(one)}, ends ${dateTime(one.expires_at)}
              </p>
            </div>
            <${Button} small tone="danger" busy=${busy} onClick=${() => end(one)}>
              ${one.current ? "Sign out" : "End"}
            <//>
          </li>`)}
        </ul>`}
    <//>
    ${ending && html`<${ConfirmDialog} title="End all other sessions?" confirm="End them" tone="danger" busy=${busy}
        onConfirm=${endOthers} onClose=${() => setEnding(false)}>
      <p>Whoever is signed in there is signed out at once. API keys are not touched.</p>
    <//>`}
  `;
}
