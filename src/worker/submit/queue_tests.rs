use super::*;

fn block(number: u32, hash: &str) -> Block {
    Block {
        worker_id: "rig-1".parse().unwrap(),
        lease_id: None,
        hash: hash.into(),
        key: format!("{number:064x}").parse().unwrap(),
        account: None,
        attempts: 1,
        hashrate: "1.00".into(),
    }
}

/// Twenty past an hour: the window of XUNI is shut.
const START: f64 = 1_700_000_400.0;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn away() -> Verdict {
    Verdict::Retry { reason: "away".into(), few: false }
}

fn no() -> Verdict {
    Verdict::Retry { reason: "no".into(), few: true }
}

fn with(count: u32) -> Queue {
    let mut queue = Queue::new(7);
    (0..count).for_each(|number| assert_eq!(queue.push(0, block(number, "XEN11"), at(0.0)), None));
    queue
}

/// Answers everything that is asked at this moment with `verdict`; the news, and how often it was asked.
fn answer(queue: &mut Queue, seconds: f64, verdict: &Verdict) -> (Vec<(Fate, bool)>, usize) {
    let now = at(seconds);
    let taken: Vec<_> = std::iter::from_fn(|| queue.take(now, now)).collect();
    let asked = taken.len();
    let news = taken.into_iter().flat_map(|waiting| queue.judge(waiting, verdict.clone(), now));
    (news.map(|news| (news.fate, news.report)).collect(), asked)
}

#[test]
fn a_block_that_the_chain_has_is_reported_and_one_it_will_never_take_is_not() {
    for verdict in [Verdict::Accepted, Verdict::Duplicate] {
        assert_eq!(answer(&mut with(1), 0.0, &verdict).0, [(Fate::Accepted, true)]);
    }
    let refused = Fate::Refused("late".into());
    assert_eq!(answer(&mut with(1), 0.0, &Verdict::Final("late".into())).0, [(refused, false)]);
}

#[test]
fn only_a_few_are_asked_for_at_once() {
    let mut queue = with(3 * u32::try_from(SUBMISSIONS_AT_ONCE).unwrap());
    assert_eq!(answer(&mut queue, 0.0, &Verdict::Accepted).1, SUBMISSIONS_AT_ONCE);
    assert_eq!(answer(&mut queue, 0.0, &Verdict::Accepted).1, SUBMISSIONS_AT_ONCE);
}

#[test]
fn an_unreachable_chain_is_left_alone_and_no_block_waits_for_it_or_is_lost() {
    let mut queue = with(3);
    let (news, asked) = answer(&mut queue, 0.0, &away());
    assert_eq!(news, vec![(Fate::Deferred, true); 3], "the platform hears of all at once");
    assert_eq!(asked, 3);
    let late = queue.push(0, block(3, "XEN11"), at(0.1)).unwrap();
    assert_eq!((late.fate, late.report), (Fate::Deferred, true));
    assert_eq!(answer(&mut queue, 0.4, &away()), (vec![], 0), "half of the pause at least");
    assert_eq!(answer(&mut queue, 1.0, &away()), (vec![], 1), "one asks whether it is back");
    assert_eq!(answer(&mut queue, 1.9, &away()), (vec![], 0), "the pause doubles");
    let mut news = answer(&mut queue, 3.0, &Verdict::Accepted).0;
    news.extend(answer(&mut queue, 3.0, &Verdict::Accepted).0);
    assert_eq!(news, vec![(Fate::Accepted, false); 4]);
    assert_eq!(queue.waiting().count(), 0);
}

#[test]
fn an_hour_away_costs_a_call_a_minute_and_no_block() {
    let mut queue = with(2);
    let asked: usize = (0..3600).map(|second| answer(&mut queue, f64::from(second), &away()).1).sum();
    assert!((60..140).contains(&asked), "{asked} calls");
    queue.hurry();
    assert_eq!(answer(&mut queue, 3600.0, &Verdict::Duplicate).0, vec![(Fate::Accepted, false); 2]);
}

#[test]
fn a_refusal_that_may_pass_is_tried_a_few_times_while_others_go_on() {
    let mut queue = with(1);
    assert_eq!(answer(&mut queue, 0.0, &no()), (vec![], 1));
    queue.push(0, block(1, "XEN11"), at(0.5));
    assert_eq!(answer(&mut queue, 0.5, &Verdict::Accepted).0, [(Fate::Accepted, true)]);
    let tries: Vec<_> =
        (1..100).filter(|second| answer(&mut queue, f64::from(*second), &no()).1 > 0).collect();
    assert_eq!(tries, [2, 6, 14, 30, 62]);
    assert_eq!(queue.waiting().count(), 0);
}

#[test]
fn a_xuni_that_waits_is_sent_in_the_next_window_only() {
    let mut queue = Queue::new(7);
    let salted = "$argon2id$v=19$m=8,t=1,p=1$XUNI1$AAAAXEN11";
    queue.push(0, block(0, "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$AAAXUNI7"), at(0.0));
    queue.push(0, block(1, salted), at(0.0));
    assert_eq!(answer(&mut queue, 0.0, &Verdict::Accepted).1, 1, "the other block does not wait");
    let deferred = queue.defer_xuni(at(0.0));
    assert_eq!(
        deferred.iter().map(|news| (&news.fate, news.report)).collect::<Vec<_>>(),
        [(&Fate::Deferred, true)]
    );
    assert!(queue.defer_xuni(at(1.0)).is_empty());
    assert_eq!(answer(&mut queue, 34.9 * 60.0, &Verdict::Accepted).1, 0);
    assert_eq!(answer(&mut queue, 35.0 * 60.0, &Verdict::Accepted).0, [(Fate::Accepted, false)]);
}
