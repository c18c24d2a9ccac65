//! A topic that came back from an older copy and has grown past the ledger: offsets fit, but the log is another one.

use crate::ledger;
use crate::load::Load;
use crate::stop::last_words;
use crate::topic::publish;
use crate::worker::{Worker, command_alone};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use system_tests::{Component, Room, Stack, eventually};

/// Kafka's data, away from where Kafka finds them.
struct Copy<'a> {
    stack: &'a Stack,
}

impl<'a> Copy<'a> {
    /// Copies the data as they are now.
    fn of(stack: &'a Stack) -> Self {
        stack.stop(Component::Kafka);
        copy(&stack.dir().join("kafka/data"), &stack.dir().join("kafka/copy"));
        stack.start(Component::Kafka);
        Self { stack }
    }

    /// Puts the copy in place of what was written since.
    fn restore(self) {
        let data = self.stack.dir().join("kafka/data");
        self.stack.stop(Component::Kafka);
        std::fs::remove_dir_all(&data).expect("the newer data");
        copy(&self.stack.dir().join("kafka/copy"), &data);
        self.stack.start(Component::Kafka);
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is there");
    assert!(status.success(), "{} was not copied", from.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_restored_and_written_on_stops_the_worker_until_a_new_source_begins() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "restored").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(400)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
    let copy = Copy::of(&stack);

    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(400)).await;
    load.is_counted(&room).await;
    assert!(worker.process.stop().success());
    copy.restore();
    let mut since = Load::default();
    publish(&room, "calls", &since.more(4000)).await;

    let mut worker = Worker::spawn(&room, &[]).await;
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("the topic was restored from an older copy and written on"), "{words}");
    // What it says can be done, and then nothing of what was written since is missing.
    for advice in ["ingest source close", "ingest source open"] {
        let command_line = words.split('`').find(|part| part.starts_with(advice)).expect("what to do");
        let arguments: Vec<&str> = command_line.split(' ').skip(1).collect();
        let (went_on, said) = command_alone(&room, &arguments).await;
        assert!(went_on, "{said}");
    }
    let _worker = Worker::start(&room, &[]).await;
    eventually("all of both logs to be counted", async || {
        let identities = ledger::identities(&room).await;
        let missing = load.ids.union(&since.ids).filter(|id| !identities.contains(*id)).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_runs_meanwhile_looks_again_when_kafka_is_back() {
    let stack = Stack::start_own();
    let room = Room::new(&stack, "restored_meanwhile").await;
    let mut load = Load::default();
    let mut worker = Worker::start(&room, &[]).await;
    publish(&room, "calls", &load.more(400)).await;
    load.is_counted(&room).await;
    let copy = Copy::of(&stack);
    publish(&room, "calls", &load.more(400)).await;
    load.is_counted(&room).await;

    // Asleep while the log is replaced and grows, so that its next offset is there again when it looks.
    worker.process.signal(Signal::STOP);
    copy.restore();
    publish(&room, "calls", &Load::default().more(4000)).await;
    worker.process.signal(Signal::CONT);
    let words = last_words(&mut worker.process).await;
    assert!(words.contains("the topic was restored from an older copy and written on"), "{words}");
}
