//! The way to Kafka is slow, then half open for longer than every time-out: the emitter and ingest, which both come by
//! it, lose nothing and count nothing twice.

use emitter::{EmitError, Emitter, EmitterSettings};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::{
    CAREFUL, Manner, Process, Proxy, Room, Stack, call, eventually, eventually_for, http_get,
};

/// Time-outs, all shorter than the outage.
const INGEST: [(&str, &str); 4] = [
    CAREFUL,
    ("KAFKA_TIMEOUT", "3s"),
    ("KAFKA_PROPERTIES", "session.timeout.ms=6000"),
    ("RETRY_MAX", "300ms"),
];
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(4);
const OUTAGE: Duration = Duration::from_secs(12);
/// Each way.
const DELAY: Duration = Duration::from_millis(300);

/// A copilot that makes a call every few milliseconds, until it is told to end.
struct Copilot {
    emitter: Arc<Emitter>,
    is_over: Arc<AtomicBool>,
    work: std::thread::JoinHandle<BTreeSet<String>>,
    _queue: tempfile::TempDir,
}

impl Copilot {
    fn start(room: &Room, brokers: &str) -> Self {
        let queue = tempfile::tempdir().unwrap();
        let mut settings = EmitterSettings::new(brokers, queue.path());
        settings.topic = room.topic("calls");
        settings.segment_bytes = 256 << 10;
        settings.delivery_timeout = DELIVERY_TIMEOUT;
        let emitter = Arc::new(Emitter::start(settings).unwrap());
        let is_over = Arc::new(AtomicBool::new(false));
        let work = std::thread::spawn({
            let (emitter, is_over) = (Arc::clone(&emitter), Arc::clone(&is_over));
            move || {
                let mut accepted = BTreeSet::new();
                while !is_over.load(Ordering::Relaxed) {
                    let call = call().org(&format!("org-{}", accepted.len() % 13)).credits("1.5").build();
                    match emitter.emit(&call) {
                        Ok(()) => drop(accepted.insert(call.event_id.to_string())),
                        // Told, and not counted.
                        Err(error) => assert_eq!(error, EmitError::SegmentNotReady),
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                accepted
            }
        });
        Self { emitter, is_over, work, _queue: queue }
    }

    /// Waits until so many more calls are acknowledged.
    async fn gets_through(&self, calls: u64) {
        let goal = self.emitter.counters().acknowledged + calls;
        eventually(&format!("{goal} calls to be acknowledged"), async || {
            let counters = self.emitter.counters();
            if counters.acknowledged >= goal {
                Ok(())
            } else {
                Err(format!("{counters:?} {:?}", self.emitter.trouble()))
            }
        })
        .await;
    }

    /// The event ids of all calls that were accepted, when all of them are acknowledged.
    async fn end(self) -> BTreeSet<String> {
        self.is_over.store(true, Ordering::Relaxed);
        let accepted = self.work.join().unwrap();
        let emitter = self.emitter;
        let flushed = tokio::task::spawn_blocking(move || emitter.flush(Duration::from_secs(60)));
        assert!(flushed.await.unwrap(), "all that was accepted is acknowledged");
        accepted
    }
}

/// Since when ingest's component `kafka` waits, in the words of its health report.
async fn waits_for_kafka(ingest: &Process) -> String {
    let url = format!("http://{}/readyz", ingest.ops_address().await);
    eventually("ingest to wait for Kafka", async || {
        let answer = http_get(&url).await.map_err(|error| error.to_string())?;
        let report: serde_json::Value = answer.json().await.map_err(|error| error.to_string())?;
        let since = report["components"]["kafka"]["since"].as_str().map(str::to_owned);
        since.ok_or_else(|| report.to_string())
    })
    .await
}

/// Calls that count, and their credits.
async fn totals(room: &Room) -> (u64, String) {
    let query = room.reader().read(
        "SELECT count(), toString(sum(one)) FROM (SELECT argMin(credits, position) AS one FROM ai_calls \
         GROUP BY org_id, occurred_at, event_id)",
    );
    room.reader().fetch_one("summing up", query).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_and_a_half_open_way_to_kafka_cost_time_only() {
    let proxy = Proxy::unaimed().await;
    let stack = Stack::start_own_behind(&proxy);
    let room = Room::new(&stack, "slowbroker").await;
    room.create_topics().await;
    let brokers = [("KAFKA_BROKERS", proxy.address())];
    let mut ingest = room.start("ingest", &[INGEST.as_slice(), &brokers].concat()).await;
    let copilot = Copilot::start(&room, proxy.address());
    copilot.gets_through(200).await;

    proxy.set(Manner::Delays(DELAY));
    copilot.gets_through(1000).await;
    let counted = totals(&room).await.0;
    eventually("ingest to go on counting, however slow the way", async || {
        let now = totals(&room).await.0;
        if now > counted + 500 { Ok(()) } else { Err(format!("{counted}, then {now}")) }
    })
    .await;

    let began = Instant::now();
    proxy.set(Manner::Swallows);
    let since = waits_for_kafka(&ingest).await;
    tokio::time::sleep_until((began + OUTAGE).into()).await;
    assert_eq!(waits_for_kafka(&ingest).await, since);
    let trouble = copilot.emitter.trouble().expect("calls wait");
    assert!(trouble.lasts < began.elapsed(), "{trouble:?}");
    let (waiting, connections) = (copilot.emitter.counters().queued_records, proxy.connections());
    assert!(waiting > 0);

    proxy.set(Manner::Passes);
    let whole_at = Instant::now();
    copilot.gets_through(waiting).await;
    assert!(proxy.connections() > connections, "half-open connections were given up");
    let accepted = copilot.end().await;
    let credits = proto::Amount::parse("1.5").unwrap().units() * accepted.len() as i128;
    let expected = (accepted.len() as u64, proto::Amount::from_units(credits).to_string());
    // Sooner than librdkafka gives up a connection by itself, which is after a minute.
    let left = Duration::from_secs(55).saturating_sub(whole_at.elapsed());
    eventually_for(left, "each call to count once", async || {
        let found = totals(&room).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?} of {expected:?}")) }
    })
    .await;
    println!("half open for {OUTAGE:?}: {waiting} calls waited, all counted after {:?}", whole_at.elapsed());
    let query = room.reader().read("SELECT DISTINCT toString(event_id) FROM ai_calls");
    let ids: Vec<String> = room.reader().fetch_all("testing", query).await.unwrap();
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), accepted);
    ingest.ready().await;
    let mut verify = room.spawn("ingest", &["verify", "--read-log"], &[("TELEMETRY_LEVEL", "error")]);
    assert!(verify.wait().success(), "{}", verify.log().join("\n"));
    assert!(ingest.stop().success());
}
