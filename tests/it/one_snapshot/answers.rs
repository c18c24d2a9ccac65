//! Everything that is said about one question: cards, breakdowns, options of the filters, all pages of the log, the file.

use super::question::Question;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::Value;
use system_tests::{Client, row};

/// What was said.
pub struct Answers {
    pub question: Question,
    pub cards: Value,
    pub breakdowns: Value,
    pub options: Value,
    /// The rows of all pages that are read, one behind the other, in the words of [`row`].
    pub log: Vec<String>,
    pub pages: usize,
    /// The rows of the file, in the same words; where the log is read to its end.
    pub csv: Option<Vec<String>>,
}

/// Calls of a page: the most there may be, and few, so that short logs have many pages, too.
const LIMITS: [usize; 3] = [200, 50, 7];
/// Beyond so many pages only the largest will do.
const PAGES: u64 = 30;
/// So many pages are the newest ones.
const NEWEST: usize = 3;

impl Answers {
    /// Asks it all at the question's snapshot.
    ///
    /// # Panics
    /// If an answer fails, or is one of another snapshot.
    pub async fn to(client: &Client, question: Question, dice: &mut StdRng) -> Self {
        let ask = async |path: String| {
            let said = client.json(&path).await.expect("an answer");
            assert_eq!(said["as_of"], question.as_of, "{path}");
            said
        };
        let breakdowns = ask(question.path("breakdowns")).await;
        let calls = breakdowns["totals"]["calls"].as_u64().expect("a number");
        let fit = LIMITS.iter().filter(|limit| calls / **limit as u64 <= PAGES);
        let limit = fit.collect::<Vec<_>>().choose(dice).map_or(LIMITS[0], |limit| **limit);

        let (mut log, mut pages, mut after) = (Vec::new(), 0, String::new());
        loop {
            let mut page = ask(format!("{}&limit={limit}{after}", question.path("calls"))).await;
            let Value::Array(rows) = page["calls"].take() else { panic!("a page without calls: {page}") };
            let next = page["next"].as_str();
            assert!(
                rows.len() == limit || (rows.len() < limit && next.is_none()),
                "a page of {}",
                rows.len()
            );
            log.extend(rows.iter().map(row::of_log));
            pages += 1;
            let Some(next) = next.filter(|_| question.is_whole || pages < NEWEST) else { break };
            after = format!("&after={next}");
        }
        let csv = if question.is_whole {
            let file = client.text(&question.path("export.csv")).await.expect("a file");
            Some(row::of_csv(&file))
        } else {
            None
        };
        let options = ask(format!("{}&limit=1000", question.path("filters"))).await;
        let cards = ask(format!("/v1/orgs/{}/summary?as_of={}", question.org, question.as_of)).await;
        Self { question, cards, breakdowns, options, log, pages, csv }
    }
}
