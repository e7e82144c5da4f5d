//! Every page at two widths and in two themes, and between them, and as narrow as 320 pixels: no sideways scroll, no element made
//! of a hostile name, and a picture of each.

use serde_json::{Value, json};

use crate::renter::sign_in;
use crate::support::house::House;
use crate::support::rig::Rig;
use crate::visitor::{DESK, PHONE, Visitor, house, wallet};

/// Names that would take over a page that trusts them.
const EVIL: &str = "<img src=x onerror=alert(1)>";
/// What a page must fit into without sideways scroll (WCAG 2.2, reflow).
const NARROW: (u32, u32) = (320, 640);
const TABLET: (u32, u32) = (768, 1024);
/// Each page, and what to call its pictures.
pub const ROUTES: [(&str, &str); 13] = [
    ("overview", "/"),
    ("monitoring", "/monitoring"),
    ("worker", "/worker/rig-1"),
    ("marketplace", "/marketplace"),
    ("marketplace-list", "/marketplace?view=list"),
    ("marketplace-book", "/marketplace?view=book"),
    ("rent", "/marketplace?rent=rig-1"),
    ("renter", "/renter"),
    ("provider", "/provider"),
    ("provider-earnings", "/provider?tab=earnings"),
    ("provider-achievements", "/provider?tab=achievements"),
    ("provider-connect", "/provider?tab=connect"),
    ("account", "/account"),
];

/// Twelve workers of the visitor's wallet, some of strange hardware.
pub fn fleet(house: &House) -> Vec<Rig> {
    (0..12)
        .map(|number| {
            let mut rig = Rig::connect(house.mqtt(), &format!("rig-{number}"));
            rig.owner = wallet().address().to_string();
            let mut described = rig.description();
            if number == 8 {
                // Together longer than any card is wide.
                described["gpus"] = json!(
                    ["Radeon RX 7900 XTX Nitro+", "Radeon RX 7900 XT Pulse"]
                        .map(|name| json!({"index": 0, "name": name, "memory_gb": 24}))
                );
            }
            described["gpus"][0]["name"] = match number {
                3 => json!(EVIL),
                4..8 => json!("NVIDIA H100"),
                _ => described["gpus"][0]["name"].clone(),
            };
            rig.say("register", &described);
            rig.state("AVAILABLE", None);
            rig.heartbeat(1500.0 + 700.0 * f64::from(number));
            rig
        })
        .collect()
}

#[test]
fn every_page_fits_a_desk_and_a_phone_in_both_themes() {
    let house = house();
    let mut rigs = fleet(&house);
    let lease = house.rent("rig-2", 3600)["lease_id"].as_str().unwrap().to_owned();
    house.pass_with(&mut rigs[2], 60);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/renter");
    sign_in(&mut visitor);
    // The look finds what it looks for, and the fleet's page shows the name as text.
    visitor.browser.value("document.body.append(document.createElement('img'))");
    assert_ne!(taken_over(&mut visitor), json!([]));
    visitor.open("/worker/rig-3");
    visitor.sees(EVIL);
    assert_eq!(taken_over(&mut visitor), json!([]));
    let lease = ("lease", format!("/lease/{lease}"));
    let routes = ROUTES.iter().map(|(name, path)| (*name, (*path).to_owned())).chain([lease]);
    for (name, path) in routes {
        for (screen, theme) in [(DESK, "dark"), (PHONE, "dark"), (DESK, "light"), (PHONE, "light")] {
            visitor.theme(theme);
            visitor.screen(screen);
            if theme == "dark" && screen == DESK {
                visitor.open(&path);
            }
            visitor.until(
                "document.querySelectorAll('h1').length === 1 && !document.querySelector('.skeleton')",
            );
            assert_eq!(taken_over(&mut visitor), json!([]), "{path}");
            visitor.assert_no_sideways_scroll(&path);
            visitor.picture(&format!("{name}-{theme}-{}", screen.0), screen);
        }
        for screen in [NARROW, TABLET] {
            visitor.screen(screen);
            visitor.assert_no_sideways_scroll(&format!("{path} at {} pixels", screen.0));
            visitor.picture(&format!("{name}-light-{}", screen.0), screen);
        }
    }
}

/// What of the hostile strings became an element of the page.
fn taken_over(visitor: &mut Visitor) -> Value {
    visitor.browser.value(
        "[...document.querySelectorAll('img:not([src^=\"data:\"]), [onerror]')].map((it) => it.outerHTML.slice(0, 120))",
    )
}
