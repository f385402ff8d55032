//! cala-ledger: a transaction of two entries is posted by a template, and the balances of both accounts move with it.

use cala_ledger::account::NewAccount;
use cala_ledger::job::{JobSvcConfig, Jobs};
use cala_ledger::journal::NewJournal;
use cala_ledger::tx_template::{
    NewParamDefinition, NewTxTemplate, NewTxTemplateEntry, NewTxTemplateTransaction, ParamDataType, Params,
};
use cala_ledger::{AccountId, CalaLedger, CalaLedgerConfig, JournalId, TransactionId};
use ledger_postgres_testing::Database;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::CONNECTIONS;
use crate::load::Peer;

pub struct Cala {
    ledger: CalaLedger,
    journal: JournalId,
    accounts: Vec<AccountId>,
    /// Dropped, it would end the ledger's own tasks.
    _jobs: Jobs,
}

const TEMPLATE: &str = "BOOKING";

impl Cala {
    /// A ledger of so many accounts, two or more.
    pub async fn open(database: &Database, accounts: usize) -> Self {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&database.url()).await.unwrap();
        let config = CalaLedgerConfig::builder().pool(pool.clone()).exec_migrations(true).build().unwrap();
        let mut jobs = Jobs::init(JobSvcConfig::builder().pool(pool).build().unwrap()).await.unwrap();
        let ledger = CalaLedger::init(config, &mut jobs).await.unwrap();
        let journal = NewJournal::builder().id(JournalId::new()).name("main").build();
        let journal = ledger.journals().create(journal).await.unwrap().id();
        ledger.tx_templates().create(template()).await.unwrap();
        let mut known = Vec::new();
        for number in 0..accounts {
            let (id, name) = (AccountId::from(Uuid::new_v4()), format!("account-{number:08}"));
            let account = NewAccount::builder().id(id).name(name.clone()).code(name).build();
            known.push(ledger.accounts().create(account).await.unwrap().id());
        }
        Self { ledger, journal, accounts: known, _jobs: jobs }
    }
}

fn template() -> NewTxTemplate {
    let param = |name: &str, kind| NewParamDefinition::builder().name(name).r#type(kind).build().unwrap();
    let entry = |kind: &str, account: &str, direction: &str| {
        NewTxTemplateEntry::builder()
            .entry_type(format!("'{kind}'"))
            .account_id(format!("params.{account}"))
            .layer("SETTLED")
            .direction(direction)
            .units("decimal('1000.17')")
            .currency("'USD'")
            .build()
            .unwrap()
    };
    let transaction = NewTxTemplateTransaction::builder().effective("date()").journal_id("params.journal_id");
    NewTxTemplate::builder()
        .id(Uuid::new_v4())
        .code(TEMPLATE)
        .params(["journal_id", "from", "to"].map(|name| param(name, ParamDataType::Uuid)).into())
        .transaction(transaction.build().unwrap())
        .entries(vec![entry("BOOKED_DR", "from", "DEBIT"), entry("BOOKED_CR", "to", "CREDIT")])
        .build()
}

impl Peer for Cala {
    async fn call(&self, number: u64) -> bool {
        let account = |number| self.accounts[number as usize % self.accounts.len()];
        let mut params = Params::new();
        params.insert("journal_id", self.journal);
        params.insert("from", account(2 * number));
        params.insert("to", account(2 * number + 1));
        self.ledger.post_transaction(TransactionId::new(), TEMPLATE, params).await.is_ok()
    }
}
