use super::*;
use proto::{Charge, decode_call};
use std::collections::{HashMap, HashSet};

const SPAN: (i64, i64) = (1_790_000_000_000, 1_790_014_400_000);

fn messages(seed: u64, count: u64) -> Vec<Message> {
    let world = World::new(7, Size::default());
    let timeline = Timeline::new(seed, SPAN, count);
    let mut generator = Generator::new(&world, seed);
    (0..count)
        .map(|_| {
            let mut message = Message::default();
            generator.next_of(&timeline, &mut message);
            message
        })
        .collect()
}

#[test]
fn the_same_seed_makes_the_same_messages_and_another_seed_others() {
    let first = messages(1, 2_000);
    assert_eq!(first, messages(1, 2_000));
    assert_ne!(first, messages(2, 2_000));
}

#[test]
fn every_message_is_a_valid_call_of_its_organisation_in_the_span() {
    let world = World::new(7, Size::default());
    for message in messages(3, 20_000) {
        let call = decode_call(&message.payload).unwrap();
        assert_eq!(call.org_id, world.organisations[message.organisation].id);
        assert!((SPAN.0..SPAN.1).contains(&call.occurred_at_ms()), "{call:?}");
    }
}

#[test]
fn the_shape_is_skewed_as_promised() {
    const COUNT: usize = 200_000;
    let messages = messages(4, COUNT as u64);
    let calls: Vec<_> = messages.iter().map(|message| decode_call(&message.payload).unwrap()).collect();

    let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
    assert!((100..=118).contains(&(bytes / COUNT)), "{} bytes a message", bytes / COUNT);

    let mut of_org: HashMap<&str, usize> = HashMap::new();
    for call in &calls {
        *of_org.entry(call.org_id).or_default() += 1;
    }
    let (largest, smallest) = (of_org.values().max().unwrap(), of_org.values().min().unwrap());
    assert_eq!(of_org.len(), 200);
    assert!(*largest > COUNT / 15 && *smallest < COUNT / 1000, "{largest} and {smallest}");

    let models: HashSet<_> = calls.iter().map(|call| (call.provider, call.model)).collect();
    let reasons: HashSet<_> = calls.iter().map(|call| call.reason).collect();
    assert_eq!((models.len(), reasons.len()), (12, 4));

    let currencies_of_byok: Vec<_> = calls
        .iter()
        .filter_map(|call| match &call.charge {
            Charge::ProviderCost(cost) => Some(cost.currency.to_string()),
            Charge::Credits(_) => None,
        })
        .collect();
    let byok = currencies_of_byok.len();
    assert!((COUNT / 100..COUNT / 12).contains(&byok), "{byok} of {COUNT} calls are BYOK");
    assert_eq!(currencies_of_byok.iter().collect::<HashSet<_>>().len(), 2);
}

#[test]
fn now_and_then_an_emitter_repeats_its_last_messages() {
    let messages = messages(5, RESTART_EVERY + 1_000);
    let distinct: HashSet<_> = messages.iter().map(|message| &message.payload).collect();
    assert_eq!(messages.len() - distinct.len(), REPEATED as usize);
}

#[test]
fn the_largest_organisation_has_as_many_members_as_asked_for() {
    let world = World::new(1, Size { organisations: 10, members_max: 500 });
    assert_eq!(world.organisations[0].members.len(), 500);
    let ids: HashSet<_> = world.organisations.iter().map(|org| &org.id).collect();
    assert_eq!(ids.len(), 10);
}
