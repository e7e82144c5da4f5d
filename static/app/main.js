// Starts the app: the table of pages, the page of the address, the frame around it.

import { Component, html, render, useEffect, useLayoutEffect, useRef, useState } from "/static/app/core.js";
import { Button, EmptyState, ErrorState, PageHead, Skeleton } from "/static/app/kit.js";
import { listen, match, navigate, place } from "/static/app/router.js";
import { restore } from "/static/app/session.js";
import { Shell } from "/static/app/shell.js";
import { connect } from "/static/app/store.js";

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
  const first = useRef(true);
  const attempt = () => {
    setError(null);
    found?.route.load().then((module) => setShown({ route: found.route, View: module.default }), setError);
  };
  useEffect(attempt, [found?.route]);
  useEffect(() => { document.title = found ? `${found.params.id ?? found.route.title} · XenBlocks` : "Not found · XenBlocks"; }, [path]);
  // A new page begins at its top, and a screen reader at its heading; back returns to where one was.
  useLayoutEffect(() => {
    if (first.current) { first.current = false; return; }
    if (!moved || !shown) return;
    scrollTo(0, scroll ?? 0);
    if (!document.querySelector("dialog[open]")) document.querySelector("h1")?.focus({ preventScroll: true });
  }, [shown, path, moved]);
  if (!found) return html`<${NotFound} path=${path} />`;
  if (error) return html`<${PageHead} title=${found.route.title} /><${ErrorState} error=${{ message: "A part of the app could not be loaded." }} retry=${attempt} />`;
  if (shown?.route.load.toString() !== found.route.load.toString()) return html`<${PageHead} title=${found.route.title} /><${Skeleton} height=${320} />`;
  return html`<${Guard} key=${found.route.same ?? found.route.path}><${shown.View} params=${found.params} path=${path} /><//>`;
}

function NotFound({ path }) {
  return html`<${PageHead} title="Nothing here" /><${EmptyState} icon="question" title="404" text=${`There is no page at ${path}.`}>
    <${Button} tone="primary" onClick=${() => navigate("/")}>Go to the overview<//><//>`;
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
