//! Any sequence of appends, reads, settlings and restarts does what a plain list would do.

use super::*;
use proptest::prelude::*;

/// What may happen to a queue.
#[derive(Debug, Clone)]
enum Action {
    Append(Vec<u8>),
    Read(usize),
    /// Settles a part of what was read: this many of 256.
    Settle(u8),
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..3000).prop_map(Action::Append),
        4 => (0..40usize).prop_map(Action::Read),
        3 => any::<u8>().prop_map(Action::Settle),
        1 => Just(Action::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_queue_is_a_list_that_survives_restarts(actions in prop::collection::vec(action(), 1..200)) {
        let folder = TempDir::new().unwrap();
        let mut opened = Some(open(folder.path()));
        // Everything ever appended; the first `settled` are done, `read` of them are known to the reader.
        let (mut list, mut settled) = (Vec::<Vec<u8>>::new(), 0);
        let mut entries = Vec::<Entry>::new();
        for action in actions {
            let (queue, reader, _) = opened.as_mut().unwrap();
            match action {
                Action::Append(value) => {
                    append_patiently(queue, &value);
                    list.push(value);
                }
                Action::Read(count) => {
                    for _ in 0..count {
                        let Some(entry) = reader.next().unwrap() else { break };
                        let value = reader.record(&entry).unwrap().value.to_vec();
                        prop_assert_eq!(&value, &list[settled + entries.len()]);
                        entries.push(entry);
                    }
                }
                Action::Settle(part) => {
                    let count = entries.len() * usize::from(part) / 255;
                    if let Some(through) = entries[..count].last() {
                        reader.settle(through);
                    }
                    entries.drain(..count);
                    settled += count;
                }
                Action::Restart => {
                    drop(opened.take());
                    opened = Some(open(folder.path()));
                    let recovered = opened.as_ref().unwrap().2;
                    prop_assert_eq!((recovered.records as usize, recovered.damaged), (list.len() - settled, 0));
                    entries.clear();
                }
            }
        }
        let (_, reader, _) = opened.as_mut().unwrap();
        let rest = values(&drain(reader));
        prop_assert_eq!(rest.as_slice(), &list[settled + entries.len()..]);
    }
}
