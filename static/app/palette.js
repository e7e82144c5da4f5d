// The command palette: pages, actions, workers, leases and blocks, by typing. And the help on keys.

import { html, useEffect, useId, useMemo, useRef, useState } from "/static/app/core.js";
import { get, url } from "/static/app/api.js";
import { Dialog } from "/static/app/dialog.js";
import { gpuLabel, hashTag, hashrate, isAddress, short } from "/static/app/format.js";
import { Icon } from "/static/app/kit.js";
import { navigate } from "/static/app/router.js";
import { isIn, openSignIn, signOut } from "/static/app/session.js";
import { PAGES, overlay, switchTheme, touchKey } from "/static/app/shell.js";
import { blocks, workers } from "/static/app/store.js";

const FOUND_MAX = 8;
const ASK_AFTER_MS = 180;

function commands() {
  const go = (href) => () => navigate(href);
  return [
    ...PAGES.map((page) => ({ group: "Go to", label: page.label, icon: page.icon, hint: `g ${page.key}`, run: go(page.href) })),
    { group: "Go to", label: "Account", icon: "account", hint: "g a", run: go("/account") },
    { group: "Go to", label: "Operator dashboard", icon: "external", run: () => window.location.assign("/dashboard") },
    { group: "Do", label: "Switch the theme", icon: "sun", hint: "t", run: switchTheme },
    { group: "Do", label: "Keyboard help", icon: "question", hint: "?", run: () => { overlay.value = "help"; } },
    isIn()
      ? { group: "Do", label: "Sign out", icon: "out", run: signOut }
      : { group: "Do", label: "Sign in", icon: "wallet", run: () => openSignIn() },
  ];
}

function local(text) {
  const found = [];
  for (const worker of workers.values()) {
    if (worker.worker_id.toLowerCase().includes(text)) found.push(asWorker(worker));
    if (found.length >= FOUND_MAX) break;
  }
  for (const block of blocks.value) {
    if (hashTag(block.hash).toLowerCase().includes(text) || block.key?.toLowerCase().includes(text)) {
      found.push({
        group: "Blocks",
        label: short(hashTag(block.hash), 12, 8),
        icon: "block",
        hint: block.worker_id,
        run: () => navigate(block.lease_id ? `/lease/${block.lease_id}` : `/worker/${block.worker_id}`),
      });
    }
    if (found.length >= FOUND_MAX * 1.5) break;
  }
  return found;
}
const asWorker = (worker) => ({
  group: "Workers",
  label: worker.worker_id,
  icon: "gpu",
  hint: `${gpuLabel(worker)} · ${hashrate(worker.hashrate)}`,
  run: () => navigate(`/worker/${encodeURIComponent(worker.worker_id)}`),
});

function useFound(text) {
  const [asked, setAsked] = useState({ text: "", items: [] });
  useEffect(() => {
    if (text.length < 2) return undefined;
    let over = false;
    const timer = setTimeout(() => get(url("/api/marketplace", { search: text, available_only: "false", limit: FOUND_MAX })).then(
      (page) => { if (!over) setAsked({ text, items: page.items.map(asWorker) }); }, () => {}), ASK_AFTER_MS);
    return () => { over = true; clearTimeout(timer); };
  }, [text]);
  return useMemo(() => {
    const all = commands().filter((one) => one.label.toLowerCase().includes(text));
    if (text.length < 2) return all;
    if (text.startsWith("lease-")) {
      const open = () => navigate(`/lease/${encodeURIComponent(text)}`);
      all.push({ group: "Leases", label: short(text, 14, 6), icon: "renter", hint: "Open the lease", run: open });
    }
    if (isAddress(text)) {
      const open = () => navigate(`/monitoring?q=${text}`);
      all.push({ group: "Workers", label: `Workers of ${short(text)}`, icon: "wallet", run: open });
    }
    const seen = new Set();
    return [...all, ...local(text), ...(asked.text === text ? asked.items : [])].filter((one) => {
      const key = one.group + one.label;
      return !seen.has(key) && seen.add(key);
    });
  }, [text, asked]);
}

export function Palette({ onClose }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const input = useRef(null);
  const id = useId();
  const found = useFound(typed.trim().toLowerCase());
  const place = Math.min(at, found.length - 1);
  useEffect(() => { input.current.focus(); }, []);
  useEffect(() => { document.getElementById(`${id}-${place}`)?.scrollIntoView({ block: "nearest" }); }, [place]);
  const run = (one) => { onClose(); one?.run(); };
  const press = (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((place + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(1, found.length));
    }
    if (event.key === "Enter") { event.preventDefault(); run(found[place]); }
  };
  return html`<${Dialog} title="Search and commands" onClose=${onClose} bare>
    <div class="palette-input">
      <${Icon} name="search" />
      <input ref=${input} role="combobox" aria-expanded="true" aria-controls=${id}
        aria-activedescendant=${place >= 0 ? `${id}-${place}` : undefined}
        aria-label="Search and commands" placeholder="Worker, lease, block or command" value=${typed}
        autocomplete="off" spellcheck=${false}
        onInput=${(event) => { setTyped(event.currentTarget.value); setAt(0); }} onKeyDown=${press} />
      <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button>
    </div>
    <div class="palette-list" role="listbox" id=${id} aria-label="Results">
      ${found.length === 0 && html`<p class="group">Nothing found for “${typed}”.</p>`}
      ${found.map((one, i) => html`${(i === 0 || found[i - 1].group !== one.group)
          && html`<div class="group" role="presentation" key=${one.group}>${one.group}</div>`}
        <div role="option" id=${`${id}-${i}`} key=${one.group + one.label} aria-selected=${i === place ? "true" : "false"}
          onMouseMove=${() => setAt(i)} onClick=${() => run(one)}>
          <${Icon} name=${one.icon} /><span>${one.label}</span>
          ${one.hint && html`<span class="soft">${one.hint}</span>`}</div>`)}</div><//>`;
}

export function Help({ onClose }) {
  const rows = [
    [`${touchKey} K or /`, "Search and commands"],
    ["?", "This help"],
    ["t", "Switch the theme"],
    ["Esc", "Close what is open"],
    ...PAGES.map((page) => [`g ${page.key}`, page.label]),
    ["g a", "Account"],
  ];
  const key = (one) => (one === "or" ? html` or ` : html`<kbd>${one}</kbd>`);
  return html`<${Dialog} title="Keyboard" wide onClose=${onClose}><dl class="keys">
    ${rows.map(([keys, what]) => html`<div key=${keys}><dt>${keys.split(" ").map(key)}</dt><dd>${what}</dd></div>`)}</dl><//>`;
}
