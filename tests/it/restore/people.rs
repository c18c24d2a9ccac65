//! People who read all the time. What they were told is judged afterwards by what the topic holds.

use super::load::ORGS;
use chrono::Days;
use proto::Position;
use proto::wire::AiCall;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use system_tests::{
    Client, FirstWrites, PARTITIONS, Room, Sums, Topic, Winner, date_of, position_of, said_by_name, said_sums,
};
use tokio::task::JoinHandle;
use warehouse::calendar::Tz;

/// The number of the only source of calls.
const SOURCE: u16 = 1;

/// People who read fresh answers.
pub struct People {
    told: Arc<Mutex<Vec<(usize, Value)>>>,
    reading: JoinHandle<()>,
}

impl People {
    /// They begin.
    pub fn start(client: &Client) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let (client, all) = (client.clone(), Arc::clone(&told));
        let reading = tokio::spawn(async move {
            for number in (0..ORGS.len()).cycle() {
                let path = format!("/v1/orgs/{}/breakdowns?range=last_30_days", ORGS[number].0);
                let said = client.json(&path).await.expect("an answer");
                all.lock().unwrap_or_else(PoisonError::into_inner).push((number, said));
            }
        });
        Self { told, reading }
    }

    /// How many answers they got.
    pub fn answers(&self) -> usize {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// They end. Returns what they were told.
    ///
    /// # Panics
    /// If one of them got no answer.
    pub fn stop(self) -> Vec<(usize, Value)> {
        assert!(!self.reading.is_finished(), "somebody got no answer");
        self.reading.abort();
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Judges every answer by an independent reading of the topic.
///
/// # Panics
/// If one is wrong.
pub fn judge(room: &Room, told: &[(usize, Value)]) {
    let mut truth = FirstWrites::default();
    let mut topic = Topic::new(room.brokers(), room.topic("calls"), PARTITIONS);
    let read = topic.read_on(|letter| {
        let payload = letter.payload.unwrap_or_default();
        // Neither what cannot be read counts, nor what lies in a wrong partition: ingest sends it on to the right one.
        let Ok(call) = <AiCall as prost::Message>::decode(payload.as_slice()) else { return };
        if proto::partition_of(call.org_id.as_bytes(), PARTITIONS) as i32 == letter.partition {
            let position = Position::of_message(SOURCE, letter.offset).expect("a position");
            truth.note(call, position.as_u64());
        }
    });
    read.expect("the topic can be read");
    truth.settle();
    for (number, said) in told {
        let (org, zone) = ORGS[*number];
        let (at, zone) = (position_of(said), zone.parse::<Tz>().expect("a zone"));
        let present = said["as_of"].as_str().and_then(|as_of| as_of.split('.').nth(1)?.parse().ok());
        let today = date_of(zone, present.expect("a present"));
        let counts = |winner: &&Winner| {
            let day = date_of(zone, winner.at_ms);
            winner.position <= at && today - Days::new(29) <= day && day <= today
        };
        let winners: Vec<&Winner> = truth.of(org).iter().filter(counts).collect();
        let mut totals = Sums::default();
        winners.iter().for_each(|winner| totals.add(&winner.call));
        assert_eq!(said_sums(&said["totals"]), totals.json(), "{org} at {}", said["as_of"]);
        let by_member = Sums::by(winners, |winner| winner.call.member_id.clone());
        let found =
            said_by_name(&said["by_member"], |row| row["member_id"].as_str().unwrap_or_default().into());
        assert_eq!(found, Sums::json_by_name(&by_member), "{org} at {}", said["as_of"]);
    }
}
