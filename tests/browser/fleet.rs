//! Ten thousand workers on one page.

use crate::support::server::{Server, folder, run};
use crate::visitor::Visitor;

const WORKERS: usize = 10_000;
/// As many elements as a page of few workers may have.
const ELEMENTS_MAX: u64 = 1500;
/// The longest that a search or a sort may keep a person waiting, on a busy machine and in a debug build.
const ANSWER_MS_MAX: f64 = 1000.0;
/// When what does not come is not waited for any more.
const PATIENCE_MS: u32 = 20_000;

/// How long it takes from `act` until `done` is so, ms.
fn timed(visitor: &mut Visitor, act: &str, done: &str) -> f64 {
    let script = format!(
        "new Promise((over) => {{ const start = performance.now(); {act};
            const look = () => ({done} || performance.now() - start > {PATIENCE_MS} ? over(performance.now() - start) : requestAnimationFrame(look)); look(); }})"
    );
    visitor.browser.value(&script).as_f64().unwrap()
}

#[test]
fn ten_thousand_workers_are_searched_sorted_and_scrolled_at_once() {
    let (_folder, db) = folder();
    let path = db.to_str().unwrap();
    let count = WORKERS.to_string();
    let seeded = run(&["seed", "--db-path", path, "--workers", &count, "--blocks", "10", "--leases", "3"]);
    assert!(seeded.status.success(), "{seeded:?}");
    let statics = concat!(env!("CARGO_MANIFEST_DIR"), "/static");
    let server = Server::spawn_command("server", &db, &["--log", "off", "--static-dir", statics]);
    let Some(mut visitor) = Visitor::arrive(server.http) else { return };
    visitor.open("/monitoring");
    visitor.until(&format!(
        "document.querySelector('table').getAttribute('aria-rowcount') === '{}'",
        WORKERS + 1
    ));
    let elements = "document.querySelectorAll('*').length";
    let bounded = |visitor: &mut Visitor| {
        let there = visitor.browser.value(elements).as_u64().unwrap();
        assert!(there < ELEMENTS_MAX, "{there} elements");
    };
    bounded(&mut visitor);
    let took = [
        timed(
            &mut visitor,
            "document.querySelector('th .sort').click()",
            "document.querySelector('.row-link').innerText.endsWith('0001')",
        ),
        timed(
            &mut visitor,
            "const box = document.querySelector('.table-scroll'); box.scrollTop = box.scrollHeight",
            "document.querySelector(`[aria-rowindex='10001']`)",
        ),
        timed(
            &mut visitor,
            "const field = document.querySelector('input[type=search]'); field.value = 'worker-9999'; field.dispatchEvent(new Event('input', { bubbles: true }))",
            "document.querySelectorAll('tbody .row-link').length === 1",
        ),
        timed(
            &mut visitor,
            "field.value = ''; field.dispatchEvent(new Event('input', { bubbles: true }))"
                .replace("field", "document.querySelector('input[type=search]')")
                .as_str(),
            "document.querySelectorAll('tbody .row-link').length > 5",
        ),
    ];
    assert!(took.iter().all(|ms| *ms < ANSWER_MS_MAX), "sort, end, search, all again: {took:?} ms");
    bounded(&mut visitor);
}
