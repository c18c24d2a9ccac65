use super::*;
use crate::wire;
use proptest::prelude::*;
use prost::Message;

const NOW: i64 = 1_763_942_400_000;

fn valid() -> wire::AiCall {
    wire::AiCall {
        event_id: EventId::from_parts(NOW, [9; 10]).uuid().as_bytes().to_vec(),
        occurred_at_ms: NOW,
        org_id: "acme".into(),
        member_id: "ada".into(),
        reason: "chat".into(),
        provider: "openai".into(),
        model: "gpt-6-sol".into(),
        input_tokens: 1204,
        output_tokens: 310,
        charge: Some(wire::ai_call::Charge::Credits("3.5".into())),
    }
}

fn check(change: impl FnOnce(&mut wire::AiCall), expected: &str) {
    let mut call = valid();
    change(&mut call);
    let bytes = call.encode_to_vec();
    match decode_call(&bytes) {
        Ok(view) => assert_eq!("ok", expected, "{view:?}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

#[test]
fn a_valid_call_keeps_every_field() {
    let bytes = valid().encode_to_vec();
    let view = decode_call(&bytes).unwrap();
    assert_eq!((view.org_id, view.member_id, view.reason), ("acme", "ada", "chat"));
    assert_eq!((view.provider, view.model), ("openai", "gpt-6-sol"));
    assert_eq!((view.input_tokens, view.output_tokens), (1204, 310));
    assert_eq!(view.occurred_at_ms(), NOW);
    assert_eq!(view.charge, Charge::Credits(Credits(Amount::parse("3.5").unwrap())));
    assert_eq!(view.to_call().unwrap().encode(), bytes);
}

#[test]
fn each_bound_names_its_field() {
    check(|_| (), "ok");
    check(|c| c.reason = "some_new_reason".into(), "ok");
    check(|c| c.event_id = vec![1, 2, 3], "`event_id` is not a UUIDv7 of 16 bytes");
    check(|c| c.org_id = String::new(), "`org_id` is empty; 1 to 128 bytes are allowed");
    check(|c| c.member_id = "x".repeat(200), "`member_id` has 200 bytes; 1 to 128 bytes are allowed");
    check(|c| c.model = "a\nb".into(), "`model` holds a control character; only printable text is allowed");
    check(
        |c| c.input_tokens = u64::MAX,
        "`input_tokens` is 18446744073709551615; 0 to 4000000000 are allowed",
    );
    check(
        |c| c.charge = None,
        "`charge` is missing; exactly one of `credits` and `provider_cost` is required",
    );
    check(
        |c| c.occurred_at_ms += 1,
        "`occurred_at_ms` is 1763942400001, but the time inside `event_id` is 1763942400000; they must be equal",
    );
    check(
        |c| c.charge = Some(wire::ai_call::Charge::Credits("0.0000000000001".into())),
        "`credits` has 13 fractional digits; at most 12 are allowed, and none is cut",
    );
    let byok = |amount: &str, currency: &str| {
        let cost = wire::ProviderCost { amount: amount.into(), currency: currency.into() };
        move |c: &mut wire::AiCall| c.charge = Some(wire::ai_call::Charge::ProviderCost(cost))
    };
    check(byok("0.0004", "USD"), "ok");
    check(byok("1", "usd"), "`provider_cost.currency` is not an ISO 4217 code of three capital letters");
    check(
        byok("-1", "USD"),
        "`provider_cost.amount` is not a plain decimal number such as `12.5`; no sign, exponent, space or separator \
         is allowed",
    );
}

#[test]
fn the_time_window_is_taken_against_the_append_time() {
    let bytes = valid().encode_to_vec();
    let view = decode_call(&bytes).unwrap();
    for (appended_at_ms, ok) in [
        (NOW, true),
        (NOW - OCCURRED_AFTER_APPEND_MS_MAX, true),
        (NOW - OCCURRED_AFTER_APPEND_MS_MAX - 1, false),
        (NOW + OCCURRED_BEFORE_APPEND_MS_MAX, true),
        (NOW + OCCURRED_BEFORE_APPEND_MS_MAX + 1, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        assert_eq!(view.check_time(appended_at_ms).is_ok(), ok, "{appended_at_ms}");
    }
}

#[test]
fn garbage_is_undecodable_and_never_a_panic() {
    assert_eq!(decode_call(b"").unwrap_err().code(), "identifier_out_of_bounds");
    assert_eq!(decode_call(b"\xff\xff\xff\xff").unwrap_err().code(), "undecodable");
    assert_eq!(decode_call(b"hello, this is not protobuf").unwrap_err().code(), "undecodable");
    let mut bytes = valid().encode_to_vec();
    bytes.pop();
    assert_eq!(decode_call(&bytes).unwrap_err().code(), "undecodable");
}

/// Bytes of every released version stay readable for ever: files are only added to `golden/`.
#[test]
fn stored_bytes_of_v1_are_read_the_same() {
    let credits = decode_call(include_bytes!("../../golden/v1/credits.bin")).unwrap();
    assert_eq!(credits.event_id.to_string(), "019ab329-0000-7909-8909-090909090909");
    assert_eq!(credits.to_call().unwrap().encode(), include_bytes!("../../golden/v1/credits.bin"));
    assert_eq!(credits.to_call().unwrap().encode(), valid().encode_to_vec());

    let byok = decode_call(include_bytes!("../../golden/v1/provider_cost.bin")).unwrap();
    assert_eq!(
        byok.charge,
        Charge::ProviderCost(ProviderCost {
            amount: Amount::parse("0.000418").unwrap(),
            currency: Currency::new("EUR").unwrap(),
        })
    );
    // An emitter of a later version may add fields; they are passed over.
    let with_unknown = include_bytes!("../../golden/v1/unknown_fields.bin");
    assert_eq!(decode_call(with_unknown).unwrap(), byok);
}

proptest! {
    /// Any fields in any order, repeated, cut, with unknown ones between: we read what `prost` reads.
    #[test]
    fn the_walk_over_the_fields_agrees_with_prost(
        pieces in prop::collection::vec(piece(), 0..8),
        cut in prop::option::of(0usize..40),
    ) {
        let mut bytes: Vec<u8> = pieces.concat();
        if let Some(cut) = cut {
            bytes.truncate(bytes.len().saturating_sub(cut));
        }
        let ours = RawCall::read(&bytes);
        let theirs = wire::AiCall::decode(bytes.as_slice());
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.event_id, theirs.event_id.as_slice());
                prop_assert_eq!(ours.occurred_at_ms, theirs.occurred_at_ms);
                prop_assert_eq!(ours.org_id, theirs.org_id);
                prop_assert_eq!(ours.model, theirs.model);
                prop_assert_eq!(ours.output_tokens, theirs.output_tokens);
                let theirs = theirs.charge.map(|charge| match charge {
                    wire::ai_call::Charge::Credits(credits) => (credits, None),
                    wire::ai_call::Charge::ProviderCost(cost) => (cost.amount, Some(cost.currency)),
                });
                let ours = match ours.charge {
                    RawCharge::None => None,
                    RawCharge::Credits(credits) => Some((credits.to_owned(), None)),
                    RawCharge::ProviderCost { amount, currency } => {
                        Some((amount.to_owned(), Some(currency.to_owned())))
                    }
                };
                prop_assert_eq!(ours, theirs);
            }
            (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err(), "{:?}", bytes),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_call(&bytes);
    }
}

/// A few fields of a message, sometimes of a stranger's.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let charge = prop_oneof![
        Just(None),
        "[0-9.]{0,4}".prop_map(|credits| Some(wire::ai_call::Charge::Credits(credits))),
        ("[0-9.]{0,4}", "[A-Z]{0,3}").prop_map(|(amount, currency)| {
            Some(wire::ai_call::Charge::ProviderCost(wire::ProviderCost { amount, currency }))
        }),
    ];
    let call = (any::<[u8; 3]>(), any::<i64>(), "\\PC{0,5}", any::<u64>(), charge).prop_map(
        |(event_id, occurred_at_ms, text, tokens, charge)| {
            wire::AiCall {
                event_id: event_id.to_vec(),
                occurred_at_ms,
                org_id: text.clone(),
                model: text,
                output_tokens: tokens,
                charge,
                ..Default::default()
            }
            .encode_to_vec()
        },
    );
    prop_oneof![
        4 => call,
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => Just(vec![0x7a, 2, 1, 2]),       // unknown field 15, two bytes
        1 => Just(vec![0xa0, 1, 5]),          // unknown field 20, a number
    ]
}
