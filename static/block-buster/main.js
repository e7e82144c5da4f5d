// Starts the gateway's own page. It has one address; `#/theblock` and `#theblock` are others of the same.

import { html, render, useState } from "/static/app/core.js";
import { Button, Icon } from "/static/app/kit.js";
import { connection, start } from "/static/block-buster/feed.js";
import { Page } from "/static/block-buster/page.js";

const STATES = { connecting: "Connecting", live: "Live", polling: "Polling", lost: "No connection" };
const TONES = { connecting: "connecting", live: "live", polling: "waiting", lost: "stale" };

function Frame() {
  const state = connection.value;
  const skip = (event) => { event.preventDefault(); document.getElementById("main").focus(); };
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top"><div class="top-in">
      <a class="brand" href="/" aria-label="Block Buster">
        <img src="/static/icon.svg" alt="" width="28" height="28" /><span>Block Buster</span></a>
      <div class="top-tools">
        <div class="conn" data-state=${TONES[state]} role="status">
          <i class="dot" aria-hidden="true"></i><span class="conn-text">${STATES[state]}</span></div>
        <${Theme} />
      </div></div></header>
    <main id="main" class="page" tabindex="-1"><${Page} /></main>
    <footer class="foot">
      <span>XenBlocks Platform</span>
      <nav aria-label="More">
        <a href="/health">Health</a>
        <a href="/metrics">Metrics</a>
        <a href="/features/schema">Features</a>
      </nav>
    </footer>`;
}

function Theme() {
  const root = document.documentElement;
  const system = () => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const [theme, setTheme] = useState(root.dataset.theme ?? system());
  const other = theme === "light" ? "dark" : "light";
  const change = () => {
    root.dataset.theme = other;
    try { localStorage.setItem("xenblocks.theme", other); } catch { /* storage is blocked: until the page is closed */ }
    setTheme(other);
  };
  return html`<${Button} class="icon-button" tone="quiet" onClick=${change}
    aria-label=${other === "light" ? "Light theme" : "Dark theme"}><${Icon} name=${other === "light" ? "sun" : "moon"} /><//>`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Frame} />`, root);
start();
