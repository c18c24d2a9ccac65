//! `ingest topics`.

use super::Tools;
use crate::topics::{Made, make, plan};

/// Makes or checks all three topics.
pub async fn make_all(tools: &Tools) -> anyhow::Result<()> {
    for plan in plan(&tools.settings.kafka) {
        let outcome = match make(&tools.settings.kafka, &tools.cluster, &plan).await? {
            Made::Created => "created",
            Made::Existed => "is there and right",
        };
        println!("topic `{}` {outcome}", plan.name);
    }
    Ok(())
}
