//! How the miner is, in a line: rewritten in place on a terminal, now and then in the log elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, select};

use crate::base::Clock;
use crate::worker::{Board, Status};

const ON_TERMINAL_EVERY: Duration = Duration::from_secs(1);
const IN_LOG_EVERY: Duration = Duration::from_secs(60);

/// Shows the board until `stop` loses its sender.
pub(super) fn show(board: &Board, clock: &Clock, stop: &Receiver<()>) {
    let on_terminal = std::io::stdout().is_terminal();
    let ticks = clock.every(if on_terminal { ON_TERMINAL_EVERY } else { IN_LOG_EVERY });
    loop {
        select! {
            recv(ticks) -> _ => {
                let line = line(&board.read());
                if on_terminal {
                    rewrite(&in_place(&line));
                } else {
                    log::info!("{line}");
                }
            }
            // The miner has ended: there are no messages on it.
            recv(stop) -> _ => break,
        }
    }
    if on_terminal {
        rewrite("\x1b[K");
    }
}

/// Takes the place of the line before. What the terminal has no room for is cut off, for what wraps
/// could not be taken back; the cursor stays at the beginning, so that the next line of the log
/// overwrites it.
fn in_place(line: &str) -> String {
    const NO_WRAP: &str = "\x1b[?7l";
    const WRAP: &str = "\x1b[?7h";
    const CLEAR: &str = "\x1b[K";
    format!("{NO_WRAP}{CLEAR}{line}{WRAP}\r")
}

fn rewrite(text: &str) {
    let mut out = std::io::stdout();
    // Gone: nobody looks any more.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn line(status: &Status) -> String {
    let rates = &status.rates;
    let tally = &status.tally;
    let speed = format!(
        "{} (1 min {}, 15 min {}) at {} KiB",
        rate(rates.seconds_10),
        rate(rates.seconds_60),
        rate(rates.minutes_15),
        status.difficulty
    );
    let others = [
        (tally.accepted_super, "super"),
        (tally.accepted_xuni, "XUNI"),
        (tally.refused, "refused"),
        (status.blocks_waiting as u64, "on their way"),
    ];
    let others =
        others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
    let blocks = format!("{} blocks{}", tally.accepted, others.collect::<String>());
    let work = match &status.lease {
        Some(lease) => match lease.remaining_sec {
            Some(seconds) => format!("leased, {} left, {}", time(seconds), lease.id),
            None => format!("leased, {}", lease.id),
        },
        None if !status.has_platform => "for yourself".into(),
        None if status.online => status.state.to_lowercase(),
        None => "no connection to the platform".into(),
    };
    let trouble = status.trouble.as_ref().map(|trouble| format!(" | {trouble}")).unwrap_or_default();
    format!("{speed} | {blocks} | {work}{trouble}")
}

fn rate(hashes: f64) -> String {
    match hashes {
        1e6.. => format!("{:.2} MH/s", hashes / 1e6),
        1e4.. => format!("{:.1} kH/s", hashes / 1e3),
        _ => format!("{hashes:.1} H/s"),
    }
}

fn time(seconds: i64) -> String {
    match seconds {
        3600.. => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        60.. => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{LeaseView, Rates, Tally};

    #[test]
    fn the_line_says_what_a_provider_wants_to_know() {
        let status = Status {
            has_platform: true,
            online: true,
            state: "MINING",
            difficulty: 1727,
            rates: Rates { seconds_10: 1234.5, seconds_60: 12_345.6, minutes_15: 1_234_567.0 },
            tally: Tally { accepted: 7, accepted_xuni: 2, refused: 1, ..Tally::default() },
            blocks_waiting: 3,
            lease: Some(LeaseView {
                id: "lease-1".parse().unwrap(),
                consumer: "consumer-1".parse().unwrap(),
                renter: "0xaabbccddee1234567890abcdef1234567890abcd".parse().unwrap(),
                remaining_sec: Some(3725),
                blocks: 1,
            }),
            ..Status::default()
        };
        assert_eq!(
            line(&status),
            "1234.5 H/s (1 min 12.3 kH/s, 15 min 1.23 MH/s) at 1727 KiB | 7 blocks, 2 XUNI, 1 refused, \
             3 on their way | leased, 1 h 2 min left, lease-1"
        );
        assert!(in_place("12345").ends_with("12345\x1b[?7h\r"));
        let alone = Status { trouble: Some("paused".into()), ..Status::default() };
        assert!(line(&alone).ends_with("| 0 blocks | for yourself | paused"));
    }
}
