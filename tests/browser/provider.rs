//! A provider's day: connect a worker with a token, list it, price it, take it off the market.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::renter::sign_in;
use crate::support::rig::Rig;
use crate::visitor::{DESK, PHONE, Visitor, house, wallet};

#[test]
fn a_worker_is_listed_priced_and_taken_off_in_the_browser() {
    let house = house();
    let mut rig = Rig::connect(house.mqtt(), "my-rig");
    rig.owner = wallet().address().to_string();
    rig.register();
    rig.state("SELF_MINING", None);
    rig.heartbeat(4000.0);
    house.await_state("my-rig", "SELF_MINING");
    let mut other = house.rig("other-rig");
    other.heartbeat(4000.0);
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/provider");
    sign_in(&mut visitor);
    visitor.sees("Self-mining");
    visitor.click("[aria-label='List my-rig']");
    visitor.click("text=List");
    assert_eq!(rig.control()["state"], "AVAILABLE");
    rig.state("AVAILABLE", None);
    visitor.sees("1 worker listed");

    visitor.click("[aria-label^='Price of my-rig']");
    visitor.sees("Suggested for the hardware");
    visitor.fill("input[name=price]", "abc");
    visitor.click("text=Set the price");
    visitor.sees("A price above zero");
    visitor.fill("input[name=price]", "0,45");
    visitor.sees("1 of 2");
    visitor.fill("input[name=price]", "0.90");
    visitor.sees("1 of 2 workers ask less");
    visitor.picture("price-dialog-1280", DESK);
    visitor.click("text=Set the price");
    visitor.sees("1 worker now at 0.90 a minute");
    assert_eq!(house.worker("my-rig")["price_per_min"], 0.9);
    // Everybody sees it at that price.
    visitor.open("/marketplace?q=my-rig");
    visitor.sees("0.90 / min");
    visitor.open("/provider");
    visitor.click("[aria-label='Unlist my-rig']");
    visitor.click("text=Unlist");
    assert_eq!(rig.control()["state"], "SELF_MINING");
    visitor.sees("1 worker taken off the market");
}

#[test]
fn a_worker_is_connected_with_the_command_and_the_token_of_the_page() {
    let house = house();
    let Some(mut visitor) = Visitor::with_wallet(house.http()) else { return };
    visitor.open("/provider");
    sign_in(&mut visitor);
    visitor.open("/provider?tab=connect");
    visitor.fill("input[name=worker]", "new rig");
    visitor.sees("1 to 128 letters, digits");
    visitor.fill("input[name=worker]", "new-rig");
    visitor.sees("Tokens of new-rig");
    visitor.sees("None yet.");
    visitor.click("text=Make a token");
    visitor.sees("It is shown this once");
    let token = visitor.until("document.querySelector('.secret').innerText");
    let command = visitor.until("document.querySelector('[data-command]').innerText");
    for (screen, theme) in [(DESK, "dark"), (PHONE, "light")] {
        visitor.theme(theme);
        visitor.screen(screen);
        visitor.assert_no_sideways_scroll("/provider?tab=connect");
        visitor.picture(&format!("provider-token-{theme}-{}", screen.0), screen);
    }
    visitor.screen(DESK);
    starts(command.as_str().unwrap(), token.as_str().unwrap(), house.mqtt());
    visitor.click("[aria-label^='Revoke the token']");
    visitor.click("dialog .button.danger");
    visitor.sees("Token revoked");
    visitor.sees("Revoked ");
}

/// The program itself takes the command, and says where it would mine.
fn starts(command: &str, token: &str, mqtt: std::net::SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), token).unwrap();
    std::fs::set_permissions(folder.path().join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let arguments: Vec<_> = command.split_whitespace().filter(|part| *part != "\\").collect();
    assert_eq!(arguments[0], "xenblocks");
    assert!(command.contains(&format!("tcp://127.0.0.1:{}", mqtt.port())), "{command}");
    assert!(command.contains(&wallet().address().to_string()), "{command}");
    // Saving needs all options to be known and sound.
    let kept = folder.path().join("rig.toml");
    let further = ["--save-config", "--config", kept.to_str().unwrap(), "--http-port", "0", "--threads", "1"];
    let mut miner = crate::support::server::program(&[&arguments[1..], &further].concat());
    let mut miner = miner
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let written = crate::support::await_some("the miner's options", || {
        std::fs::read_to_string(&kept).ok().filter(|text| text.contains("new-rig"))
    });
    miner.kill().unwrap();
    miner.wait().unwrap();
    assert!(written.contains("mqtt-password-file") || written.contains("mqtt_password_file"), "{written}");
    assert!(json!(written).to_string().contains("new-rig"));
}
