//! Calls for tests, and what must hold of those that arrived.

use super::kafka::Found;
use proto::{
    Amount, Call, Charge, Credits, EventId, MemberId, Model, OrgId, Provider, Reason, decode_call,
    partition_of,
};
use std::collections::{BTreeMap, BTreeSet};

/// A call of an organisation, told apart by number.
pub fn call(org: &str, number: u64) -> Call {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    Call {
        event_id: EventId::from_parts(1_790_000_000_000, random),
        org_id: OrgId::new(org).unwrap(),
        member_id: MemberId::new("ada").unwrap(),
        reason: Reason::new("chat").unwrap(),
        provider: Provider::new("openai").unwrap(),
        model: Model::new("gpt-6-sol").unwrap(),
        input_tokens: number as u32,
        output_tokens: 0,
        charge: Charge::Credits(Credits(Amount::from_units(i128::from(number)))),
    }
}

/// What arrived, by organisation, in order.
pub fn numbers_by_org(found: &[Found]) -> BTreeMap<String, Vec<u64>> {
    let mut numbers = BTreeMap::<String, Vec<u64>>::new();
    for message in found {
        let call = decode_call(&message.value).unwrap();
        assert_eq!(message.key, call.org_id.as_bytes());
        numbers.entry(call.org_id.to_owned()).or_default().push(u64::from(call.input_tokens));
    }
    numbers
}

/// Every message lies where Java's client would have put it.
pub fn assert_partitions(found: &[Found], partitions: u32) {
    for message in found {
        assert_eq!(message.partition as u32, partition_of(&message.key, partitions), "{:?}", message.key);
    }
    let used: BTreeSet<_> = found.iter().map(|message| message.partition).collect();
    assert!(used.len() > 1, "all messages lie in one partition, which proves nothing");
}

/// The first arrivals of an organisation's calls are in order and complete.
pub fn assert_first_arrivals_in_order(numbers: &[u64], expected: impl Iterator<Item = u64>) {
    let mut seen = BTreeSet::new();
    let first_arrivals: Vec<u64> = numbers.iter().copied().filter(|number| seen.insert(*number)).collect();
    assert_eq!(first_arrivals, expected.collect::<Vec<_>>());
}
