//! Every byte flipped, every row deleted, doubled, moved: each is found, at the first bad record, as a kind that fits.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ledger_core::chain::Digest;
use ledger_core::codec::DecodeError;
use ledger_core::limits::LAST_RECORDED_AT_US;
use ledger_core::store::{EventRow, LogPage, RequestRow, StoreError};
use ledger_core::stream::StreamName;
use ledger_core::verify::{Finding, Kind, Tampering, Verified, Verifier, VerifyError, verify};

use crate::rows::{Rows, digest, now};
use crate::year::year;

static YEAR: LazyLock<Rows> = LazyLock::new(|| year().into());

/// A verifier that has read everything before a request, for every request.
static BEFORE: LazyLock<Vec<Verifier>> = LazyLock::new(|| {
    let mut verifier = Verifier::new(&YEAR.ledger);
    let before = YEAR.requests.iter().enumerate().map(|(request, row)| {
        let before = verifier.clone();
        let events = YEAR.events[YEAR.events_of(request)].to_vec();
        verifier.page(LogPage { requests: vec![row.clone()], events }).unwrap();
        before
    });
    before.collect()
});

/// What a verifier finds on pages of any size.
fn found(rows: &Rows, verifier: &Verifier) -> Finding {
    let rows = rows.clone().sorted();
    let mut findings = [1, 7, 10_000].map(|limit| match rows.verify(verifier.clone(), limit) {
        Err(VerifyError::Found(finding)) => finding,
        other => panic!("nothing is found: {other:?}"),
    });
    let finding = findings[0].clone();
    findings.iter_mut().for_each(|other| assert_eq!(*other, finding, "the size of the pages matters"));
    finding
}

/// Tampers and checks what is found. What comes before is verified once; now and then all of it is verified.
fn check(tampering: Tampering, first_bad: u64, tamper: impl FnOnce(&mut Rows)) {
    let mut rows = YEAR.clone();
    tamper(&mut rows);
    let rows = rows.sorted();
    let start = YEAR.requests.partition_point(|row| row.first_sequence < first_bad).saturating_sub(2);
    let finding = match rows.verify(BEFORE[start].clone(), 10_000) {
        Err(VerifyError::Found(finding)) => finding,
        other => panic!("{tampering:?} of {first_bad} is not found: {other:?}"),
    };
    assert_eq!(finding.sequence, first_bad, "{tampering:?}: {finding}");
    assert!(tampering.allowed().contains(&finding.kind), "{tampering:?}: {finding}");
    if first_bad.is_multiple_of(16) {
        assert_eq!(found(&rows, &Verifier::new(&rows.ledger)), finding);
    }
}

/// One request with its events.
struct Bench {
    request: usize,
    rows: LogPage,
}

impl Bench {
    fn all() -> impl Iterator<Item = Self> {
        let rows = |request: usize| LogPage {
            requests: vec![YEAR.requests[request].clone()],
            events: YEAR.events[YEAR.events_of(request)].to_vec(),
        };
        (0..YEAR.requests.len()).map(move |request| Self { request, rows: rows(request) })
    }

    fn check(&self, tampering: Tampering, first_bad: std::ops::RangeInclusive<u64>, tamper: impl FnOnce(&mut LogPage)) {
        let mut page = self.rows.clone();
        tamper(&mut page);
        if let Some(next) = YEAR.requests.get(self.request + 1) {
            page.requests.push(next.clone());
            page.events.extend_from_slice(&YEAR.events[YEAR.events_of(self.request + 1)]);
        }
        let mut verifier = BEFORE[self.request].clone();
        let verified = verifier.page(page).and_then(|()| verifier.finish(YEAR.head).map(drop));
        let Err(VerifyError::Found(finding)) = verified else { panic!("{tampering:?} is not found: {verified:?}") };
        assert!(first_bad.contains(&finding.sequence), "{tampering:?} of {first_bad:?}: {finding}");
        assert!(tampering.allowed().contains(&finding.kind), "{tampering:?}: {finding}");
    }
}

/// Flips a bit of every byte of a field, every time another one; texts stay texts.
fn flips(bytes: &[u8], text: bool) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len()).map(move |at| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % if text { 7 } else { 8 });
        flipped
    })
}

fn texts(text: &str) -> impl Iterator<Item = String> {
    flips(text.as_bytes(), true).map(|bytes| String::from_utf8(bytes).unwrap()).collect::<Vec<_>>().into_iter()
}

macro_rules! numbers {
    ($number:expr, $type:ty) => {
        flips(&$number.to_be_bytes(), false).map(|bytes| <$type>::from_be_bytes(bytes.try_into().unwrap()))
    };
}

fn digests(digest: Digest) -> impl Iterator<Item = Digest> {
    flips(&digest.0, false).map(|bytes| Digest(bytes.try_into().unwrap())).collect::<Vec<_>>().into_iter()
}

#[test]
fn the_year_verifies_and_holds_every_type_of_event() {
    let year = &*YEAR;
    let verified = Verified { events: year.head.sequence, requests: year.requests.len() as u64, head: year.head };
    for limit in [1, 7, 10_000] {
        assert_eq!(year.verify(Verifier::new(&year.ledger).deep(), limit), Ok(verified));
    }
    let mut told = Vec::new();
    let store = now(verify(year, &year.ledger, Some((year.head.sequence, year.head.link)), |at| told.push(at)));
    assert_eq!(store, Ok(verified));
    assert_eq!(told.last(), Some(&year.head.sequence), "progress ends at the end");
    assert!((180..=320).contains(&verified.events), "{} events", verified.events);
    let types: BTreeSet<_> = year.events.iter().map(|event| event.type_name.as_str()).collect();
    assert_eq!(types, ledger_core::codec::TYPES.iter().copied().collect());
}

#[test]
fn every_byte_of_every_event_is_covered() {
    let field = Tampering::EventField;
    for bench in Bench::all() {
        for (place, row) in bench.rows.events.iter().enumerate() {
            let at = |tamper: &dyn Fn(&mut EventRow)| {
                bench.check(field, row.sequence..=row.sequence, |page| tamper(&mut page.events[place]));
            };
            texts(row.stream.as_str()).for_each(|name| at(&|row| row.stream = StreamName::from_stored(&name)));
            texts(&row.type_name).for_each(|name| at(&|row| row.type_name = name.as_str().into()));
            numbers!(row.version, u64).for_each(|version| at(&|row| row.version = version));
            numbers!(row.schema_version, u16).for_each(|version| at(&|row| row.schema_version = version));
            numbers!(row.index, u16).for_each(|index| at(&|row| row.index = index));
            at(&|row| row.effective = row.effective.succ_opt().unwrap());
            at(&|row| row.effective = row.effective.pred_opt().unwrap());
            flips(&row.payload, false).for_each(|payload| at(&|row| row.payload.clone_from(&payload)));
            at(&|row| row.payload.push(b' '));
            at(&|row| row.payload.truncate(row.payload.len() - 1));
            digests(row.digest).for_each(|digest| at(&|row| row.digest = digest));

            let first = bench.rows.requests[0].first_sequence;
            bench.check(Tampering::EventForged, first..=row.sequence, |page| {
                let amount = page.events[place].payload.iter_mut().find(|byte| byte.is_ascii_digit());
                amount.into_iter().for_each(|digit| *digit = if *digit == b'9' { b'1' } else { *digit + 1 });
                page.events[place].effective = row.effective.succ_opt().unwrap();
                page.events[place].digest = digest(&YEAR.ledger, &page.requests[0], &page.events[place]);
            });
        }
    }
}

#[test]
fn every_byte_of_every_request_is_covered() {
    for bench in Bench::all() {
        let row = bench.rows.requests[0].clone();
        let first = row.first_sequence;
        let at = |tampering: Tampering, tamper: &dyn Fn(&mut RequestRow)| {
            bench.check(tampering, first..=first, |page| tamper(&mut page.requests[0]));
        };
        texts(&row.key).for_each(|key| at(Tampering::RequestField, &|row| row.key = key.as_str().into()));
        texts(&row.actor).for_each(|actor| at(Tampering::RequestField, &|row| row.actor = actor.as_str().into()));
        digests(row.request_hash).for_each(|hash| at(Tampering::RequestField, &|row| row.request_hash = hash));
        digests(row.link).for_each(|link| at(Tampering::RequestLink, &|row| row.link = link));
        numbers!(row.recorded_at_us, i64).for_each(|us| at(Tampering::RequestTime, &|row| row.recorded_at_us = us));
    }
}

#[test]
fn a_request_of_another_size_or_place_is_found() {
    for (request, row) in YEAR.requests.iter().enumerate() {
        for size in numbers!(row.size, u16).chain([0, row.size + 1, row.size - 1, u16::MAX]) {
            check(Tampering::RequestSize, row.first_sequence, |rows| rows.requests[request].size = size);
        }
        for place in numbers!(row.first_sequence, u64).chain([row.first_sequence + 1, row.first_sequence - 1]) {
            let first_bad = if place == 0 { row.first_sequence } else { row.first_sequence.min(place) };
            check(Tampering::RequestSequence, first_bad, |rows| rows.requests[request].first_sequence = place);
        }
    }
}

#[test]
fn an_event_at_another_place_is_found() {
    for (event, row) in YEAR.events.iter().enumerate() {
        for place in numbers!(row.sequence, u64).chain([row.sequence + 1, row.sequence - 1, u64::MAX]) {
            let first_bad = if place == 0 { row.sequence } else { row.sequence.min(place) };
            check(Tampering::EventSequence, first_bad, |rows| rows.events[event].sequence = place);
        }
    }
}

#[test]
fn an_event_that_is_deleted_doubled_or_swapped_is_found() {
    for (event, row) in YEAR.events.iter().enumerate() {
        check(Tampering::EventDeleted, row.sequence, |rows| drop(rows.events.remove(event)));
        check(Tampering::EventDoubled, row.sequence, |rows| rows.events.insert(event, row.clone()));
        if event + 1 < YEAR.events.len() {
            check(Tampering::EventsSwapped, row.sequence, |rows| {
                rows.events[event].sequence += 1;
                rows.events[event + 1].sequence -= 1;
            });
        }
    }
}

#[test]
fn a_record_of_a_request_that_never_was_is_found_wherever_it_stands() {
    let end = YEAR.head.sequence;
    for place in (1..=end + 1).chain([end + 5_000, i64::MAX as u64, u64::MAX]) {
        for size in [1, 60_000] {
            check(Tampering::RequestForged, place.min(end + 1), |rows| {
                let key = "the-next-payment".into();
                rows.requests.push(RequestRow { key, first_sequence: place, size, ..YEAR.requests[0].clone() });
            });
        }
    }
}

#[test]
fn a_request_that_is_deleted_doubled_or_swapped_is_found() {
    let last = YEAR.requests.len() - 1;
    for (request, row) in YEAR.requests.iter().enumerate() {
        let (first, events) = (row.first_sequence, YEAR.events_of(request));
        check(Tampering::RequestDeleted, first, |rows| drop(rows.requests.remove(request)));
        check(Tampering::RequestDoubled, first, |rows| rows.requests.insert(request, row.clone()));
        check(Tampering::WholeRequestDeleted, first, |rows| {
            rows.requests.remove(request);
            rows.events.drain(events.clone());
        });
        check(Tampering::WholeRequestInserted, first, |rows| {
            // One that was there already: its digests fit wherever it stands.
            let other = (request + 5) % (last + 1);
            *rows = rows.in_order((0..request).chain([other]).chain(request..=last));
        });
        if request < last {
            check(Tampering::WholeRequestCut, first, |rows| {
                *rows = rows.in_order((0..=last).filter(|r| *r != request))
            });
            check(Tampering::RequestsSwapped, first, |rows| {
                let second = rows.requests[request + 1].first_sequence;
                rows.requests[request].first_sequence = second;
                rows.requests[request + 1].first_sequence = first;
            });
            check(Tampering::WholeRequestsSwapped, first, |rows| {
                *rows = rows.in_order((0..request).chain([request + 1, request]).chain(request + 2..=last));
            });
        }
    }
}

#[test]
fn a_log_that_ends_too_early_is_found() {
    for end in 0..YEAR.head.sequence {
        check(Tampering::Truncated, end + 1, |rows| {
            rows.events.retain(|row| row.sequence <= end);
            rows.requests.retain(|row| row.first_sequence <= end);
        });
    }
}

#[test]
fn a_head_that_is_not_the_logs_is_found() {
    let head = YEAR.head;
    for sequence in numbers!(head.sequence, u64).chain([0, head.sequence - 1, u64::MAX]) {
        let first_bad = if sequence < head.sequence { sequence + 1 } else { head.sequence + 1 };
        check(Tampering::HeadSequence, first_bad, |rows| rows.head.sequence = sequence);
    }
    for link in digests(head.link) {
        check(Tampering::HeadField, head.sequence, |rows| rows.head.link = link);
    }
    for us in numbers!(head.recorded_at_us, i64) {
        check(Tampering::HeadField, head.sequence, |rows| rows.head.recorded_at_us = us);
    }
}

#[test]
fn a_ledger_that_was_rolled_back_shows_only_to_a_head_that_was_kept_elsewhere() {
    let kept = Verifier::new(&YEAR.ledger).expecting(YEAR.head.sequence, YEAR.head.link);
    for requests in 0..YEAR.requests.len() {
        let mut rows = YEAR.in_order(0..requests);
        rows.relink();
        assert!(rows.verify(Verifier::new(&rows.ledger), 100).is_ok(), "nothing in the database tells");
        let finding = found(&rows, &kept);
        assert_eq!((finding.sequence, finding.kind), (rows.head.sequence + 1, Kind::RolledBack), "{finding}");
        assert_eq!(Tampering::RolledBack.allowed(), [Kind::RolledBack]);
    }
}

#[test]
fn a_history_that_was_rewritten_shows_only_to_a_head_that_was_kept_elsewhere() {
    let mut rows = YEAR.clone();
    rows.requests[3].actor = "mallory".into();
    rows.relink();
    assert!(rows.verify(Verifier::new(&rows.ledger).deep(), 100).is_ok(), "nothing in the database tells");
    for request in &YEAR.requests[3..] {
        let sequence = request.first_sequence + u64::from(request.size) - 1;
        let finding = found(&rows, &Verifier::new(&rows.ledger).expecting(sequence, request.link));
        assert_eq!((finding.sequence, finding.kind), (sequence, Kind::RolledBack), "{finding}");
    }
    let before = &YEAR.requests[2];
    let sequence = before.first_sequence + u64::from(before.size) - 1;
    assert!(rows.verify(Verifier::new(&rows.ledger).expecting(sequence, before.link), 100).is_ok());
}

#[test]
fn a_kept_head_that_names_no_end_of_a_request_is_not_on_the_chain() {
    let whole = YEAR.requests.iter().find(|row| row.size > 1).unwrap();
    for expected in [(whole.first_sequence, whole.link), (0, whole.link)] {
        let finding = found(&YEAR, &Verifier::new(&YEAR.ledger).expecting(expected.0, expected.1));
        assert_eq!((finding.sequence, finding.kind), (expected.0, Kind::RolledBack));
    }
    assert!(YEAR.verify(Verifier::new(&YEAR.ledger).expecting(0, Digest::ZERO), 100).is_ok());
}

/// It was called reordered, which is said of an event whose place another one has taken.
#[test]
fn an_event_that_is_made_to_say_another_place_in_its_request_is_found() {
    for bench in Bench::all() {
        for (place, row) in bench.rows.events.iter().enumerate() {
            bench.check(Tampering::EventForged, row.sequence..=row.sequence, |page| {
                page.events[place].index ^= 0x100;
                page.events[place].digest = digest(&YEAR.ledger, &page.requests[0], &page.events[place]);
            });
        }
    }
}

/// The doubled event was counted as two places of the log, and through small pages the next request was never read.
#[test]
fn no_row_is_passed_over_because_one_stands_twice() {
    for request in 0..YEAR.requests.len() - 1 {
        let mut rows = YEAR.clone();
        let (first, second) = (rows.requests[request].first_sequence, rows.requests[request + 1].first_sequence);
        let event = rows.events_of(request).start;
        rows.events.insert(event, YEAR.events[event].clone());
        (rows.requests[request].first_sequence, rows.requests[request + 1].first_sequence) = (second, first);
        found(&rows, &Verifier::new(&rows.ledger));
    }
}

/// Changes rows and makes every digest and link fit.
fn forged(forge: impl FnOnce(&mut Rows)) -> Rows {
    let mut rows = YEAR.clone();
    forge(&mut rows);
    rows.relink();
    rows
}

#[test]
fn an_event_in_a_stream_that_it_does_not_belong_to_is_found_whatever_its_digest_says() {
    for event in [0, 3, 40, 80, 150] {
        let (rows, sequence) =
            (forged(|rows| rows.events[event].stream = StreamName::from_stored("x")), event as u64 + 1);
        let finding = found(&rows, &Verifier::new(&rows.ledger));
        assert_eq!(finding.sequence, sequence, "{finding}");
        assert!([Kind::Altered, Kind::Missing].contains(&finding.kind), "{finding}");
    }
}

#[test]
fn bytes_that_no_encoder_writes_are_found_whatever_their_digest_says() {
    let rows = forged(|rows| rows.events[10].payload.insert(1, b' '));
    let finding = found(&rows, &Verifier::new(&rows.ledger));
    assert_eq!((finding.sequence, finding.kind), (11, Kind::Altered), "{finding}");
}

#[test]
fn a_time_that_runs_backwards_or_that_nobody_can_write_down_is_found_whatever_the_links_say() {
    for time in [YEAR.requests[9].recorded_at_us - 1, LAST_RECORDED_AT_US + 1, i64::MAX] {
        let rows = forged(|rows| rows.requests[10].recorded_at_us = time);
        let finding = found(&rows, &Verifier::new(&rows.ledger));
        let expected = (rows.requests[10].first_sequence, Kind::KeyRecordAltered);
        assert_eq!((finding.sequence, finding.kind), expected, "{finding}");
    }
}

#[test]
fn a_version_that_leaves_a_gap_or_comes_twice_is_found_whatever_the_links_say() {
    for (version, kind) in [(3, Kind::Missing), (1, Kind::Inserted), (0, Kind::Inserted)] {
        let rows = forged(|rows| {
            let second = rows.events.iter_mut().find(|event| event.version == 2).unwrap();
            second.version = version;
        });
        let sequence = YEAR.events.iter().find(|event| event.version == 2).unwrap().sequence;
        let finding = found(&rows, &Verifier::new(&rows.ledger));
        assert_eq!((finding.sequence, finding.kind), (sequence, kind), "{finding}");
    }
}

#[test]
fn what_a_newer_version_wrote_is_not_called_tampering() {
    let newer: [fn(&mut EventRow); 2] = [|row| row.type_name = "payout.split".into(), |row| row.schema_version = 2];
    for newer in newer {
        let rows = forged(|rows| newer(&mut rows.events[20]));
        match rows.verify(Verifier::new(&rows.ledger), 100) {
            Err(VerifyError::TooNew { sequence: 21, error }) => {
                assert!(matches!(error, DecodeError::UnknownType { .. } | DecodeError::UnknownVersion { .. }));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_payment_that_is_written_twice_fits_the_chain_but_not_the_history() {
    let paid = |row: &EventRow| row.type_name == "account.entries_paid";
    let rows = forged(|rows| {
        let place = rows.events.iter().position(paid).unwrap();
        let request = rows.requests.iter().position(|row| row.first_sequence > place as u64).unwrap() - 1;
        // The same request once more, at the end of the log and of its streams.
        let again = rows.requests.len();
        *rows = rows.in_order((0..again).chain([request]));
        rows.requests[again].key = "again".into();
        for event in rows.events_of(again) {
            let stream = rows.events[event].stream.clone();
            rows.events[event].version = rows.events.iter().filter(|row| row.stream == stream).count() as u64;
        }
        rows.requests[again].recorded_at_us = YEAR.head.recorded_at_us;
    });
    assert!(rows.verify(Verifier::new(&rows.ledger), 100).is_ok());
    let finding = found(&rows, &Verifier::new(&rows.ledger).deep());
    assert_eq!(finding.kind, Kind::Altered, "{finding}");
    assert!(finding.sequence > YEAR.head.sequence, "{finding}");
}

#[test]
fn what_is_written_while_it_is_verified_is_verified_as_well() {
    for seen in [0, 1, YEAR.requests[20].first_sequence - 1, YEAR.head.sequence] {
        let rows = YEAR.clone();
        let rows = Rows { seen: std::sync::Arc::new(seen.into()), ..rows };
        let verified = now(verify(&rows, &rows.ledger, None, |_| ()));
        assert_eq!(verified.map(|verified| verified.head), Ok(YEAR.head), "{seen} were there at first");
    }
}

#[test]
fn a_row_that_the_store_cannot_read_is_altered_and_a_store_that_cannot_be_read_is_not() {
    let answer = |error: StoreError| {
        let rows = Rows { error: Some(error), ..YEAR.clone() };
        now(verify(&rows, &rows.ledger, None, |_| ())).unwrap_err()
    };
    let damaged = StoreError::Corrupt { sequence: 7, what: "the digest has 31 bytes".into() };
    let finding = Finding { sequence: 7, kind: Kind::Altered, what: "the digest has 31 bytes".into() };
    assert_eq!(answer(damaged), VerifyError::Found(finding));
    let away = StoreError::Unavailable("away".into());
    assert_eq!(answer(away.clone()), VerifyError::Store(away));
}

#[test]
fn another_ledgers_rows_do_not_pass_for_this_ones() {
    let finding = found(&YEAR, &Verifier::new(&"other".parse().unwrap()));
    assert_eq!((finding.sequence, finding.kind), (1, Kind::Altered));
}

#[test]
fn an_empty_ledger_verifies() {
    let empty = YEAR.in_order([]);
    let finding = found(&empty, &Verifier::new(&empty.ledger));
    assert_eq!((finding.sequence, finding.kind), (1, Kind::Missing));
    let empty = Rows { head: ledger_core::store::Head::default(), ..empty };
    assert_eq!(empty.verify(Verifier::new(&empty.ledger), 1).map(|verified| verified.events), Ok(0));
}
