//! Every command on a PostgreSQL server, as on a file.

use std::sync::OnceLock;

use ledger_postgres::sqlx::{AssertSqlSafe, query_scalar, raw_sql};
use ledger_postgres_testing::{Database, Server, quoted};

use super::*;

/// A folder, and a database for `--store`.
struct Kept {
    folder: Folder,
    runtime: tokio::runtime::Runtime,
    database: Database,
    url: String,
}

/// A server that may be checked: the shared one does not wait for the disk, which `store check` would say.
fn durable() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

impl Kept {
    fn on(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(server.empty());
        let url = database.url();
        Self { folder: Folder::new(), runtime, database, url }
    }

    /// A database with the ledger that the tests begin with.
    fn with_ledger() -> Self {
        let kept = Self::on(Server::shared());
        kept.run(&["store", "migrate", "up"]).expect(0);
        kept.folder.write("base.jsonl", BASE.as_bytes());
        kept.run(&["apply", "base.jsonl"]).expect(0);
        kept
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_at(&self.url, args)
    }

    fn run_at(&self, url: &str, args: &[&str]) -> Run {
        self.folder.run(&[&["--store", url], args].concat())
    }

    /// Runs a command on the server and on a file: both end with this code, and say the same.
    #[track_caller]
    fn same_on(&self, file: &Folder, code: i32, command: &str) -> Run {
        let args: Vec<&str> = command.split(' ').collect();
        let (here, there) = (self.run(&args).expect(code), file.run(&args).expect(code));
        // Links and fingerprints are over the times, too.
        if !["events", "verify"].contains(&args[0]) && !args.contains(&"replay") {
            assert_eq!(timeless(&here.stdout), timeless(&there.stdout), "{command}");
        }
        there
    }

    fn sql(&self, sql: &str) {
        let done = raw_sql(AssertSqlSafe(sql)).execute(self.database.pool());
        self.runtime.block_on(done).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    fn role(&self, name: &str) -> String {
        self.runtime.block_on(self.database.role(name))
    }

    fn log(&self) -> String {
        self.run(&["export", "jsonl"]).expect(0).stdout
    }
}

/// A text without the times at which something was recorded.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive([',', ' ', '"', '\n']);
    words.filter(|word| !(word.contains('T') && word.trim_end_matches([',', ' ', '"', '\n']).ends_with('Z'))).collect()
}

/// The demonstration comes to the same on a server as on a file, figure by figure.
#[test]
fn the_demonstration_comes_to_the_same() {
    let (kept, file) = (Kept::on(Server::shared()), Folder::new());
    kept.run(&["demo"]).refused("payledger store migrate up");
    kept.run(&["store", "migrate", "up"]).expect(0);
    let run = kept.run(&["demo"]).expect(0);
    assert!(run.stderr.contains("warning") && run.stderr.contains("superuser"), "{}", run.stderr);
    file.run(&["demo"]).expect(0);
    for command in [
        "show payees",
        "show payouts",
        "show caps",
        "show caps --as-of ,2026-01-15",
        "show journal",
        "show settings",
        "--format json show audit",
        "--format json show statistics",
        "explain cap residential ann",
        "explain deal d-102",
        &format!("explain payout {}", reading::FIRST),
        "export hledger",
        "export register -o register.csv",
        "export register --total",
        "reconcile --register register.csv",
        "--format json replay",
        "reconcile",
        "events",
        "verify",
    ] {
        kept.same_on(&file, 0, command);
    }
    kept.same_on(&file, 2, "explain deal d-999");
    let log = kept.log();
    kept.run(&["demo"]).expect(0);
    assert_eq!(kept.log(), log);
    assert_eq!(log.lines().count(), file.log().lines().count());
    kept.run(&["bench"]).expect(0);
    let status = kept.run(&["--format", "json", "store", "status"]).expect(0).lines();
    assert_eq!(status[0]["ledger"], "main");
}

/// What an import or an explanation asks of a store, only a file had ever answered.
#[test]
fn tables_are_imported_and_explained_as_on_a_file() {
    let (kept, file) = (Kept::with_ledger(), Folder::with_ledger());
    let plan = r#"{"currency":"USD","split":{"tiered":{"tiers":{"revenue":[{"from":"0 USD","payee":"0.5","company":"0.5"},{"from":"100000 USD","payee":"0.6","company":"0.4"}]},"mode":"marginal"}},"attainment":{"programme":"vol","year":{"calendar":{"month":1,"day":1}}}}"#;
    let more = [
        request("tiered", &format!(r#""plan.publish":{{"plan":"tiered","document":{plan}}}"#)),
        request("carl", r#""payee.enrol":{"payee":"carl","name":"Carl Cole"}"#),
        request("carl-tiered", r#""payee.assign":{"payee":"carl","plan":"tiered","version":1,"from":"2026-01-01"}"#),
        request("model", r#""model.publish":{"model":"main","document":{"model":{"equal":{}}}}"#),
        request("ten", r#""rates.publish":{"rates":"ten","document":{"currency":"USD","otherwise":{"rate":"0.1"}}}"#),
    ];
    let sales = "id,amount,model,rates,customer,completed_at\ns-1,1000.00,main,ten@1,acme,\ns-2,50.00,main,ten,,\n";
    let files = [
        ("more.jsonl", more.join("\n")),
        (
            "deals.csv",
            "ID,gci,payee,completed_on\na1,1000.00,ann,2026-01-15\nb1,70000.00,ben,2026-01-15\n\
             c1,120000.00,carl,2026-01-16\nc2,1.00,nobody,2026-01-16\n"
                .into(),
        ),
        ("open.csv", sales.into()),
        (
            "touches.csv",
            "id,deal,payee,type,at,milestones\nt1,s-1,ann,referral,2026-01-05T12:00:00Z,first;lead\n\
             t2,s-1,ben,demo,2026-01-06T12:00:00Z,\n"
                .into(),
        ),
        ("won.csv", sales.replace("acme,\n", "acme,2026-01-10T17:00:00Z\n")),
        ("pay.jsonl", request("pay", r#""payout.create":{"payee":"ann"}"#)),
    ];
    for (name, text) in &files {
        kept.folder.write(name, text.as_bytes());
        file.write(name, text.as_bytes());
    }
    for (code, command) in [
        (0, "apply more.jsonl"),
        (2, "import deals deals.csv --id ID --dry-run"),
        (2, "import deals deals.csv --id ID"),
        (2, "import deals deals.csv --id ID"),
        (0, "import deals open.csv --id id"),
        (0, "import touches touches.csv --id id"),
        (0, "import deals won.csv --id id"),
        (2, "import deals won.csv --id no"),
        (0, "apply pay.jsonl"),
        (0, "show credits"),
        (0, "show attainments"),
        (0, "show attainments --as-of ,2026-01-15"),
        (0, "show caps"),
        (0, "show payees"),
        (0, "show journal"),
        (0, "explain deal s-1"),
        (0, "explain deal b1"),
        (0, "explain cap main ben 2026"),
        (0, "explain attainment vol carl"),
        (2, "explain attainment vol ann"),
        (0, "--format json explain attainment vol carl"),
    ] {
        kept.same_on(&file, code, command);
    }
    let made = kept.same_on(&file, 0, "--format json show payouts").lines();
    let words = kept.same_on(&file, 0, &format!("explain payout {}", made[0]["payout"].as_str().unwrap())).stdout;
    assert!(words.contains("ann gets 800.00 USD") && words.contains("10% of 500.00 USD"), "{words}");
    assert_eq!(kept.log().lines().count(), file.log().lines().count());
}

#[test]
fn a_dry_run_leaves_the_database_as_it_is() {
    let kept = Kept::with_ledger();
    let log = kept.log();
    kept.folder.write("deal.jsonl", (deal("d1", "d1", "ann", "1000 USD") + "\n").as_bytes());
    let tried = kept.run(&["apply", "--dry-run", "deal.jsonl"]).expect(0);
    assert!(tried.stderr.contains("dry run"), "{}", tried.stderr);
    assert_eq!(kept.log(), log);
    let done = kept.run(&["apply", "deal.jsonl"]).expect(0);
    let without_times = |run: &Run| run.lines().into_iter().map(|line| line["events"].clone()).collect::<Vec<_>>();
    assert_eq!(without_times(&tried), without_times(&done));
    assert_ne!(kept.log(), log);
}

#[test]
fn tables_are_moved_only_when_asked_and_keep_every_event() {
    let kept = Kept::on(Server::shared());
    let printed = kept.run(&["store", "migrate", "up", "--dry-run"]).expect(0).stdout;
    assert!(printed.contains("CREATE TABLE payledger.events") && printed.contains("COMMIT;"), "{printed}");
    let status = kept.run(&["store", "migrate", "status"]).expect(0).stdout;
    assert!(status.contains("tables of version 0") && status.contains("migrate up"), "{status}");
    kept.run(&["verify"]).refused("payledger store migrate up");
    kept.run(&["store", "migrate", "up"]).expect(0);
    kept.folder.write("base.jsonl", BASE.as_bytes());
    kept.run(&["apply", "base.jsonl"]).expect(0);
    kept.run(&["replay"]).expect(0);
    let log = kept.log();
    kept.run(&["store", "migrate", "down"]).expect(0);
    kept.run(&["verify"]).refused("tables of version 1");
    kept.run(&["store", "migrate", "down"]).refused("never dropped");
    kept.run(&["store", "migrate", "up"]).expect(0);
    kept.run(&["store", "migrate", "up"]).expect(0);
    kept.run(&["store", "migrate", "up", "--to", "1"]).refused("store migrate down");
    kept.run(&["store", "migrate", "up", "--to", "99"]).refused("versions up to");
    kept.run(&["verify", "--deep"]).expect(0);
    assert_eq!(kept.log(), log);
    kept.sql("INSERT INTO payledger.migrations (version) VALUES (99)");
    for args in [["verify"].as_slice(), &["store", "check"], &["store", "migrate", "up"], &["apply", "base.jsonl"]] {
        kept.run(args).refused("newer version");
    }
    // A file too.
    let file = Folder::with_ledger();
    let log = file.log();
    for step in ["down", "up"] {
        let printed = file.run(&["store", "migrate", step, "--dry-run"]).expect(0).stdout;
        assert!(step == "up" || printed.contains("DROP TABLE snapshots"), "{printed}");
        file.run(&["store", "migrate", step]).expect(0);
    }
    file.run(&["store", "migrate", "down", "--to", "0"]).refused("never dropped");
    file.run(&["store", "migrate", "up", "--owner", "x"]).refused("a file has no roles");
    assert_eq!(file.log(), log);
}

#[test]
fn roles_are_given_what_they_need_and_a_sound_store_has_no_finding() {
    let kept = Kept::on(durable());
    let (owner, application, reporting) = (kept.role("owner"), kept.role("app's"), kept.role("report"));
    kept.run(&["store", "migrate", "up", "--owner", "public"]).refused("there is no role");
    let roles = ["--owner", &owner, "--application", &application, "--reporting", &reporting];
    kept.run(&[&["store", "migrate", "up"], roles.as_slice()].concat()).expect(0);
    let url = kept.database.url_as(&application);
    kept.folder.write("base.jsonl", BASE.as_bytes());
    let run = kept.run_at(&url, &["apply", "base.jsonl"]).expect(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let checked = kept.run_at(&url, &["store", "check"]).expect(0);
    assert!(checked.stdout.contains("as they should be"), "{}", checked.stdout);
    let url = kept.database.url_as(&reporting);
    kept.run_at(&url, &["verify"]).refused("has no ledger main");
    kept.sql(&format!("INSERT INTO payledger.reporting_ledgers VALUES ('main', '{reporting}')"));
    kept.run_at(&url, &["verify"]).expect(0);
    let run = kept.run_at(&url, &["show", "payees"]).expect(0);
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    kept.folder.write("deals.csv", b"ID,gci,payee,completed_on\na1,1000.00,ann,2026-01-15\n");
    kept.folder.write("deal.jsonl", (deal("d1", "d1", "ann", "1000 USD") + "\n").as_bytes());
    kept.run_at(&url, &["apply", "deal.jsonl"]).refused("privilege is missing");
    kept.run_at(&url, &["store", "migrate", "down"]).refused("may not act as");
    // Who owns the tables, or is a superuser, is told so once, wherever he reads or writes, and goes on.
    for (url, power) in [(kept.database.url_as(&owner), "owns the tables"), (kept.url.clone(), "is a superuser")] {
        let found = kept.run_at(&url, &["store", "check"]).expect(1).stdout;
        assert!(found.contains(power), "{found}");
        for args in [
            ["apply", "base.jsonl"].as_slice(),
            &["import", "deals", "deals.csv", "--id", "ID"],
            &["replay"],
            &["show", "payees"],
            &["store", "status"],
        ] {
            let run = kept.run_at(&url, args).expect(0);
            let told = run.stderr.lines().filter(|line| line.contains("warning") && line.contains(power));
            assert_eq!(told.count(), 1, "{args:?}: {}", run.stderr);
        }
    }
}

/// Somebody who may do all disables the triggers and edits: what he did is found, and named.
#[test]
fn rows_that_were_altered_by_hand_are_found() {
    let altered = [
        (
            "events",
            "payload = convert_to(replace(convert_from(payload, 'UTF8'), 'Ben Brook', 'Ben Crook'), 'UTF8') \
            WHERE sequence = 3",
            "altered",
        ),
        ("events", "type = 'payee.unheard_of' WHERE sequence = 3", "altered"),
        ("events", "schema_version = 99 WHERE sequence = 3", "altered"),
        ("requests", "actor = 'mallory' WHERE first_sequence = 3", "altered"),
        ("requests", "recorded_at_us = recorded_at_us + 1 WHERE first_sequence = 3", "altered"),
        (
            "requests",
            "request_hash = digest FROM payledger.events AS e WHERE first_sequence = 3 AND e.sequence = 1",
            "altered",
        ),
    ];
    let kept = Kept::with_ledger();
    for (table, change, kind) in altered {
        kept.sql(&format!("CREATE TABLE saved AS SELECT * FROM payledger.{table}"));
        let quiet = |change: &str| {
            kept.sql(&format!(
            "ALTER TABLE payledger.{table} DISABLE TRIGGER ALL; {change}; ALTER TABLE payledger.{table} ENABLE ALWAYS TRIGGER {table}_stay"
        ))
        };
        quiet(&format!("UPDATE payledger.{table} SET {change}"));
        let run = kept.run(&["--format", "json", "verify"]).expect(1);
        let found = run.lines();
        assert_eq!(found[0]["sequence"], 3, "{change}: {}", run.stdout);
        assert!(found[0]["kind"].as_str().unwrap().contains(kind), "{change}: {}", run.stdout);
        quiet(&format!(
            "DELETE FROM payledger.{table}; INSERT INTO payledger.{table} SELECT * FROM saved; DROP TABLE saved"
        ));
        kept.run(&["verify"]).expect(0);
    }
}

/// "It has none yet" was said of a ledger whose head somebody had deleted.
#[test]
fn a_ledger_without_its_head_is_damaged_not_missing() {
    let kept = Kept::with_ledger();
    kept.sql("ALTER TABLE payledger.heads DISABLE TRIGGER ALL; DELETE FROM payledger.heads");
    for args in [["verify"].as_slice(), &["show", "payees"], &["replay"]] {
        kept.run(args).refused("its head is gone");
    }
}

/// What had stopped an import was not told, if twenty other lines had been refused before; and an export ended before the head
/// without a word.
#[test]
fn what_stops_an_import_or_an_export_is_told() {
    let kept = Kept::with_ledger();
    let mut lines: Vec<_> =
        (0..30).map(|number| request(&format!("r{number}"), r#""payout.create":{"payee":"nobody"}"#)).collect();
    lines.push(deal("d1", "d1", "ann", "1000 USD"));
    kept.folder.write("lines.jsonl", lines.join("\n").as_bytes());
    kept.sql("ALTER TABLE payledger.heads DISABLE TRIGGER ALL; UPDATE payledger.heads SET sequence = sequence + 1");
    let run = kept.run(&["apply", "lines.jsonl"]).expect(2);
    for told in ["lines.jsonl:31: ", "the head is not at the last request", "10 more errors", "stopped at line 31"] {
        assert!(run.stderr.contains(told), "{told:?}: {}", run.stderr);
    }
    let run = kept.run(&["export", "jsonl"]).expect(1);
    assert!(run.stderr.contains("its head is at") && run.stdout.contains("payee.enrolled"), "{}", run.stderr);
}

/// An import of a thousand lines stood still for minutes, without a word, while the store was away.
#[test]
fn a_store_that_does_not_answer_is_told_and_asked_again() {
    let kept = Kept::with_ledger();
    let carl = r#"{"key":"carl","actor":"maria","at":"2026-01-02T12:00:00Z","command":{"payee.enrol":{"payee":"carl","name":"Carl"}}}"#;
    kept.folder.write("carl.jsonl", carl.as_bytes());
    // What is left of the transaction goes back to the pool.
    let _runtime = kept.runtime.enter();
    let mut holder = kept.runtime.block_on(kept.database.pool().begin()).unwrap();
    // The server ends the transaction by itself.
    let held = "SET LOCAL idle_in_transaction_session_timeout = '11s'; SELECT FROM payledger.heads FOR UPDATE";
    kept.runtime.block_on(raw_sql(held).execute(&mut *holder)).unwrap();
    let run = kept.run(&["apply", "carl.jsonl"]).expect(0);
    assert!(run.stderr.contains("carl.jsonl:1: no answer for 10 s"), "{}", run.stderr);
}

/// Who writes events with a true digest and link, but of a type or version that no release knows, has not written a ledger's.
#[test]
fn events_that_no_release_knows_are_refused() {
    let kept = Kept::with_ledger();
    for change in ["type = 'payee.unheard_of'", "schema_version = 99", "payload = 'no json'", "payload = '\\xff'"] {
        kept.sql(&format!(
            "CREATE TABLE saved AS SELECT * FROM payledger.events; ALTER TABLE payledger.events DISABLE TRIGGER ALL; \
             UPDATE payledger.events SET {change} WHERE sequence = 8"
        ));
        for args in [["show", "payees"].as_slice(), &["replay"], &["events"]] {
            kept.run(args).refused("record 8");
        }
        kept.run(&["apply", "base.jsonl"]);
        kept.run(&["verify"]).expect(1);
        kept.sql(
            "DELETE FROM payledger.events; INSERT INTO payledger.events SELECT * FROM saved; DROP TABLE saved; \
             ALTER TABLE payledger.events ENABLE ALWAYS TRIGGER events_stay",
        );
    }
    kept.run(&["verify"]).expect(0);
}

/// A dump that leaves rows out, or a restore that changes bytes, is found here and not at the next audit.
#[test]
fn a_dump_is_restored_and_verifies() {
    let kept = Kept::with_ledger();
    let owner = kept.role("owner");
    let application = kept.role("application");
    kept.run(&["store", "migrate", "up", "--owner", &owner, "--application", &application]).expect(0);
    kept.run(&["store", "backup", "x"]).refused("pg_dump");
    kept.run(&["store", "restore", "x"]).refused("pg_restore");
    let server = Server::shared();
    let dump = |url: &str, to: &str| {
        let mut command = std::process::Command::new(server.program("pg_dump"));
        let command = command.args(["--format=custom", "--schema=payledger", "--file"]).arg(kept.folder.path(to));
        Run::of(command.arg(url).output().unwrap())
    };
    dump(&kept.url, "dump").expect(0);
    // Who sees only some ledgers gets no dump rather than a part of one.
    let run = dump(&kept.database.url_as(&owner), "part");
    assert!(run.code != 0 && run.stderr.contains("row-level security"), "{}", run.stderr);
    let other = Kept::on(server);
    let mut command = std::process::Command::new(server.program("pg_restore"));
    let command = command.args(["--exit-on-error", "--single-transaction", "--dbname", &other.url]);
    Run::of(command.arg(kept.folder.path("dump")).output().unwrap()).expect(0);
    let verified = other.run(&["--format", "json", "verify", "--deep"]).expect(0).stdout;
    assert_eq!(verified, kept.run(&["--format", "json", "verify", "--deep"]).expect(0).stdout);
    assert_eq!(other.log(), kept.log());
    // It goes on where the dump was taken, for the application too, and nothing about it is odd but the server's haste.
    other.folder.write("deal.jsonl", (deal("d1", "d1", "ann", "1000 USD") + "\n").as_bytes());
    let url = other.database.url_as(&application);
    other.run_at(&url, &["apply", "deal.jsonl"]).expect(0);
    let odd = other.run_at(&url, &["--format", "json", "store", "check"]).expect(1).lines();
    assert!(odd.iter().all(|finding| finding["object"].as_str().unwrap().starts_with("setting f")), "{odd:?}");
    let roles: i64 = other
        .runtime
        .block_on(
            query_scalar("SELECT count(*) FROM pg_roles WHERE rolname = $1")
                .bind(&owner)
                .fetch_one(other.database.pool()),
        )
        .unwrap();
    assert_eq!(roles, 1);
    other.sql(&format!("DROP OWNED BY {}, {}", quoted(&owner), quoted(&application)));
}

#[test]
fn a_database_on_which_no_ledger_can_be_kept_is_refused() {
    let kept = Kept::with_ledger();
    let role = kept.role("forgetful");
    kept.run(&["store", "migrate", "up", "--application", &role]).expect(0);
    kept.sql(&format!("ALTER ROLE {} SET synchronous_commit = off", quoted(&role)));
    let url = kept.database.url_as(&role);
    let run = kept.run_at(&url, &["apply", "base.jsonl"]).refused("synchronous_commit is off");
    assert!(run.stderr.contains("nothing was stored"), "{}", run.stderr);
    let run = kept.run_at(&url, &["--format", "json", "store", "check"]).expect(1);
    assert!(
        run.lines().iter().any(|finding| finding["object"] == "setting synchronous_commit = off"),
        "{}",
        run.stdout
    );
    let stranger = kept.database.url_as(&kept.role("stranger"));
    kept.run_at(&stranger, &["verify"]).refused("privilege is missing");
    let run = kept.run_at(&stranger, &["store", "check"]).expect(1);
    assert!(run.stdout.contains("may not use the schema"), "{}", run.stdout);
    let nobody = kept.database.url_as("no such role");
    kept.run_at(&nobody, &["verify"]).refused("the database refuses this role");
    let none = kept.url.replace(kept.database.name(), "no_such_database");
    kept.run_at(&none, &["verify"]).refused("there is no such database");
    let ascii = kept.runtime.block_on(Server::shared().create("TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"));
    kept.run_at(&ascii.url(), &["store", "migrate", "up"]).refused("encoding is SQL_ASCII");
}

/// Who asks for an encrypted connection got one in plain text, or a program that knows of none.
#[test]
fn a_connection_that_cannot_be_encrypted_as_asked_is_none() {
    let kept = Kept::on(durable());
    let joint = if kept.url.contains('?') { '&' } else { '?' };
    let run = kept.run_at(&format!("{}{joint}sslmode=require", kept.url), &["store", "migrate", "status"]).expect(2);
    assert!(run.stderr.contains("server does not support TLS"), "{}", run.stderr);
}
