//! The one event that the peers store: as large as an event of ours is, with an amount to fold.

use serde::{Deserialize, Serialize};

use crate::PAYLOAD;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, disintegrate::Event)]
#[stream(Booking, [Booked])]
pub enum Event {
    Booked {
        #[id]
        account: String,
        amount: i64,
        earned_on: String,
        reason: String,
    },
}

impl Event {
    pub fn booked(account: String, number: u64) -> Self {
        let amount = 100_000 + i64::try_from(number % 900_000).unwrap();
        Self::Booked { account, amount, earned_on: "2026-02-02".into(), reason: "r".repeat(REASON) }
    }
}

/// What the fields around it leave to the reason.
pub const REASON: usize = PAYLOAD - 94;

/// Such events as a statement makes them, numbered from 0, four to an account.
pub const ROWS: &str = "SELECT number, 'account-' || lpad((number / 4)::text, 8, '0') AS account, number % 4 + 1 AS version, \
         format('{\"Booked\":{\"account\":\"account-%s\",\"amount\":%s,\"earned_on\":\"2026-02-02\",\"reason\":\"%s\"}}', \
             lpad((number / 4)::text, 8, '0'), 100000 + number % 900000, repeat('r', $2)) AS payload \
     FROM generate_series(0, $1 - 1) AS number";
