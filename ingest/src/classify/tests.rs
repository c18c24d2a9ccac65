use super::*;
use proptest::prelude::*;
use proto::{Amount, Call, Charge, Credits, EventId, MemberId, Model, OrgId, Provider, Reason, partition_of};

const PARTITIONS: u16 = 4;
const NOON: i64 = 1_790_000_000_000;
const DAY: i64 = 86_400_000;

fn call(org: &str, at_ms: i64) -> Vec<u8> {
    let call = Call {
        event_id: EventId::from_parts(at_ms, [7; 10]),
        org_id: OrgId::new(org).unwrap(),
        member_id: MemberId::new("ada").unwrap(),
        reason: Reason::new("a reason nobody has heard of").unwrap(),
        provider: Provider::new("openai").unwrap(),
        model: Model::new("m").unwrap(),
        input_tokens: 1,
        output_tokens: 2,
        charge: Charge::Credits(Credits(Amount::parse("1").unwrap())),
    };
    call.encode()
}

fn home_of(org: &str) -> u16 {
    partition_of(org.as_bytes(), u32::from(PARTITIONS)) as u16
}

fn at_home(payload: &[u8]) -> Incoming<'_> {
    Incoming {
        payload: Some(payload),
        bytes: payload.len(),
        appended_at_ms: Some(NOON),
        partition: home_of("acme"),
        origin: None,
    }
}

fn elsewhere() -> u16 {
    (home_of("acme") + 1) % PARTITIONS
}

fn code(message: Incoming<'_>) -> &'static str {
    match classify_call(message, PARTITIONS) {
        Fate::Ledger { .. } => "ledger",
        Fate::Reroute { .. } => "reroute",
        Fate::DeadLetter(refusal) => refusal.code(),
    }
}

#[test]
fn a_call_in_its_partition_is_a_row_whatever_its_reason() {
    let payload = call("acme", NOON);
    assert_eq!(code(at_home(&payload)), "ledger");
}

#[test]
fn a_call_in_another_partition_is_sent_on_once() {
    let payload = call("acme", NOON);
    let message = Incoming { partition: elsewhere(), ..at_home(&payload) };
    assert_eq!(classify_call(message, PARTITIONS), Fate::Reroute { to: home_of("acme") });
    let origin = Some(Origin { partition: (elsewhere() + 1) % PARTITIONS, appended_at_ms: NOON - 5 });
    assert_eq!(code(Incoming { origin, ..message }), "misrouted_twice");
    assert_eq!(code(Incoming { bytes: REROUTE_BYTES_MAX + 1, ..message }), "too_large_to_reroute");
}

#[test]
fn what_is_no_call_has_a_reason() {
    assert_eq!(code(Incoming { payload: None, ..at_home(b"") }), "no_payload");
    assert_eq!(code(at_home(b"")), "empty");
    assert_eq!(code(at_home(b"\xff\xff\xff")), "undecodable");
    let payload = call("acme", NOON);
    assert_eq!(code(Incoming { appended_at_ms: None, ..at_home(&payload) }), "no_append_time");
}

#[test]
fn a_call_must_have_happened_near_its_append_time() {
    for (at_ms, expected) in [
        (NOON - 731 * DAY, "ledger"),
        (NOON - 731 * DAY - 1, "occurred_at_out_of_bounds"),
        (NOON + DAY, "ledger"),
        (NOON + DAY + 1, "occurred_at_out_of_bounds"),
        (0, "occurred_at_out_of_bounds"),
    ] {
        assert_eq!(code(at_home(&call("acme", at_ms))), expected, "{at_ms}");
    }
}

#[test]
fn a_rerouted_call_is_judged_at_the_time_of_its_first_append() {
    let payload = call("acme", NOON - 731 * DAY - 1000);
    let origin = |appended_at_ms| Some(Origin { partition: elsewhere(), appended_at_ms });
    assert_eq!(code(Incoming { origin: origin(NOON - 2000), ..at_home(&payload) }), "ledger");
    assert_eq!(code(Incoming { origin: origin(NOON), ..at_home(&payload) }), "occurred_at_out_of_bounds");
}

#[test]
fn headers_that_ingest_cannot_have_written_decide_nothing() {
    let payload = call("acme", NOON);
    let message = Incoming { partition: elsewhere(), ..at_home(&payload) };
    for origin in [
        // From where it is.
        Origin { partition: elsewhere(), appended_at_ms: NOON },
        // From before any reroute could have waited, or from the future.
        Origin { partition: home_of("acme"), appended_at_ms: NOON - REROUTE_AGE_MS_MAX - 1 },
        Origin { partition: home_of("acme"), appended_at_ms: NOON + REROUTE_AHEAD_MS_MAX + 1 },
        Origin { partition: home_of("acme"), appended_at_ms: i64::MIN },
    ] {
        assert_eq!(code(Incoming { origin: Some(origin), ..message }), "reroute", "{origin:?}");
        assert_eq!(code(Incoming { origin: Some(origin), ..at_home(&payload) }), "ledger", "{origin:?}");
    }
}

proptest! {
    /// No bytes, headers or sizes make a message without an end, or a panic; and a call is never a dead letter for
    /// where it was put, once.
    #[test]
    fn every_message_has_exactly_one_end(
        noise in proptest::collection::vec(any::<u8>(), 0..60),
        at in 0usize..120, org in "[a-z]{1,6}", partition in 0..PARTITIONS,
        origin in proptest::option::of((0..PARTITIONS, any::<i64>())), is_noise in any::<bool>(),
    ) {
        let mut payload = call(&org, NOON);
        if is_noise {
            let at = at.min(payload.len());
            payload.truncate(at);
            payload.extend(&noise);
        }
        let origin = origin.map(|(partition, appended_at_ms)| Origin { partition, appended_at_ms });
        let message = Incoming { partition, origin, ..at_home(&payload) };
        let fate = classify_call(message, PARTITIONS);
        prop_assert_eq!(&fate, &classify_call(message, PARTITIONS));
        if !is_noise && origin.is_none() {
            let is_right = matches!(
                (&fate, home_of(&org) == partition),
                (Fate::Ledger { .. }, true) | (Fate::Reroute { .. }, false)
            );
            prop_assert!(is_right, "{:?}", fate);
        }
    }
}
