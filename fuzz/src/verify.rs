use ledger_core::verify::{Kind, Tampering, Verified, Verifier, VerifyError};

use crate::rows::{HONEST, ReadOnly, Rows, now};
use crate::tape::Tape;

/// Whatever is done to the rows is found, at the same record through pages of any size; what is done alone is found at the
/// first record that it made bad, as a kind that the table of FORMAT.md allows for it. What was changed by nobody verifies.
///
/// Input: how often something is done, then what; see [`Rows::tamper`].
pub fn verify(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let honest = &*HONEST;
    let (times, limit) = (tape.below(4), 1 + tape.below(20));
    let mut rows = honest.clone();
    let done: Vec<_> = (0..times).filter_map(|_| rows.tamper(&mut tape)).collect();
    let rows = rows.read();

    let rolled_back = done.iter().any(|(tampering, _)| *tampering == Tampering::RolledBack);
    let mut verifier = Verifier::new(&honest.ledger);
    if rolled_back {
        // Nothing in the rows can tell: this takes a head that was kept elsewhere.
        verifier = verifier.expecting(honest.head.sequence, honest.head.link);
    }
    let (fits, answer) = through_pages(&rows, verifier.clone(), limit as u64);
    let whole = now(verifier.run(&ReadOnly::new(&rows), |_| ()));
    if done.len() < 2 {
        assert_eq!(whole, answer, "the size of the pages matters after {done:?}");
    } else {
        // What explains a bad record is looked for around it, where other changes may be in the way.
        let place = |answer: &Result<Verified, VerifyError>| match answer {
            Err(VerifyError::Found(finding)) => Err(finding.sequence),
            other => Ok(other.clone()),
        };
        assert_eq!(place(&whole), place(&answer), "the size of the pages matters after {done:?}");
    }
    if rows == *honest {
        let Ok(Verified { events, head, .. }) = answer else { panic!("nothing was done and {answer:?} is found") };
        return assert_eq!((events, head), (honest.head.sequence, honest.head));
    }
    let finding = match answer {
        Err(VerifyError::Found(finding)) => finding,
        other => panic!("{done:?} is not found: {other:?}"),
    };
    if let [(tampering, first_bad)] = &done[..] {
        assert!(tampering.allowed().contains(&finding.kind), "{tampering:?} at {first_bad:?}: {finding}");
        assert!(first_bad.contains(&finding.sequence), "{tampering:?} at {first_bad:?}: {finding}");
    }
    assert!(rolled_back || finding.kind != Kind::RolledBack || rows.head != honest.head, "{done:?}: {finding}");
    // A second one of something is found where the first one stands, which fits.
    let fits = fits.min(finding.sequence.saturating_sub(1));
    let requests = |rows: &Rows| {
        rows.requests.iter().filter(|row| (1..=fits).contains(&row.first_sequence)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(requests(&rows), requests(honest), "{done:?}: {finding}, and a request before it was changed");
    let events =
        |rows: &Rows| rows.events.iter().filter(|row| (1..=fits).contains(&row.sequence)).cloned().collect::<Vec<_>>();
    assert_eq!(events(&rows), events(honest), "{done:?}: {finding}, and an event before it was changed");
}

/// How far the rows fit, and what is found then.
fn through_pages(rows: &Rows, mut verifier: Verifier, limit: u64) -> (u64, Result<Verified, VerifyError>) {
    loop {
        let page = rows.page(verifier.read(), limit);
        if page.requests.is_empty() && page.events.is_empty() {
            return (verifier.sequence(), verifier.finish(rows.head));
        }
        if let Err(error) = verifier.page(page) {
            return (verifier.sequence(), Err(error));
        }
    }
}
