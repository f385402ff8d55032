//! The limits that are part of the contract, in one place.

/// The longest name of a payee, plan, deal or the like, in bytes.
pub const NAME_BYTES: usize = 64;
/// The longest idempotency key, in bytes.
pub const KEY_BYTES: usize = 128;
/// The longest free text, in bytes.
pub const TEXT_BYTES: usize = 500;
/// The most events that one request may become.
pub const EVENTS_PER_REQUEST: usize = 1_000;
/// The largest stored payload of one event, in bytes.
pub const PAYLOAD_BYTES: usize = 64 * 1024;
/// The most events that one page of a read holds, a single larger request aside.
pub const PAGE_EVENTS: usize = 1_000;
/// The most entries that one claim event names; a larger claim is several events of one request.
pub const ENTRIES_PER_CLAIM: usize = 1_000;
/// The most payees that share one side of a deal. The calculation of so many fits the largest payload as long as their plans are
/// plain; one with more lines than fit is refused.
pub const PAYEES_PER_DEAL: usize = 50;
/// The most payouts that one bulk approval names.
pub const PAYOUTS_PER_BULK: usize = 500;
/// The last instant at which something is recorded, the end of the year 9999, in microseconds since 1970-01-01 UTC.
pub const LAST_RECORDED_AT_US: i64 = 253_402_300_799_999_999;
/// The most requests that wait in a ledger's queue.
pub const QUEUE_REQUESTS: usize = 10_000;
/// The most requests that one append takes.
pub const GROUP_REQUESTS: usize = 500;
/// A group that has so many events takes no further request in.
pub const GROUP_EVENTS: usize = 5_000;
/// How often a request is decided and sent before its caller hears of it.
pub const COMMIT_ATTEMPTS: u32 = 10;
/// The most folded streams that are kept between requests.
pub const CACHED_STREAMS: usize = 20_000;
/// A stream is kept as a snapshot when its version reaches a multiple of this, at every one until it is long. Shorter streams are one page.
pub const SNAPSHOT_EVERY: u64 = 1_000;
/// The most touches that one deal is attributed by.
pub const TOUCHES_PER_DEAL: usize = 100_000;
/// The most milestones that one touch names.
pub const MILESTONES_PER_TOUCH: usize = 100;
/// The most entries that the deals of one case of attribution come to.
pub const ENTRIES_PER_CASE: usize = 100_000;
/// The most entries of one sale that stand, so that it can still be taken back, and be credited anew, as one request.
pub const ENTRIES_PER_SALE: usize = 250;
/// The most rules, overrides, milestones, roles or classes that one document lists.
pub const RULES_PER_PLAN: usize = 1_000;
/// The most months that a rate plan has a customer earn, a hundred years; longer is for ever, which a plan says by leaving it out.
pub const MONTHS_PER_PLAN: u32 = 1_200;
