//! The page in a real browser: with the node up, with it down, and with one that is hostile.

use serde_json::json;

use crate::House;
use crate::support::accessibility::{axe, wrongs};
use crate::support::cdp::Browser;
use crate::the_block::{MARKUP, Mode};

/// The page, open; `None` on a machine without a browser.
fn visit(house: &House, path: &str, (width, height): (u32, u32)) -> Option<Browser> {
    let mut browser = Browser::launch()?;
    let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700});
    browser.call("Emulation.setDeviceMetricsOverride", metrics);
    browser.call("Page.navigate", json!({"url": format!("http://{}{path}", house.http)}));
    Some(browser)
}

fn sees(browser: &mut Browser, text: &str) {
    browser.await_value(&format!("document.body.innerText.includes({})", json!(text)));
}

#[test]
fn the_page_shows_the_node_live_and_runs_a_full_check() {
    let house = House::ready();
    for path in ["/", "/#/theblock", "/#theblock"] {
        let Some(mut browser) = visit(&house, path, (1280, 900)) else { return };
        sees(&mut browser, "Live");
        browser.await_value(
            "document.querySelector('.ring').getAttribute('aria-label') === 'Network strength 49 of 100'",
        );
        assert_eq!(browser.value("document.querySelector('.ring').dataset.tone"), "danger");
        for text in [
            "123,456",
            "145.7",
            "Data is current",
            "peer_022",
            "receipt_0049",
            "Idle".to_lowercase().as_str(),
        ] {
            sees(&mut browser, text);
        }
        if path == "/" {
            browser.value("[...document.querySelectorAll('.bb-filters button')].find((one) => one.innerText === 'Energy').click()");
            browser.await_value("document.body.innerText.includes('receipt_0002') && !document.body.innerText.includes('receipt_0001')");
            browser.value(
                "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Run').click()",
            );
            sees(&mut browser, "score 100");
            browser.await_value("document.querySelectorAll('.line polyline').length >= 3");
            browser.screenshot("block-buster-1280");
            for theme in ["dark", "light"] {
                let features = json!([{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
                browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
                assert_eq!(wrongs(&mut browser, axe().as_deref()), [""; 0], "{theme}");
            }
        }
        assert_eq!(browser.faults(), [""; 0]);
    }
}

#[test]
fn the_page_says_that_the_node_is_gone_and_how_old_its_figures_are() {
    let mut house = House::ready();
    let Some(mut browser) = visit(&house, "/", (390, 844)) else { return };
    sees(&mut browser, "123,456");
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(fits), true);
    house.node.down();
    browser.await_value("document.getElementById('trouble')?.innerText.includes('cannot be reached')");
    browser.await_value("/Data is \\d+ s old/.test(document.getElementById('age').innerText)");
    sees(&mut browser, "123,456");
    house.node.up();
    browser.await_value("!document.getElementById('trouble')");
    sees(&mut browser, "Data is current");
    assert_eq!(browser.faults(), [""; 0]);
}

#[test]
fn what_a_hostile_node_says_is_only_text() {
    let house = House::new(Mode::Hostile);
    house.await_ready();
    let Some(mut browser) = visit(&house, "/", (1280, 900)) else { return };
    sees(&mut browser, MARKUP);
    sees(&mut browser, "peer_000");
    browser.value("[...document.querySelectorAll('button')].find((one) => one.innerText === 'Run').click()");
    sees(&mut browser, "score");
    assert_eq!(browser.value("document.title"), "Block Buster");
    assert_eq!(browser.value("document.querySelectorAll('#app img[src=x], #app script').length"), 0);
    assert_eq!(browser.faults(), [""; 0]);
}
