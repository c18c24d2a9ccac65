//! Names and settings of organisations and members.

use crate::ledger::ask;
use crate::topic::{Raw, publish};
use crate::worker::{Worker, dead_letters};
use proto::{DirectoryChange, MemberId, MemberState, OrgId, OrganisationState};
use system_tests::{Room, Stack, eventually};
use warehouse::calendar::Tz;

fn raw(change: &DirectoryChange) -> Raw {
    Raw { partition: 0, key: Some(change.key()), payload: Some(change.encode()), headers: Vec::new() }
}

fn organisation(org: &str, time_zone: Tz) -> Raw {
    raw(&DirectoryChange::Organisation(OrganisationState {
        org_id: OrgId::new(org).unwrap(),
        short_name: org.into(),
        display_name: "Acme GmbH".into(),
        time_zone,
    }))
}

fn member(org: &str, member: &str, name: &str, removed: bool) -> Raw {
    raw(&DirectoryChange::Member(MemberState {
        org_id: OrgId::new(org).unwrap(),
        member_id: MemberId::new(member).unwrap(),
        name: name.into(),
        email: format!("{member}@example.com"),
        removed,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_about_a_subject_counts_and_nonsense_is_kept() {
    let room = Room::new(&Stack::shared(), "directory").await;
    let mut worker = Worker::start(&room, &[]).await;
    let messages = [
        organisation("acme", Tz::UTC),
        member("acme", "ada", "Ada", false),
        member("acme", "bob", "Bob", false),
        Raw { key: Some(b"acme".to_vec()), payload: Some(b"\xff".to_vec()), ..Raw::default() },
        Raw { key: Some(b"acme".to_vec()), ..Raw::default() },
        organisation("acme", Tz::Europe__Berlin),
        member("acme", "ada", "Ada Lovelace", false),
        member("acme", "bob", "Bob", true),
    ];
    publish(&room, "directory", &messages).await;
    eventually("the directory to be read", async || {
        let read = ask(
            &room,
            "SELECT sum(ledger_rows + dead_letters) FROM batches FINAL WHERE bitShiftRight(from_position, 48) = 2",
        )
        .await;
        if read == 8 { Ok(()) } else { Err(format!("{read} messages")) }
    })
    .await;
    let zone =
        "SELECT count() FROM organisations FINAL WHERE org_id = 'acme' AND time_zone = 'Europe/Berlin'";
    assert_eq!(ask(&room, zone).await, 1);
    let names = "SELECT count() FROM members FINAL WHERE (member_id = 'ada' AND name = 'Ada Lovelace' AND NOT removed) \
                 OR (member_id = 'bob' AND removed)";
    assert_eq!(ask(&room, names).await, 2);
    let mut reasons: Vec<String> = dead_letters(&room, &[]).into_iter().map(|letter| letter.reason).collect();
    reasons.sort();
    assert_eq!(reasons, ["no_payload", "undecodable"]);
    assert!(worker.process.stop().success());
}
