// The landing page: the counters, live, and the commands with this server's own addresses.

const POLL_MS = 5000;
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const byId = (id) => document.getElementById(id);
const put = (selector, text) => {
  for (const place of document.querySelectorAll(selector)) place.textContent = text;
};

async function read(path) {
  const answer = await fetch(path, {
    headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(10000),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.json();
}

async function poll() {
  const line = byId("connection");
  try {
    const status = await read("/api/status");
    byId("count-clients").textContent = whole.format(status.mqtt_clients.length);
    byId("count-workers").textContent = whole.format(status.workers);
    byId("count-leases").textContent = whole.format(status.active_leases);
    byId("count-blocks").textContent = whole.format(status.total_blocks);
    byId("count-self").textContent = whole.format(status.self_mined_blocks);
    byId("count-settlements").textContent = whole.format(status.total_settlements);
    line.dataset.state = "live";
    line.textContent = `Updated ${new Date().toLocaleTimeString()}, every 5 s`;
  } catch (error) {
    line.dataset.state = "lost";
    line.textContent = "No answer from the server; trying again every 5 s";
  }
  setTimeout(poll, POLL_MS);
}

put(".origin", location.origin);
put(".host", location.hostname);
poll();
read("/").then((banner) => put(".mqtt-port", banner.mqtt_port)).catch(() => {
  // The commands keep the default port.
});
