//! Files that were torn or changed: what is delivered is what was written, what is missing is said.

use super::*;
use proptest::prelude::*;

/// A folder with one segment of these values, as a process that was killed leaves it; the file and its bytes.
fn left_behind(values: &[Vec<u8>]) -> (TempDir, PathBuf, Vec<u8>, Vec<Entry>) {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    values.iter().for_each(|value| append_patiently(&queue, value));
    let entries = drain(&mut reader).into_iter().map(|(entry, _)| entry).collect();
    drop((queue, reader));
    let file = folder.path().join(format!("{:020}.segment", 1));
    let bytes = fs::read(&file).unwrap();
    (folder, file, bytes, entries)
}

/// What comes back from the file when it holds `bytes`, and how many damages were reported.
fn reread(folder: &TempDir, file: &Path, bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
    for left in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(left.unwrap().path()).unwrap();
    }
    fs::write(file, bytes).unwrap();
    let (queue, mut reader, recovered) = open(folder.path());
    let found = drain(&mut reader);
    assert_eq!(found.len() as u64, recovered.records);
    if let Some((last, _)) = found.last() {
        reader.settle(last);
    }
    drop((queue, reader));
    (values(&found), recovered.damaged)
}

#[test]
fn a_record_torn_at_any_byte_is_not_delivered_and_the_ones_before_it_are() {
    let written = numbered(0..3).into_iter().map(|value| value.repeat(5)).collect::<Vec<_>>();
    let (folder, file, bytes, entries) = left_behind(&written);
    let last = entries[2];
    for length in last.at.offset..last.end {
        // The file ends there, or the rest of its page never reached the disk.
        let mut zeroed = bytes.clone();
        zeroed[length..].fill(0);
        for torn in [&bytes[..length], &zeroed] {
            let (found, _) = reread(&folder, &file, torn);
            // The bytes that make up the record's padding are zeros anyway.
            let whole = torn.len() == bytes.len() && zeroed[..last.end] == bytes[..last.end];
            assert_eq!(found, written[..if whole { 3 } else { 2 }], "torn at {length} of {}", last.end);
        }
    }
}

#[test]
fn a_lost_page_costs_its_own_records_only() {
    let written = numbered(0..1000);
    let (folder, file, bytes, entries) = left_behind(&written);
    let mut lost = bytes.clone();
    lost[3 * 4096..4 * 4096].fill(0);
    let (found, damaged) = reread(&folder, &file, &lost);
    let is_whole = |entry: &Entry| {
        let place = entry.at.offset..entry.end;
        lost[place.clone()] == bytes[place]
    };
    let whole = written.iter().zip(&entries).filter(|(_, entry)| is_whole(entry));
    assert_eq!(found, whole.map(|(value, _)| value.clone()).collect::<Vec<_>>());
    assert_eq!(damaged, 1);
}

#[test]
fn a_damaged_segment_is_kept_as_evidence() {
    let (folder, file, mut bytes, entries) = left_behind(&numbered(0..10));
    bytes[entries[4].at.offset + 20] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (queue, mut reader, recovered) = open(folder.path());
    assert_eq!((recovered.records, recovered.damaged), (9, 1));
    let found = drain(&mut reader);
    reader.settle(&found.last().unwrap().0);
    let aside = file.with_extension("damaged");
    eventually("the file is set aside", || aside.exists() && !file.exists());
    assert_eq!(fs::read(&aside).unwrap()[4096..], bytes[4096..]);
    drop((queue, reader));
    assert_eq!(open(folder.path()).2, Recovered::default());
}

#[test]
fn a_file_that_is_no_segment_is_set_aside() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(format!("{:020}.segment", 1));
    fs::write(&file, "no segment").unwrap();
    let (_queue, mut reader, recovered) = open(folder.path());
    assert_eq!((recovered.records, recovered.damaged), (0, 1));
    assert!(drain(&mut reader).is_empty());
    assert_eq!(fs::read(file.with_extension("damaged")).unwrap(), b"no segment");
}

#[test]
fn bytes_that_a_stranger_writes_into_a_live_segment_cost_one_record() {
    let folder = TempDir::new().unwrap();
    let (queue, mut reader, _) = open(folder.path());
    append_patiently(&queue, b"one");
    append_patiently(&queue, b"two");
    append_patiently(&queue, b"three");
    let file =
        fs::OpenOptions::new().write(true).open(folder.path().join(format!("{:020}.segment", 1))).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"??", 4096).unwrap();
    assert!(drain(&mut reader).is_empty(), "reading waits until the writers have left");
    let filler = vec![0; 1000];
    (0..70).for_each(|_| append_patiently(&queue, &filler));
    let found = values(&drain(&mut reader));
    assert_eq!(found[..2], [b"two".to_vec(), b"three".to_vec()]);
    assert_eq!(found.len(), 72);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Claims, seals, bodies, padding, header, cursor: whichever byte is changed, no record comes back changed, at
    /// most the one that was hit is missing, and then it is said.
    #[test]
    fn a_byte_changed_anywhere_never_changes_what_is_delivered(
        written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
        place in any::<prop::sample::Index>(),
        change in 1..=255u8,
    ) {
        let (folder, file, mut bytes, entries) = left_behind(&written);
        let used = entries.last().map_or(4096, |last| last.end + 16);
        // Header and cursor fill 40 bytes of the first page; the rest of it is never read.
        let at = place.index(used - 4096 + 40);
        let at = if at < 40 { at } else { at - 40 + 4096 };
        bytes[at] ^= change;
        // With another version the whole file is refused, which has a test of its own.
        prop_assume!(!(8..12).contains(&at));
        let (found, damaged) = reread(&folder, &file, &bytes);
        let hit = entries.iter().position(|entry| (entry.at.offset..entry.end).contains(&at));
        let mut expected = written.clone();
        if let Some(hit) = hit {
            expected.remove(hit);
            prop_assert!(damaged > 0);
        }
        prop_assert_eq!(found, expected);
    }
}
