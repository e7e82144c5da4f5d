//! A client of the browser: one Chromium, one page, and everything that went wrong in it.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use super::await_some;

/// How long a browser may take to answer, and a page to become what a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(30);
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "about:blank",
];

/// What a binding that a page calls answers.
type Answers = Box<dyn FnMut(&Value) -> Value>;

/// A browser with one page. Dropping it fails the test when the page complained of anything.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    last_id: u64,
    unawaited: HashSet<u64>,
    requests: HashMap<String, String>,
    bindings: HashMap<String, Answers>,
    faults: Vec<String>,
    expected: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None`, said aloud, on a machine without Chromium.
    pub fn launch() -> Option<Self> {
        let Some(program) = PROGRAMS.iter().find_map(|name| installed(name)) else {
            // Past the test harness, which keeps what passing tests print to itself.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: Chromium is not installed (Debian: apt-get install chromium)"
            );
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = devtools(&profile.path().join("DevToolsActivePort"));
        let mut browser = Browser {
            child,
            socket,
            session: None,
            last_id: 0,
            unawaited: HashSet::new(),
            requests: HashMap::new(),
            bindings: HashMap::new(),
            faults: Vec::new(),
            expected: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", json!({}));
        let mut pages =
            targets["targetInfos"].as_array().unwrap().iter().filter(|target| target["type"] == "page");
        let page = match pages.next() {
            Some(page) => page["targetId"].clone(),
            None => self.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone(),
        };
        let attached = self.call("Target.attachToTarget", json!({"targetId": page, "flatten": true}));
        self.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Sends a command and waits for its answer; panics when it is refused.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, with what the browser said against it.
    pub fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.send(method, parameters);
        loop {
            let mut message = self.receive(method);
            if message["id"] == id {
                let error = &message["error"];
                return if error.is_null() {
                    Ok(message["result"].take())
                } else {
                    Err(error["message"].to_string())
                };
            }
            self.take(&message);
        }
    }

    fn send(&mut self, method: &str, parameters: Value) -> u64 {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(command.to_string())).expect("the browser listens");
        self.last_id
    }

    fn receive(&mut self, what: &str) -> Value {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return serde_json::from_str(text.as_str()).expect("the browser sends JSON");
                }
                Ok(_) => {}
                Err(error) => panic!("{what}: no answer of the browser: {error}"),
            }
        }
    }

    /// Takes what the browser tells by itself, and late answers.
    fn take(&mut self, message: &Value) {
        if message["id"].as_u64().is_some_and(|id| self.unawaited.remove(&id)) {
            return;
        }
        let data = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Runtime.bindingCalled" => self.answer(data),
            "Runtime.exceptionThrown" => {
                let details = &data["exceptionDetails"];
                self.fault(format!("exception: {} {}", details["text"], details["exception"]["description"]));
            }
            "Runtime.consoleAPICalled" if data["type"] == "error" || data["type"] == "assert" => {
                let said: Vec<String> = data["args"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| format!("{}{}", one["value"], one["description"]))
                    .collect();
                self.fault(format!("console: {}", said.join(" ")));
            }
            // What the policy blocks is told here; statuses are told with their address below.
            "Log.entryAdded" if data["entry"]["level"] == "error" && data["entry"]["source"] != "network" => {
                self.fault(format!("log: {} {}", data["entry"]["text"], data["entry"]["url"]));
            }
            "Network.requestWillBeSent" => {
                let address =
                    format!("{} {}", text(&data["request"]["method"]), text(&data["request"]["url"]));
                self.requests.insert(text(&data["requestId"]).to_owned(), address);
            }
            "Network.responseReceived"
                if data["response"]["status"].as_u64().is_some_and(|status| status >= 400) =>
            {
                let asked = self.requests.get(text(&data["requestId"])).cloned().unwrap_or_default();
                self.fault(format!("status: {} {asked}", data["response"]["status"]));
            }
            "Network.loadingFailed" if data["canceled"] != true => {
                let asked = self.requests.get(text(&data["requestId"])).cloned().unwrap_or_default();
                self.fault(format!("failed: {} {asked}", text(&data["errorText"])));
            }
            _ => {}
        }
    }

    fn fault(&mut self, fault: String) {
        if !self.expected.iter().any(|part| fault.contains(part)) {
            self.faults.push(fault);
        }
    }

    /// From now on a complaint that holds this text is no fault.
    pub fn expect(&mut self, part: &str) {
        self.expected.push(part.to_owned());
    }

    /// What the page complained of so far; asking forgives it.
    pub fn faults(&mut self) -> Vec<String> {
        // Whatever the page has said until now has come before this answer.
        self.call("Runtime.evaluate", json!({"expression": "0"}));
        std::mem::take(&mut self.faults)
    }

    /// Runs this script in every document before its own, from the next one on.
    pub fn prepare(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    /// Lets the page call `window.NAME(JSON)`; the answer comes to `window.NAME_answered(id, answer)`.
    pub fn bind(&mut self, name: &str, answers: impl FnMut(&Value) -> Value + 'static) {
        self.bindings.insert(name.to_owned(), Box::new(answers));
        self.call("Runtime.addBinding", json!({ "name": name }));
    }

    fn answer(&mut self, called: &Value) {
        let name = text(&called["name"]);
        let Some(answers) = self.bindings.get_mut(name) else { return };
        let asked: Value = serde_json::from_str(text(&called["payload"])).expect("bindings take JSON");
        let (id, answer) = (&asked["id"], answers(&asked));
        let script = format!("{name}_answered({id}, {answer})");
        let sent = self.send("Runtime.evaluate", json!({ "expression": script }));
        self.unawaited.insert(sent);
    }

    /// The value of an expression; of a promise, what it becomes. Panics on an exception.
    pub fn value(&mut self, expression: &str) -> Value {
        self.try_value(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_value(&mut self, expression: &str) -> Result<Value, String> {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.try_call("Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details["exception"]["description"].to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true in the page, whatever it throws until then; its value.
    pub fn await_value(&mut self, expression: &str) -> Value {
        let started = Instant::now();
        let script = format!(
            "new Promise((done) => {{
                const ask = () => {{ try {{ return {expression}; }} catch {{ return null; }} }};
                const end = (value) => {{ watcher.disconnect(); clearInterval(timer); clearTimeout(late); done(value); }};
                const look = () => {{ const value = ask(); if (value) end(value); }};
                const watcher = new MutationObserver(look);
                watcher.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                const timer = setInterval(look, 50), late = setTimeout(() => end(null), 10000);
                look();
            }})"
        );
        loop {
            // An error: the document went away under the question, and the next one is asked.
            if let Ok(value) = self.try_value(&script)
                && !value.is_null()
            {
                return value;
            }
            if started.elapsed() > PATIENCE {
                let picture = self.screenshot(&format!("failed-{}", std::process::id()));
                let faults = self.faults();
                panic!("not so after {PATIENCE:?}: {expression}; see {}; {faults:#?}", picture.display());
            }
        }
    }

    /// Saves what the page shows, all of its height, as target/screenshots/NAME.png.
    pub fn screenshot(&mut self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, STANDARD.decode(text(&shot["data"])).unwrap()).unwrap();
        path
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let faults = if std::thread::panicking() { Vec::new() } else { self.faults() };
        // Already gone: that is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        assert!(faults.is_empty(), "the page complained: {faults:#?}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn installed(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// Connects to the address that the browser writes down when it listens.
fn devtools(file: &Path) -> WebSocket<TcpStream> {
    let (port, path) = await_some("Chromium's DevTools port", || {
        let written = std::fs::read_to_string(file).ok()?;
        let (port, path) = written.split_once('\n')?;
        Some((port.parse::<u16>().ok()?, path.trim().to_owned()))
    });
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).unwrap();
    socket
}
