//! A person at a browser: looks, clicks, types, and has a wallet.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Value, json};
use xenblocks::auth::eth::Wallet;

use crate::support::cdp::Browser;
use crate::support::house::House;

/// Width and height of a screen.
pub const DESK: (u32, u32) = (1280, 900);
/// The same of a phone.
pub const PHONE: (u32, u32) = (390, 844);

/// How often Tab is pressed before a control counts as out of reach.
const TABS_MAX: usize = 80;

/// What the wallet does when it is asked to sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Signs.
    Willing,
    /// Says that its owner declined.
    Declines,
    /// Signs with another account's key.
    Forges,
    /// Is locked, and already asks its owner to unlock it.
    Locked,
}

/// A browser at our server.
pub struct Visitor {
    /// The browser itself.
    pub browser: Browser,
    /// What its wallet is up to.
    pub mood: Rc<Cell<Mood>>,
    origin: String,
}

/// A platform whose pages are read from the disk: what is tested is what is in the folder now.
pub fn house() -> House {
    House::with(|config| config.static_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("static")))
}

/// The wallet of a visitor's browser.
pub fn wallet() -> Wallet {
    Wallet::from_seed(b"a visitor")
}

impl Visitor {
    /// Sits down; `None` on a machine without a browser.
    pub fn arrive(server: SocketAddr) -> Option<Self> {
        let browser = Browser::launch()?;
        let mut visitor =
            Visitor { browser, mood: Rc::new(Cell::new(Mood::Willing)), origin: format!("http://{server}") };
        visitor.screen(DESK);
        Some(visitor)
    }

    /// The same with a wallet in the browser.
    pub fn with_wallet(server: SocketAddr) -> Option<Self> {
        let mut visitor = Self::arrive(server)?;
        let mood = visitor.mood.clone();
        visitor.browser.bind("testWallet", move |asked| wallet_answers(asked, mood.get()));
        visitor.browser.prepare(include_str!("wallet.js"));
        Some(visitor)
    }

    /// Takes a screen of this size.
    pub fn screen(&mut self, (width, height): (u32, u32)) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
        self.browser.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Prefers `dark` or `light`.
    pub fn theme(&mut self, theme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Opens an address of the server and waits until it is there.
    pub fn open(&mut self, path: &str) {
        let answer = self.browser.call("Page.navigate", json!({"url": format!("{}{path}", self.origin)}));
        assert!(answer["errorText"].is_null(), "{path}: {answer}");
        self.browser.await_value("document.readyState === 'complete' && location.protocol !== 'about:'");
    }

    /// Waits until the page shows this text, as a person reads it.
    pub fn sees(&mut self, text: &str) {
        self.browser.await_value(&format!(
            "document.body.innerText.toLowerCase().includes({}.toLowerCase())",
            json!(text)
        ));
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) -> Value {
        self.browser.await_value(expression)
    }

    /// Clicks what `target` names: a CSS selector, or `text=…` of a button or link.
    pub fn click(&mut self, target: &str) {
        let find = find(target);
        // It lies still, and nothing covers it.
        let point = format!(
            "(() => {{ const it = {find}; if (!it) return null; it.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }});
              const box = it.getBoundingClientRect(); const at = [box.x + box.width / 2, box.y + box.height / 2];
              const last = window.lastPoint; window.lastPoint = [it, ...at];
              if (it.disabled || !last || last[0] !== it || last[1] !== at[0] || last[2] !== at[1]) return null;
              const top = document.elementFromPoint(...at); return top && (it.contains(top) || top.closest('label')?.control === it) && at; }})()"
        );
        let at = self.browser.await_value(&point);
        for (kind, count) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 1)] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": if count == 0 { "none" } else { "left" }, "clickCount": count});
            self.browser.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Replaces what a field holds by typing.
    pub fn fill(&mut self, target: &str, text: &str) {
        self.click(target);
        self.browser.value(&format!("{}.select?.()", find(target)));
        self.type_text(text);
    }

    /// Types where the focus is.
    pub fn type_text(&mut self, text: &str) {
        self.browser.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key, such as `Tab`, `Enter`, `Escape` or `a`; with `Shift+` or `Control+` before it.
    pub fn press(&mut self, keys: &str) {
        let (held, key) = keys.rsplit_once('+').unwrap_or(("", keys));
        let modifiers = match held {
            "Shift" => 8,
            "Control" => 2,
            _ => 0,
        };
        let (name, code, number, text) = match key {
            "Tab" => ("Tab", "Tab".to_owned(), 9, ""),
            "Enter" => ("Enter", "Enter".to_owned(), 13, "\r"),
            "Space" => (" ", "Space".to_owned(), 32, " "),
            "Escape" => ("Escape", "Escape".to_owned(), 27, ""),
            "ArrowDown" => ("ArrowDown", "ArrowDown".to_owned(), 40, ""),
            "ArrowUp" => ("ArrowUp", "ArrowUp".to_owned(), 38, ""),
            "End" => ("End", "End".to_owned(), 35, ""),
            letter => (
                letter,
                format!("Key{}", letter.to_uppercase()),
                i32::from(letter.to_uppercase().as_bytes()[0]),
                letter,
            ),
        };
        let text = if modifiers == 2 { "" } else { text };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [kind, "keyUp"] {
            let mut event = json!({"type": kind, "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers});
            if kind == "keyDown" {
                event["text"] = json!(text);
            }
            self.browser.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Presses Tab until the focus is on what `target` names, and sees that it is marked.
    pub fn tab_to(&mut self, target: &str) {
        let there = format!("document.activeElement === {}", find(target));
        for _ in 0..TABS_MAX {
            if self.browser.value(&there) == true {
                let outline = "parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2";
                assert_eq!(self.browser.value(outline), true, "{target} has the focus and does not show it");
                return;
            }
            self.press("Tab");
        }
        let at = self.browser.value("document.activeElement.outerHTML.slice(0, 200)");
        panic!("Tab does not lead to {target}; the focus is on {at}");
    }

    /// Saves the page, in all its height, as a picture.
    pub fn picture(&mut self, name: &str, (width, height): (u32, u32)) -> PathBuf {
        let full =
            self.browser.value("Math.ceil(document.documentElement.scrollHeight)").as_u64().unwrap_or(0);
        let full = u32::try_from(full.min(4000)).unwrap().max(height);
        self.screen((width, full));
        // Two frames: charts are drawn anew at another size.
        self.browser.value(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
        );
        let path = self.browser.screenshot(name);
        self.screen((width, height));
        path
    }

    /// Panics when the page is wider than the screen, naming what sticks out.
    pub fn assert_no_sideways_scroll(&mut self, what: &str) {
        let wide = self.browser.value(
            "(() => { const root = document.documentElement; if (root.scrollWidth <= root.clientWidth) return [];
               return [...document.querySelectorAll('body *')].filter((it) => it.getBoundingClientRect().right > root.clientWidth + 1)
                 .slice(0, 5).map((it) => it.outerHTML.slice(0, 120)); })()",
        );
        assert!(wide.as_array().unwrap().is_empty(), "{what} scrolls sideways: {wide:#}");
    }
}

/// An expression for the element that `target` names, in the topmost dialog when there is one.
fn find(target: &str) -> String {
    let root = "([...document.querySelectorAll('dialog[open]')].at(-1) ?? document)";
    match target.strip_prefix("text=") {
        Some(text) => format!(
            "[...{root}.querySelectorAll('button, a, label, summary, [role=option]')].find((it) => it.innerText.trim() === {} && it.offsetParent !== null)",
            json!(text)
        ),
        None => format!("{root}.querySelector({})", json!(target)),
    }
}

fn wallet_answers(asked: &Value, mood: Mood) -> Value {
    let own = wallet();
    match asked["method"].as_str().unwrap_or_default() {
        "eth_requestAccounts" if mood == Mood::Locked => {
            json!({"error": {"code": -32002, "message": "Already processing eth_requestAccounts. Please wait."}})
        }
        "eth_requestAccounts" | "eth_accounts" => json!({"result": [own.address().to_string()]}),
        "eth_chainId" => json!({"result": "0x1"}),
        "personal_sign" if mood == Mood::Declines => {
            json!({"error": {"code": 4001, "message": "User rejected the request."}})
        }
        "personal_sign" => {
            let message = asked["params"][0].as_str().unwrap().trim_start_matches("0x");
            let message = String::from_utf8(hex::decode(message).unwrap()).unwrap();
            let signer = if mood == Mood::Forges { Wallet::from_seed(b"a forger") } else { own };
            json!({"result": signer.sign(&message)})
        }
        other => json!({"error": {"code": 4200, "message": format!("{other} is not supported")}}),
    }
}
