// Starts the app: the frame around every page (navigation, connection, search, notices, account, theme, toasts),
// the table of pages, and the page of the address.

import { Component, cx, html, render, signal, useEffect, useId, useLayoutEffect, useRef, useState } from "/static/app/core.js";
import { ago, duration, money, short } from "/static/app/format.js";
import { Button, EmptyState, ErrorState, Icon, PageHead, Skeleton, copy } from "/static/app/kit.js";
import { clearNotices, dismiss, notices, readAll, toasts, unread } from "/static/app/notices.js";
import { listen, match, navigate, place } from "/static/app/router.js";
import { openSignIn, restore, session, signInAsked, signOut } from "/static/app/session.js";
import { clockOff, connect, connection, now } from "/static/app/store.js";

export const PAGES = [
  { href: "/", label: "Overview", icon: "overview", key: "o" },
  { href: "/monitoring", label: "Monitoring", icon: "monitoring", key: "m", also: "/worker" },
  { href: "/marketplace", label: "Marketplace", icon: "market", key: "p" },
  { href: "/renter", label: "Renter", icon: "renter", key: "r", also: "/lease" },
  { href: "/provider", label: "Provider", icon: "provider", key: "v" },
  { href: "/block-buster", label: "Block Buster", icon: "block", key: "b" },
];
const isHere = (page, path) => (page.href === "/" ? path === "/" : path.startsWith(page.href) || (page.also && path.startsWith(page.also)));
export const touchKey = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

/** Which overlay is open: palette, help or menu. */
export const overlay = signal(null);

export const theme = signal(document.documentElement.dataset.theme ?? "");
export function setTheme(name) {
  theme.value = name;
  if (name) { document.documentElement.dataset.theme = name; localStorage.setItem("xenblocks.theme", name); }
  else { delete document.documentElement.dataset.theme; localStorage.removeItem("xenblocks.theme"); }
}
const system = matchMedia("(prefers-color-scheme: light)");
const systemLight = signal(system.matches);
system.addEventListener("change", () => { systemLight.value = system.matches; });
/** What is shown, chosen here or by the system: what is drawn in its colours is drawn anew. */
export const isLight = () => (theme.value ? theme.value === "light" : systemLight.value);
export const switchTheme = () => setTheme(isLight() ? "dark" : "light");

export function Shell({ children }) {
  useShortcuts();
  const path = place.value.path;
  const current = (page) => (isHere(page, path) ? "page" : undefined);
  const skip = (event) => { event.preventDefault(); document.getElementById("main").focus(); };
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top"><div class="top-in">
      <a class="brand" href="/" aria-label="XenBlocks, overview"><${Mark} /><span>XenBlocks</span></a>
      <nav class="nav" aria-label="Main">
        ${PAGES.map((page) => html`<a key=${page.href} href=${page.href} aria-current=${current(page)}>${page.label}</a>`)}
      </nav>
      <div class="top-tools">
        <button type="button" class="search-button" aria-label=${`Search ${touchKey} K`}
          onClick=${() => { overlay.value = "palette"; }}>
          <${Icon} name="search" size=${16} /><span>Search</span> <kbd>${touchKey} K</kbd></button>
        <${Connection} /><${Notices} />
        <button type="button" class="icon-button theme-button" onClick=${switchTheme}
          aria-label=${isLight() ? "Dark theme" : "Light theme"}><${Icon} name=${isLight() ? "moon" : "sun"} /></button>
        <${Account} />
      </div></div></header>
    <main id="main" class="page" tabindex="-1">${children}</main>
    <footer class="foot">
      <span>XenBlocks Platform${clockOff.value !== 0 && html` · <${ClockNote} />`}</span>
      <nav aria-label="More">
        <a href="/dashboard">Operator dashboard</a>
        <a href="/api/openapi.json">API</a>
        <button type="button" class="link" onClick=${() => { overlay.value = "help"; }}>Keyboard</button>
      </nav>
    </footer>
    <nav class="tabs-bar" aria-label="Pages">
      ${PAGES.map((page) => html`<a key=${page.href} href=${page.href} aria-current=${current(page)}>
        <${Icon} name=${page.icon} size=${20} /><span>${shortLabel(page)}</span></a>`)}
    </nav>
    <${Toasts} /><${Overlays} />`;
}

/** What a page is called where there is little room. */
const shortLabel = ({ label }) => label
  .replace("Marketplace", "Market")
  .replace("Monitoring", "Monitor")
  .replace("Block Buster", "Blocks");

function ClockNote() {
  const [off, way] = [duration(Math.abs(clockOff.value)), clockOff.value > 0 ? "behind" : "fast"];
  return html`<span class="warn">This machine's clock is ${off} ${way}: times here are the server's.</span>`;
}

const hourAndMinute = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function Connection() {
  const { state, since, retryAt } = connection.value;
  const [, tick] = useState(0);
  useEffect(() => {
    if (state === "live") return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [state]);
  const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const text = state === "live" ? "Live"
    : state === "connecting" ? "Connecting"
    : state === "stale" ? `Stale since ${since ? hourAndMinute(since) : "start"}`
    : left > 0 ? `Reconnecting in ${left} s`
    : "Reconnecting";
  const said = state === "live" ? "Live" : state === "connecting" ? "Connecting" : "Connection lost";
  return html`<div class="conn" data-state=${state}><span class="hidden" role="status">${said}</span>
    <i class="dot" aria-hidden="true"></i><span class="conn-text">${text}</span>
    ${retryAt > 0 && html`<button type="button" class="link" onClick=${connect}>Retry<span class="wide-only"> now</span></button>`}</div>`;
}

function Notices() {
  const label = unread.value > 0 ? `Notifications, ${unread.value} new` : "Notifications";
  const bell = html`<${Icon} name="bell" />
    ${unread.value > 0 && html`<i class="count" aria-hidden="true">${Math.min(unread.value, 99)}</i>`}`;
  return html`<${Popover} label=${label} onSeen=${readAll} button=${bell}>
    <div class="panel-head"><strong>Notifications</strong>
      ${notices.value.length > 0 && html`<button type="button" class="link" onClick=${clearNotices}>Clear</button>`}</div>
    ${notices.value.length === 0
      ? html`<${EmptyState} icon="bell" title="Nothing new"
          text="Your leases and their blocks, and workers of yours that fall silent, appear here." />`
      : html`<ul class="notice-list">${notices.value.map((one) => html`<li key=${one.id} data-tone=${one.kind}>
          <i class="dot" aria-hidden="true"></i>
          <div>
            ${one.href ? html`<a href=${one.href}>${one.title}</a>` : html`<span>${one.title}</span>`}
            ${one.text && html`<p class="soft">${one.text}</p>`}
            <small class="soft">${ago(one.at, now())}</small>
          </div></li>`)}</ul>`}<//>`;
}

function Account() {
  const { status, account, address } = session.value;
  if (status === "checking" && !account) return html`<span class="skeleton account-wait"></span>`;
  if (status !== "in" && status !== "checking") {
    return html`<${Button} tone="primary" small icon="wallet" onClick=${() => openSignIn()}>
      <span class="sign-in-text">${status === "expired" ? "Sign in again" : "Sign in"}</span><//>`;
  }
  const name = address ? short(address) : account.account_id;
  const face = html`<span class="avatar" aria-hidden="true"><${Icon} name="account" size=${16} /></span>
    <span class="account-name mono">${name}</span>`;
  return html`<${Popover} label=${`Account ${name}`} class="account-button" button=${face}>
    <div class="panel-head column">
      <strong class="mono">${name}</strong>
      <span class="soft">${account.account_id} · ${account.role}</span>
    </div>
    <dl class="facts tight">
      <div><dt>Available</dt><dd class="num">${money(account.available ?? account.balance)}</dd></div>
      <div><dt>Held by leases</dt><dd class="num">${money(account.held)}</dd></div>
    </dl>
    <div class="menu"><a href="/account"><${Icon} name="account" />Account</a>
      <button type="button" data-close onClick=${() => copy(address || account.account_id)}>
        <${Icon} name="copy" />Copy ${address ? "address" : "account id"}</button>
      <button type="button" data-close onClick=${() => { signOut(); navigate("/"); }}><${Icon} name="out" />Sign out</button></div><//>`;
}

const TONE_ICONS = { success: "check", info: "info", warning: "warning", danger: "warning" };
function Toasts() {
  const act = (one) => { one.action.run(); dismiss(one.id); };
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((one) => html`<div class="toast" key=${one.id} data-tone=${one.kind}>
      <${Icon} name=${TONE_ICONS[one.kind]} /><span>${one.text}</span>
      ${one.href && html`<a href=${one.href}>Show</a>`}
      ${one.action && html`<button type="button" class="link" onClick=${() => act(one)}>${one.action.label}</button>`}
      <button type="button" class="icon-button tiny" aria-label="Dismiss" onClick=${() => dismiss(one.id)}>
        <${Icon} name="close" size=${14} /></button></div>`)}</div>`;
}

/** What opens over the page is loaded when it is first asked for. */
function Overlays() {
  const [parts, setParts] = useState({});
  const wanted = signInAsked.value ? "wallet" : overlay.value ? "palette" : null;
  // A wallet that changes its account signs out, also after the page was loaded anew.
  const { kind, status } = session.value;
  useEffect(() => { if (kind === "wallet") import("/static/app/wallet.js").catch(() => {}); }, [kind]);
  useEffect(() => { if (status === "in") import("/static/app/news.js").catch(() => {}); }, [status]);
  useEffect(() => {
    if (!wanted || parts[wanted]) return;
    import(`/static/app/${wanted}.js`).then((module) => setParts((old) => ({ ...old, [wanted]: module })), () => {});
  }, [wanted]);
  const close = () => { overlay.value = null; };
  return html`${wanted === "wallet" && parts.wallet && html`<${parts.wallet.SignIn} />`}
    ${overlay.value === "palette" && parts.palette && html`<${parts.palette.Palette} onClose=${close} />`}
    ${overlay.value === "help" && parts.palette && html`<${parts.palette.Help} onClose=${close} />`}`;
}

function useShortcuts() {
  useEffect(() => {
    let going = 0;
    const press = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        overlay.value = overlay.value === "palette" ? null : "palette";
        return;
      }
      const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (Date.now() - going < 1000) {
        going = 0;
        const page = event.key === "a" ? { href: "/account" } : PAGES.find((one) => one.key === event.key);
        if (page) { event.preventDefault(); navigate(page.href); return; }
      }
      if (event.key === "/") { event.preventDefault(); overlay.value = "palette"; }
      else if (event.key === "?") overlay.value = "help";
      else if (event.key === "t") switchTheme();
      else if (event.key === "g") going = Date.now();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

const Mark = () => html`<svg class="mark" width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
  <rect width="32" height="32" rx="7" />
  <path d="M16 4 26 10v12l-10 6-10-6V10z" />
  <path d="m11.5 11.5 9 9m0-9-9 9" /></svg>`;

/** A button with its panel: <${Popover} label="Account" button=${html`…`}>menu items<//> */
export function Popover({ label, button, children, onSeen, class: name }) {
  const [open, setOpen] = useState(false);
  const [root, trigger] = [useRef(null), useRef(null)];
  const panel = useId();
  useEffect(() => {
    if (!open) return undefined;
    onSeen?.();
    const outside = (event) => { if (!root.current?.contains(event.target)) setOpen(false); };
    const escape = (event) => { if (event.key === "Escape") { setOpen(false); trigger.current?.focus(); } };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    return () => { document.removeEventListener("pointerdown", outside); document.removeEventListener("keydown", escape); onSeen?.(); };
  }, [open]);
  return html`<div class="popover" ref=${root}>
    <button ref=${trigger} type="button" class=${cx("icon-button", name)} aria-label=${label}
      aria-expanded=${open ? "true" : "false"} aria-controls=${panel} onClick=${() => setOpen(!open)}>${button}</button>
    ${open && html`<div class="panel" id=${panel}
      onClick=${(event) => { if (event.target.closest("a, [data-close]")) setOpen(false); }}>${children}</div>`}</div>`;
}

// --- the page of the address ---

const ROUTES = [
  { path: "/", title: "Overview", load: () => import("/static/pages/overview.js") },
  { path: "/monitoring", title: "Monitoring", load: () => import("/static/pages/monitoring.js") },
  { path: "/worker/:id", title: "Worker", load: () => import("/static/pages/monitoring.js"), same: "/monitoring" },
  { path: "/marketplace", title: "Marketplace", load: () => import("/static/pages/marketplace.js") },
  { path: "/renter", title: "Renter", load: () => import("/static/pages/renter.js") },
  { path: "/lease/:id", title: "Lease", load: () => import("/static/pages/lease.js") },
  { path: "/provider", title: "Provider", load: () => import("/static/pages/provider.js") },
  { path: "/account", title: "Account", load: () => import("/static/pages/account.js") },
  { path: "/block-buster", title: "Block Buster", load: () => import("/static/pages/block-buster.js") },
];

function find(path) {
  for (const route of ROUTES) {
    const params = match(route.path, path);
    if (params) return { route, params };
  }
  return null;
}

/** Keeps a page's failure to the page. */
class Guard extends Component {
  state = { error: null };
  static getDerivedStateFromError(error) { return { error }; }
  componentDidCatch(error) { console.error(error); }
  render({ children }, { error }) {
    return error ? html`<${ErrorState} error=${error} retry=${() => this.setState({ error: null })} />` : children;
  }
}

function Page() {
  const { path, moved, scroll } = place.value;
  const found = find(path);
  const [shown, setShown] = useState(null);
  const [error, setError] = useState(null);
  const here = useRef(found?.route.same ?? path);
  const attempt = () => {
    setError(null);
    found?.route.load().then((module) => setShown({ route: found.route, View: module.default }), setError);
  };
  useEffect(attempt, [found?.route]);
  useEffect(() => {
    if (!error) return undefined;
    addEventListener("live-again", attempt);
    return () => removeEventListener("live-again", attempt);
  }, [error, found?.route]);
  useEffect(() => { document.title = found ? `${found.params.id ?? found.route.title} · XenBlocks` : "Not found · XenBlocks"; }, [path]);
  // A new page begins at its top, and a screen reader at its heading; back returns to where one was. A drawer is no new page.
  useLayoutEffect(() => {
    if (found && shown?.route !== found.route) return;
    const [before, at] = [here.current, found?.route.same ?? path];
    here.current = at;
    if (!moved || before === at) return;
    scrollTo(0, scroll ?? 0);
    if (!document.querySelector("dialog[open]")) document.querySelector("h1")?.focus({ preventScroll: true });
  }, [shown, path, moved]);
  if (!found) return html`<${NotFound} path=${path} />`;
  if (error) {
    return html`<${PageHead} title=${found.route.title} />
      <${ErrorState} error=${{ message: "A part of the app could not be loaded." }} retry=${attempt} />`;
  }
  if (shown?.route.load.toString() !== found.route.load.toString()) {
    return html`<${PageHead} title=${found.route.title} /><${Skeleton} height=${320} />`;
  }
  return html`<${Guard} key=${found.route.same ?? found.route.path}><${shown.View} params=${found.params} path=${path} /><//>`;
}

function NotFound({ path }) {
  return html`<${PageHead} title="Nothing here" />
    <section class="card"><${EmptyState} icon="question" title="404" text=${`There is no page at ${path}.`}>
    <${Button} tone="primary" onClick=${() => navigate("/")}>Go to the overview<//><//></section>`;
}

// Addresses of the old app.
if (/^#\/?theblock$/i.test(location.hash)) history.replaceState({}, "", "/block-buster");
place.value = { ...place.value, path: location.pathname };
listen();
restore();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Shell}><${Page} /><//>`, root);
connect();
