//! What the warehouse promises, on the real engine.

use proto::Position;
use system_tests::{Room, Stack, call};
use warehouse::{LedgerBlock, migrate};

#[tokio::test]
async fn migrations_can_be_run_twice_and_at_once() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "migrations").await;
    assert_eq!(migrate(room.warehouse()).await.unwrap(), 0);
    let (one, two) = tokio::join!(migrate(room.warehouse()), migrate(room.warehouse()));
    assert_eq!((one.unwrap(), two.unwrap()), (0, 0));
}

#[tokio::test]
async fn every_column_of_a_call_comes_back_as_it_went_in() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "columns").await;
    let calls = [
        call().org("acme").credits("0.000000000001").tokens(4_000_000_000, 0).build(),
        call().org("ünïcode").member("عمر").credits("999999999999.999999999999").build(),
        call().org("acme").byok("12.5", "EUR").reason("summarize_cv").model("x", "=1+1").build(),
    ];
    let mut block = LedgerBlock::default();
    for (offset, call) in calls.iter().enumerate() {
        let bytes = call.encode();
        let view = proto::decode_call(&bytes).unwrap();
        block.push(&view, Position::of_message(1, offset as i64).unwrap(), 3, view.occurred_at_ms() + 7);
    }
    let columns = LedgerBlock::columns();
    room.warehouse().insert_native("testing", "ai_calls", columns, block.encode()).await.unwrap();

    let query = room.reader().read(
        "SELECT concat(org_id, '|', toString(toUnixTimestamp64Milli(occurred_at)), '|', toString(event_id), '|', \
         toString(position), '|', toString(partition), '|', toString(toUnixTimestamp64Milli(appended_at)), '|', member_id, \
         '|', reason, '|', provider, '|', model, '|', toString(input_tokens), '|', toString(output_tokens), '|', \
         toString(credits), '|', toString(provider_cost), '|', currency) FROM ai_calls ORDER BY position",
    );
    let found: Vec<String> = room.reader().fetch_all("testing", query).await.unwrap();
    let expected: Vec<String> = calls
        .iter()
        .enumerate()
        .map(|(offset, call)| {
            let (credits, cost, currency) = match call.charge {
                proto::Charge::Credits(credits) => (credits.to_string(), "0".into(), String::new()),
                proto::Charge::ProviderCost(cost) => {
                    ("0".into(), cost.amount.to_string(), cost.currency.to_string())
                }
            };
            format!(
                "{}|{}|{}|{}|3|{}|{}|{}|{}|{}|{}|{}|{credits}|{cost}|{currency}",
                call.org_id,
                call.occurred_at_ms(),
                call.event_id,
                (1u64 << 48) + offset as u64 + 1,
                call.occurred_at_ms() + 7,
                call.member_id,
                call.reason,
                call.provider,
                call.model,
                call.input_tokens,
                call.output_tokens,
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_reader_may_not_write() {
    let stack = Stack::shared();
    let room = Room::new(&stack, "reader").await;
    let delete = room.reader().read("ALTER TABLE ai_calls DELETE WHERE 1");
    let error = room.reader().execute("testing", delete).await.unwrap_err();
    assert_eq!(error.code(), Some(164), "{error:?}");
}
