#!/usr/bin/env python3
"""What the web app costs a browser: bytes, requests, frames per second, main-thread share, Lighthouse's scores.

make web-budget. Needs chromium; takes the program as its argument. Speaks the DevTools protocol over a pipe, with
nothing but Python's own library. The live feed is played inside the page (10,000 workers of a seeded database, 200
heartbeats a second in version 2's frames), so that the page is measured and not the server beside it.
"""

import contextlib, json, os, pathlib, shutil, subprocess, sys, tempfile, time, urllib.request

LIGHTHOUSE_PAGES = ["/", "/monitoring", "/marketplace", "/provider", "/renter", "/account", "/dashboard"]
LIGHTHOUSE_WORKERS = 300
LIGHTHOUSE_RUNS_MAX = 3
SCORES_MIN = {"performance": 95, "accessibility": 100, "best-practices": 100}
WORKERS = 10_000
MEASURED_SEC = 10
BUDGET = {"script bytes, gzip": 90_000, "style bytes, gzip": 12 * 1024, "requests": 25}
FEED = """
const Real = window.WebSocket;
window.WebSocket = class {
  constructor() { this.readyState = 1; setTimeout(() => this.play(), 0); }
  close() {}
  async play() {
    const ids = [];
    for (let offset = 0; ; offset += 500) {
      const page = await (await fetch(`/api/workers?limit=500&offset=${offset}`)).json();
      ids.push(...page.map((worker) => worker.worker_id));
      if (page.length < 500) break;
    }
    const stats = { total_workers: ids.length, online: ids.length, offline: 0, total_hashrate: 1e6, total_gpus: 20000, active_gpus: 20000, total_blocks: 1, blocks_last_hour: 1 };
    let seq = 1, at = 0;
    const send = (frame) => this.onmessage?.({ data: JSON.stringify({ ts: Date.now() / 1000, ...frame }) });
    send({ type: "snapshot", v: 2, feed: "f", seq, data: { stats, workers: [], recent_blocks: [] } });
    setInterval(() => {
      const heartbeat = Array.from({ length: 40 }, () => ({ worker_id: ids[at++ % ids.length], hashrate: 1000 + Math.random() * 4000, active_gpus: 2 }));
      const data = at % 200 === 0 ? { heartbeat, stats: [stats] } : { heartbeat };
      send({ type: "delta", since: seq, seq: ++seq, data });
    }, 200);
  }
};
"""


def browser_program():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return program or sys.exit("web-budget: chromium is missing (Debian: apt-get install chromium)")


class Browser:
    def __init__(self, folder):
        to_browser, self.command = os.pipe()
        from_browser, answer = os.pipe()
        def wire():
            os.dup2(to_browser, 3)
            os.dup2(answer, 4)
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-extensions --disable-background-networking --disable-component-update --remote-debugging-pipe"
        self.process = subprocess.Popen([browser_program(), *flags.split(), f"--user-data-dir={folder}"], preexec_fn=wire, close_fds=False, stderr=subprocess.DEVNULL)
        self.answers, self.last, self.events, self.buffer = os.fdopen(from_browser, "rb", 0), 0, [], b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.command, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                self.buffer += self.answers.read(65536)
            raw, self.buffer = self.buffer.split(b"\0", 1)
            got = json.loads(raw)
            if got.get("id") == self.last:
                if "error" in got:
                    raise RuntimeError(got["error"])
                return got["result"]
            self.events.append(got)

    def run(self, script):
        return self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"].get("value")

    def open(self, url, seconds):
        self.events.clear()
        self.call("Page.navigate", url=url)
        time.sleep(seconds)
        self.run("0")

    def close(self):
        self.process.terminate()
        self.process.wait()


def bytes_of(root, url):
    """What is sent of our files, all pages together."""
    sizes = {}
    for kind, endings in (("script", {".js", ".mjs"}), ("style", {".css"})):
        # Pages of their own: the operator's dashboard, and the gateway's.
        is_app = lambda file: not str(file.relative_to(root)).startswith(("dashboard", "block-buster"))
        files = [file for file in root.rglob("*") if file.suffix in endings and is_app(file)]
        ask = lambda file: urllib.request.Request(f"{url}/static/{file.relative_to(root)}", headers={"Accept-Encoding": "gzip"})
        sizes[f"{kind} bytes, gzip"] = sum(len(urllib.request.urlopen(ask(file)).read()) for file in files)
    return sizes


def measure(browser, url):
    for domain in ("Page", "Runtime", "Network", "Performance"):
        browser.call(f"{domain}.enable")
    browser.open(url, 4)
    sent = [one["params"]["request"]["url"] for one in browser.events if one.get("method") == "Network.requestWillBeSent"]
    loaded = sum(one["params"]["encodedDataLength"] for one in browser.events if one.get("method") == "Network.loadingFinished")
    figures = {"requests": len(sent), "bytes of the first load": int(loaded)}
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=FEED)
    browser.open(f"{url}/monitoring", 12)
    rows = browser.run("document.querySelector('table')?.getAttribute('aria-rowcount')")
    if not rows or int(rows) < WORKERS:
        sys.exit(f"web-budget: the fleet shows {rows} rows")
    # Tasks take longer by the clock where the machine has other things to do; the thread's own time does not.
    names = {"main thread, %": "TaskDuration", "of it on the processor, %": "ThreadTime"}
    busy = lambda: {one["name"]: one["value"] for one in browser.call("Performance.getMetrics")["metrics"]}
    before, began = busy(), time.monotonic()
    frames = browser.run(f"new Promise((done) => {{ let n = 0; const t = performance.now(); const f = (at) => {{ n += 1; at - t < {MEASURED_SEC * 1000} ? requestAnimationFrame(f) : done(n * 1000 / (at - t)); }}; requestAnimationFrame(f); }})")
    figures["frames per second, 10,000 workers"] = round(frames, 1)
    after, took = busy(), time.monotonic() - began
    for figure, name in names.items():
        figures[figure] = round(100 * (after[name] - before[name]) / took, 1)
    return figures


def lighthouse(url, folder):
    """Prints the scores of each page on Lighthouse's slow phone; whether one is below what is promised."""
    fetched = pathlib.Path(__file__).resolve().parent.parent / "target/web-tools/node_modules/.bin/lighthouse"
    program = shutil.which("lighthouse") or (str(fetched) if fetched.exists() else None)
    if not program:
        print("lighthouse is not at hand: no scores (npm install --global lighthouse)")
        return False
    low = False
    for path in LIGHTHOUSE_PAGES:
        # On a machine that has other things to do, the best of some runs is what the page can do.
        for _ in range(LIGHTHOUSE_RUNS_MAX):
            scores, complaints = scores_of(program, url + path, folder)
            poor = {name for name, least in SCORES_MIN.items() if scores[name] < least}
            if not poor:
                break
        print(f"lighthouse {path:14}", *(f"{name} {score}{': LOW' if name in poor else ''}" for name, score in scores.items()), sep="  ", flush=True)
        for complaint in complaints:
            print(f"  {complaint}")
        low = low or bool(poor)
    return low


def scores_of(program, address, folder):
    report = f"{folder}/lighthouse.json"
    flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage"
    subprocess.run([program, address, "--quiet", f"--chrome-flags={flags}", "--output=json", f"--output-path={report}"], check=True, stderr=subprocess.DEVNULL, env=os.environ | {"CHROME_PATH": browser_program()})
    found = json.load(open(report))
    failed = lambda one: one["score"] is not None and one["score"] < 0.9 and one["scoreDisplayMode"] == "binary"
    return {name: round(100 * (one["score"] or 0)) for name, one in found["categories"].items()}, [one["title"] for one in found["audits"].values() if failed(one)]


@contextlib.contextmanager
def serving(program, folder, workers):
    """The address of a server whose database has so many workers; it is stopped in the end."""
    database = f"{folder}/{workers}.db"
    subprocess.run([program, "seed", "--db-path", database, "--workers", str(workers), "--blocks", "2000", "--leases", "500"], check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen([program, "server", "--db-path", database, "--api-port", "0", "--mqtt-port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield json.loads(server.stdout.readline())["url"]
    finally:
        server.terminate()
        server.wait()


def main():
    program, root = sys.argv[1], pathlib.Path(__file__).resolve().parent.parent / "static"
    with tempfile.TemporaryDirectory() as folder:
        with serving(program, folder, WORKERS) as url:
            browser = Browser(f"{folder}/browser")
            try:
                figures = bytes_of(root, url) | measure(browser, url)
            finally:
                browser.close()
        for name, figure in figures.items():
            most = BUDGET.get(name)
            print(f"{name:38} {figure:>10}" + (f"   budget {most}{'' if figure <= most else ': OVER'}" if most else ""), flush=True)
        with serving(program, folder, LIGHTHOUSE_WORKERS) as url:
            low = lighthouse(url, folder)
        return low or any(figures[name] > most for name, most in BUDGET.items())


if __name__ == "__main__":
    sys.exit(main())
