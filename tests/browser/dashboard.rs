//! The operator's dashboard: renting, stopping and control by its forms, and names that are nasty.

use crate::support::house::RENTER;
use crate::support::rig::Rig;
use crate::visitor::{DESK, PHONE, Visitor, house};

const EVIL: &str = "<img src=x onerror=alert(1)>";

#[test]
fn the_dashboard_rents_stops_and_controls_one_worker_or_all() {
    let house = house();
    let mut rig = Rig::connect(house.mqtt(), "rig-1");
    let mut described = rig.description();
    described["gpus"][0]["name"] = serde_json::json!(EVIL);
    rig.say("register", &described);
    rig.state("AVAILABLE", None);
    rig.heartbeat(5000.0);
    let mut other = house.rig("rig-2");
    other.heartbeat(1000.0);
    let Some(mut visitor) = Visitor::arrive(house.http()) else { return };
    visitor.open("/dashboard");
    visitor.sees(EVIL);
    for id in ["clients", "workers"] {
        visitor.until(&format!("document.getElementById('count-{id}').textContent === '2'"));
    }
    visitor.fill("#rent-account", RENTER);
    visitor.fill("#rent-worker", "rig-1");
    visitor.fill("#rent-duration", "600");
    visitor.sees("holds 6.00 at 0.60 a minute");
    visitor.click("#rent-form button[type=submit]");
    visitor.sees("Rented rig-1 as lease-");
    rig.command("assign_task");
    visitor.until("document.getElementById('count-leases').textContent === '1'");
    for (screen, theme) in [(DESK, "dark"), (PHONE, "dark"), (DESK, "light"), (PHONE, "light")] {
        visitor.theme(theme);
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("/dashboard");
        visitor.picture(&format!("dashboard-{theme}-{}", screen.0), screen);
    }
    visitor.screen(DESK);
    visitor.click("#leases-table button");
    visitor.click("#confirm-yes");
    visitor.sees("Stopped lease-");
    visitor.until("document.getElementById('count-settlements').textContent === '1'");

    visitor.fill("#control-worker", "rig-2");
    visitor.click("#control-form button[type=submit]");
    visitor.sees("Fill in at least one field");
    visitor.fill("#config-difficulty", "64");
    visitor.click("#control-form button[type=submit]");
    visitor.sees("Sent set_config to rig-2.");
    let told = other.control();
    assert_eq!((&told["action"], &told["config"]["difficulty"]), (&"set_config".into(), &64.into()));
    visitor.click("input[value=all]");
    visitor.until("(document.getElementById('control-action').value = 'pause')");
    visitor.click("#control-form button[type=submit]");
    visitor.click("#confirm-no");
    visitor.click("#control-form button[type=submit]");
    visitor.click("#confirm-yes");
    visitor.sees("Sent pause to 2 workers.");
    for rig in [&mut rig, &mut other] {
        assert_eq!(rig.control()["action"], "pause");
    }
    assert_eq!(visitor.browser.value("window.alerted ?? 0"), 0);
}
