//! From a deal to a payout in a dozen lines, in memory.
//!
//! `cargo run -p examples --example quickstart`

use std::sync::Arc;

use chrono::Utc;
use ledger_core::command::Request;
use ledger_core::engine::{Ledger, tokio::TokioEnv};
use ledger_core::id::LedgerName;
use ledger_core::store::memory::MemoryStore;

const REQUESTS: &str = r#"
{"key":"1","actor":"ann","at":"2026-01-02T09:00:00Z","command":{"settings.open":{"base_currency":"USD","zone":"America/New_York"}}}
{"key":"2","actor":"ann","at":"2026-01-02T09:00:00Z","command":{"plan.publish":{"plan":"standard","document":{"currency":"USD","split":{"flat":{"payee":"0.7","company":"0.3"}}}}}}
{"key":"3","actor":"ann","at":"2026-01-02T09:00:00Z","command":{"payee.enrol":{"payee":"kim","name":"Kim"}}}
{"key":"4","actor":"ann","at":"2026-01-02T09:00:00Z","command":{"payee.assign":{"payee":"kim","plan":"standard","version":1,"from":"2026-01-01"}}}
{"key":"5","actor":"ann","at":"2026-01-09T09:00:00Z","command":{"deal.record":{"deal":"d-1","gci":{"amount":"10000.00 USD"},"attribution":{"equal":["kim"]},"completed_on":"2026-01-09"}}}
{"key":"6","actor":"ann","at":"2026-02-01T09:00:00Z","command":{"payout.create":{"payee":"kim"}}}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new(Arc::new(|| Utc::now().timestamp_micros()));
    let ledger = Ledger::new(Arc::new(store), Arc::new(TokioEnv::current()), LedgerName::new("main")?);
    for line in REQUESTS.trim().lines() {
        let receipt = ledger.execute(serde_json::from_str::<Request>(line)?).await?;
        for recorded in receipt.events {
            println!("{:>3} {:<28} {:?}", recorded.sequence, recorded.stream, recorded.event);
        }
    }
    Ok(())
}
