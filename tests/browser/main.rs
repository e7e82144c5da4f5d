//! The pages in a real browser: every test fails on an exception, an error on the console, a violation of
//! the Content-Security-Policy, or an answer of 4xx or 5xx that it did not expect.

mod accessibility;
mod account;
mod dashboard;
mod faults;
mod first;
mod fleet;
mod journeys;
mod keyboard;
mod newcomer;
mod pages;
mod provider;
mod renter;
#[path = "../support/mod.rs"]
mod support;
mod visitor;
