//! Figures for Prometheus, in its text format.

use std::fmt::{Display, Write};

use super::system::{VERSION, uptime_sec};
use super::{Api, ApiError};
use crate::base::{Amount, Timestamp};
use crate::store::counters::{self, Counter};
use crate::store::leases;

/// All figures at this moment.
pub(super) fn text(api: &Api, now: Timestamp) -> Result<String, ApiError> {
    let mut page = Page::default();
    let totals = api.fleet.totals(now);
    page.gauge("workers", "Workers ever registered", api.fleet.len());
    page.gauge("workers_online", "Workers heard of in the last 90 seconds", totals.online);
    page.gauge("hashrate", "Hashes per second of the workers online", totals.hashrate);
    page.gauge("gpus_active", "GPUs at work in the workers online", totals.active_gpus);
    page.gauge("mqtt_clients", "MQTT clients connected", api.link.client_count());
    page.gauge("broker_up", "Whether the MQTT broker runs", u8::from(api.link.is_up()));
    page.gauge("dashboards", "Dashboards on the live feed", api.live.clients());
    api.store.read::<_, ApiError, _>(|connection| {
        let get = |counter| counters::get(connection, counter);
        let coins = |counter| get(counter).map(Amount::from_millionths);
        page.gauge("leases_active", "Leases that run now", leases::count_active(connection)?);
        page.counter("leases_total", "Leases ever made", get(Counter::Leases)?);
        page.counter("blocks_total", "Blocks recorded", get(Counter::Blocks)?);
        page.counter("blocks_self_mined_total", "Blocks without a lease", get(Counter::BlocksSelfMined)?);
        page.counter("settlements_total", "Leases settled", get(Counter::Settlements)?);
        page.counter("settled_coins_total", "Coins charged by settlements", coins(Counter::Settled)?);
        page.counter("fee_coins_total", "Coins of platform fees", coins(Counter::Fees)?);
        Ok(())
    })?;
    page.counter("store_commits_total", "Transactions committed since the start", api.store.generation());
    page.head("http_answers_total", "Answers since the start, by class of status", "counter");
    for (class, count) in api.state.answers.each() {
        page.line("http_answers_total", &format!("{{class=\"{class}xx\"}}"), count);
    }
    page.counter("uptime_seconds_total", "Seconds since the start", uptime_sec(api, now));
    page.head("build_info", "This release", "gauge");
    page.line("build_info", &format!("{{version=\"{VERSION}\"}}"), 1);
    Ok(page.0)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, "", value);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        writeln!(self.0, "# HELP xenblocks_{name} {help}\n# TYPE xenblocks_{name} {kind}")
            .expect("writing to a String does not fail");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        writeln!(self.0, "xenblocks_{name}{labels} {value}").expect("writing to a String does not fail");
    }
}
