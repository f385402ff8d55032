//! The feed leaves nothing out, repeats nothing, and reads on no other history.

use ledger_core::engine::feed::Feed;
use ledger_core::engine::feed::FeedError;
use ledger_core::engine::tokio::TokioEnv;
use ledger_core::projection::Checkpoint;
use ledger_core::recorded::Recorded;

use crate::faulty::FaultyStore;
use crate::{deal, log, open, ready, story};

#[tokio::test]
async fn pages_of_any_size_from_any_checkpoint_give_every_event_once() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    story(&ledger, 10).await;
    let all = log(&ledger).await;
    let mut places = vec![Checkpoint::default()];
    for page in [0, 1, 2, 3, 4, 5, 7, 11, 1_000, usize::MAX] {
        let mut feed = Feed::new(&*store, ledger.name(), Checkpoint::default(), page);
        let mut told = Vec::new();
        while let Some(batch) = feed.next().await.unwrap() {
            told.extend(batch.events.into_iter().map(Result::unwrap));
            let last: &Recorded = told.last().unwrap();
            assert_eq!(batch.end, Checkpoint { sequence: last.request.last_sequence, link: last.request.link });
            assert_eq!((batch.end, last.sequence), (feed.position(), feed.position().sequence));
            places.push(batch.end);
        }
        assert_eq!(told, all, "pages of {page}");
    }
    for place in places {
        let mut feed = Feed::new(&*store, ledger.name(), place, 3);
        let mut told = Vec::new();
        while let Some(batch) = feed.next().await.unwrap() {
            told.extend(batch.events.into_iter().map(Result::unwrap));
        }
        assert_eq!(told, all[usize::try_from(place.sequence).unwrap()..]);
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_history_is_refused() {
    let (ours, theirs) = (FaultyStore::new(&[]), FaultyStore::new(&[]));
    let (ledger, other) = (ready(&ours).await, ready(&theirs).await);
    for number in 0..6 {
        ledger.execute(deal(number)).await.unwrap();
    }
    let mut places = Vec::new();
    let mut feed = Feed::new(&*ours, ledger.name(), Checkpoint::default(), 1);
    while let Some(batch) = feed.next().await.unwrap() {
        places.push(batch.end);
    }
    // Shorter, as long, and longer than what the checkpoint is of; the first four requests are the same.
    for number in 10..20 {
        for place in &places[4..] {
            let mut feed = Feed::new(&*theirs, other.name(), *place, 3);
            let refused = feed.next().await;
            assert_eq!(refused, Err(FeedError::OtherHistory { sequence: place.sequence }), "before deal {number}");
            assert_eq!(feed.position(), *place, "a feed that refuses stays where it was");
        }
        assert!(Feed::new(&*theirs, other.name(), places[1], 3).next().await.is_ok());
        other.execute(deal(number)).await.unwrap();
    }
}

#[tokio::test]
async fn a_feed_at_the_head_waits_for_what_comes() {
    let store = FaultyStore::new(&[]);
    let ledger = ready(&store).await;
    let mut feed = ledger.feed(Checkpoint::default());
    while feed.next().await.unwrap().is_some() {}
    let (env, writer) = (TokioEnv::current(), open(&store));
    let (batch, receipt) = tokio::join!(feed.wait(&env), async {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        writer.execute(deal(1)).await.unwrap()
    });
    let events: Vec<_> = batch.unwrap().events.into_iter().map(Result::unwrap).collect();
    assert_eq!(events, receipt.events);
    assert_eq!(feed.next().await, Ok(None));
}
