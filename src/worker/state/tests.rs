use super::*;
use proptest::prelude::*;

const RENTER: &str = "0xaabbccddee1234567890abcdef1234567890abcd";

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn lease(number: u8, duration_sec: i64, now: Timestamp) -> Lease {
    let id = format!("lease-{number}").parse().unwrap();
    let prefix = format!("{number:02x}").repeat(8).parse().ok();
    Lease::assigned(id, "consumer-1".parse().unwrap(), RENTER.parse().unwrap(), prefix, duration_sec, now)
}

fn accepted() -> Input {
    Input::Registered(RegisterAck { accepted: true, reason: None })
}

/// A registered worker, mining for its owner.
fn available() -> Machine {
    let mut machine = Machine::default();
    assert!(machine.step(Input::Connected, at(0.0)).is_empty());
    machine.step(accepted(), at(0.0));
    assert_eq!(machine.state(), ReportedState::Available);
    machine
}

fn states(actions: &[Action]) -> Vec<&'static str> {
    let reported = actions.iter().filter_map(|action| match action {
        Action::Report { state, .. } => Some(state.as_str()),
        Action::Obey(_) | Action::Register => None,
    });
    reported.collect()
}

#[test]
fn a_lease_goes_through_the_states_and_its_orders_come_first() {
    let mut machine = available();
    let lease = lease(1, 60, at(10.0));
    let actions = machine.step(Input::Assign(lease.clone()), at(10.0));
    assert_eq!(actions[0], Action::Obey(Orders::Lease(lease.clone())));
    assert_eq!(states(&actions), ["LEASED", "MINING"]);
    let actions = machine.step(Input::Release(lease.id.clone()), at(20.0));
    assert_eq!(actions[0], Action::Obey(Orders::Own));
    assert_eq!(states(&actions), ["COMPLETED", "AVAILABLE"]);
    assert!(
        matches!(&actions[1], Action::Report { lease: Some(id), .. } if *id == lease.id),
        "the lease that ended is named"
    );
}

#[test]
fn a_release_of_another_lease_is_ignored() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert!(machine.step(Input::Release("lease-2".parse().unwrap()), at(1.0)).is_empty());
    assert_eq!(machine.lease(), Some(&lease(1, 60, at(0.0))));
    assert!(available().step(Input::Release("lease-1".parse().unwrap()), at(1.0)).is_empty());
}

#[test]
fn a_lease_expires_by_the_workers_own_clock_unless_it_has_no_duration() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert!(machine.step(Input::Tick, at(59.999)).is_empty());
    assert_eq!(states(&machine.step(Input::Tick, at(60.0))), ["COMPLETED", "AVAILABLE"]);
    for duration_sec in [0, -1, i64::MIN] {
        machine.step(Input::Assign(lease(2, duration_sec, at(0.0))), at(0.0));
        assert!(machine.step(Input::Tick, at(1e9)).is_empty(), "{duration_sec}");
        assert_eq!(machine.state(), ReportedState::Mining);
    }
}

#[test]
fn the_same_lease_again_moves_its_end_and_another_replaces_it() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert_eq!(states(&machine.step(Input::Assign(lease(1, 60, at(30.0))), at(30.0))), ["MINING"]);
    assert!(machine.step(Input::Tick, at(61.0)).is_empty());
    let actions = machine.step(Input::Assign(lease(2, 60, at(62.0))), at(62.0));
    assert_eq!(actions[0], Action::Obey(Orders::Lease(lease(2, 60, at(62.0)))));
    assert_eq!(states(&actions), ["COMPLETED", "LEASED", "MINING"]);
}

#[test]
fn a_bad_task_is_an_error_that_passes_and_does_not_touch_a_lease() {
    let mut machine = available();
    assert_eq!(
        states(&machine.step(Input::BadTask("prefix".into()), at(0.0))),
        ["ERROR", "IDLE", "AVAILABLE"]
    );
    assert_eq!(machine.orders(), Orders::Own);
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert_eq!(states(&machine.step(Input::BadTask("prefix".into()), at(0.0))), ["MINING"]);
    assert_eq!(machine.orders(), Orders::Lease(lease(1, 60, at(0.0))));
}

#[test]
fn a_reconnect_keeps_mining_and_tells_the_state_once_registered() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert!(machine.step(Input::Disconnected, at(1.0)).is_empty());
    assert_eq!(machine.orders(), Orders::Lease(lease(1, 60, at(0.0))));
    assert!(machine.step(Input::Connected, at(2.0)).is_empty());
    assert_eq!(states(&machine.step(accepted(), at(2.0))), ["MINING"]);
}

#[test]
fn a_registration_without_answer_or_refused_is_sent_again() {
    let mut machine = Machine::default();
    machine.step(Input::Connected, at(0.0));
    assert!(machine.step(Input::Tick, at(59.0)).is_empty());
    assert_eq!(machine.step(Input::Tick, at(60.0)), [Action::Register]);
    let refused = RegisterAck { accepted: false, reason: Some("full".into()) };
    assert!(machine.step(Input::Registered(refused), at(61.0)).is_empty());
    assert_eq!((machine.state(), machine.orders()), (ReportedState::Idle, Orders::Own));
    assert!(machine.step(Input::Tick, at(120.0)).is_empty());
    assert_eq!(machine.step(Input::Tick, at(121.0)), [Action::Register]);
    machine.step(Input::Disconnected, at(122.0));
    assert!(machine.step(Input::Tick, at(1000.0)).is_empty());
}

#[test]
fn pause_rests_and_keeps_the_lease_and_refuses_a_new_one() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    // By this word with the lease's name the platform knows not to bill it.
    let idle = Action::Report {
        state: ReportedState::Idle,
        lease: Some(lease(1, 60, at(0.0)).id),
        detail: Some("paused".into()),
    };
    assert_eq!(machine.step(Input::Pause, at(1.0)), [Action::Obey(Orders::Rest), idle]);
    assert_eq!(states(&machine.step(Input::Assign(lease(2, 60, at(1.0))), at(1.0))), ["IDLE"]);
    let actions = machine.step(Input::Resume, at(2.0));
    assert_eq!(actions[0], Action::Obey(Orders::Lease(lease(1, 60, at(0.0)))));
    assert_eq!(states(&actions), ["MINING"]);
    assert_eq!(machine.state(), ReportedState::Mining);
}

#[test]
fn a_failure_ends_the_lease_until_the_worker_recovers() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert_eq!(states(&machine.step(Input::Failed("no GPU".into()), at(1.0))), ["ERROR"]);
    assert_eq!(states(&machine.step(Input::Assign(lease(2, 60, at(1.0))), at(1.0))), ["ERROR"]);
    assert_eq!(states(&machine.step(Input::Recovered, at(2.0))), ["IDLE", "AVAILABLE"]);
    assert_eq!(machine.orders(), Orders::Own);
}

#[test]
fn an_unlisted_worker_finishes_its_lease_and_takes_no_other() {
    let mut machine = available();
    machine.step(Input::Assign(lease(1, 60, at(0.0))), at(0.0));
    assert_eq!(states(&machine.step(Input::Listed(false), at(1.0))), ["MINING"]);
    assert_eq!(states(&machine.step(Input::Tick, at(60.0))), ["COMPLETED", "SELF_MINING"]);
    assert_eq!(states(&machine.step(Input::Assign(lease(2, 60, at(61.0))), at(61.0))), ["SELF_MINING"]);
    assert_eq!(machine.orders(), Orders::Own);
    assert_eq!(states(&machine.step(Input::Listed(true), at(62.0))), ["AVAILABLE"]);
}

fn inputs() -> impl Strategy<Value = (Input, f64)> {
    let input = prop_oneof![
        Just(Input::Connected),
        Just(Input::Disconnected),
        any::<bool>().prop_map(|accepted| Input::Registered(RegisterAck { accepted, reason: None })),
        (0u8..4, -1i64..50).prop_map(|(number, s)| Input::Assign(lease(number, s, at(0.0)))),
        (0u8..4).prop_map(|number| Input::Release(lease(number, 0, at(0.0)).id)),
        Just(Input::BadTask("nonsense".into())),
        Just(Input::Tick),
        Just(Input::Pause),
        Just(Input::Resume),
        Just(Input::Failed("broken".into())),
        Just(Input::Recovered),
        any::<bool>().prop_map(Input::Listed),
    ];
    (input, 0.0..20.0)
}

proptest! {
    /// Whatever comes in whatever order: the prefix in force is that of the last lease taken that
    /// neither ended nor was released, and the last orders given are the ones in force.
    #[test]
    fn no_prefix_but_the_current_leases_is_ever_mined(sequence in proptest::collection::vec(inputs(), 0..80)) {
        let mut machine = Machine::default();
        let mut obeyed = Orders::Own;
        let mut current: Option<Lease> = None;
        let mut now = at(0.0);
        for (mut input, pause) in sequence {
            now = at(now.seconds() + pause);
            let resting = machine.orders() == Orders::Rest;
            let listed = machine.state() != ReportedState::SelfMining;
            match &mut input {
                Input::Assign(lease) => {
                    // Drawn as if assigned at zero; assigned now.
                    lease.ends = lease.ends.map(|ends| at(ends.seconds() + now.seconds()));
                    if !resting && listed { current = Some(lease.clone()); }
                }
                Input::Release(id) if current.as_ref().is_some_and(|lease| lease.id == *id) => current = None,
                Input::Tick if current.as_ref().is_some_and(|lease| lease.ends.is_some_and(|e| e <= now)) => current = None,
                Input::Failed(_) => current = None,
                _ => {}
            }
            for action in machine.step(input, now) {
                if let Action::Obey(orders) = action { obeyed = orders; }
            }
            prop_assert_eq!(&obeyed, &machine.orders());
            prop_assert_eq!(machine.lease(), current.as_ref());
            match &obeyed {
                Orders::Lease(lease) => prop_assert_eq!(Some(lease), current.as_ref()),
                Orders::Own => prop_assert_eq!(&current, &None),
                Orders::Rest => {}
            }
            let mining = machine.state() == ReportedState::Mining;
            prop_assert_eq!(mining, matches!(obeyed, Orders::Lease(_)));
        }
    }
}
