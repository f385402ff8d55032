//! Any value of the domain, also those that no decision makes.

use ledger_core::account::{self, Because, Contra, Source};
use ledger_core::attribution::{Attribution, Credit, Weight};
use ledger_core::calendar::{CapYear, CapYearRule, Date, LeapDay, Zone};
use ledger_core::cap::{self, Counts};
use ledger_core::chain::Digest;
use ledger_core::command::Command;
use ledger_core::deal::{self, Basis, Completion, Earned, Line, PlanInForce, SideLines};
use ledger_core::event::Event;
use ledger_core::id::{BulkId, EntryId, PayoutId, Text};
use ledger_core::money::{Currency, Money};
use ledger_core::payee::{self, Assignment};
use ledger_core::payout::{self, BulkOutcome, Payment, Resolution, Skipped, Status};
use ledger_core::rate::{Rate, Rounding};
use ledger_core::settings::{self, Capability};
use ledger_core::waterfall::{
    Account, Adjustment, Attained, Attainment, Base, Bonus, Cap, CapOf, Capped, Charged, Contribution, Crossing,
    Deficit, Document, Fee, FeeAmount, FeeOnCrossing, FeeTo, Gci, Kind, Mentee, Mode, OffTop, Override, OwnCap, Owner,
    Party, Per, PoolTerms, Progress, Proration, Quantity, ReferralIn, Royalty, RoyaltyBasis, Sharer, Shares, Side,
    SideKind, Split, Step, SubCap, Threshold, Tier, Tiered, Tiers, Timing, When,
};
use ledger_core::{attainment, plan};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::any_sale;

pub fn name<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[a-zA-Z0-9][a-zA-Z0-9._:@+#-]{0,20}".prop_map(|text| text.parse().unwrap())
}

pub fn text() -> impl Strategy<Value = Text> {
    "[ -~äß€😀\"\\\\/]{0,40}x".prop_map(|text| Text::new(&text).unwrap())
}

pub fn date() -> impl Strategy<Value = Date> {
    (-25_000..2_900_000_i32).prop_map(|days| Date::from_epoch_days(days).unwrap())
}

pub fn currency() -> impl Strategy<Value = Currency> {
    select(vec!["USD", "JPY", "KWD", "CLF", "EUR"]).prop_map(|code| Currency::of(code).unwrap())
}

pub fn money() -> impl Strategy<Value = Money> {
    (prop_oneof![-i64::MAX..=i64::MAX, -100_000..100_000_i64], currency())
        .prop_map(|(minor, currency)| Money::new(minor, currency).unwrap())
}

pub fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![0..=i64::MAX, 0..=Rate::SCALE].prop_map(|units| Rate::from_decimal(Decimal::new(units, 12)).unwrap())
}

pub fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn payout_id() -> impl Strategy<Value = PayoutId> {
    uuid().prop_map(PayoutId::from_uuid)
}

pub fn entry_id() -> impl Strategy<Value = EntryId> {
    uuid().prop_map(EntryId::from_uuid)
}

fn capability() -> impl Strategy<Value = Capability> {
    use Capability::{ForeignCurrencies, ManualAmounts, ManualPayments, OpeningBalances, RailPayments};
    select(vec![RailPayments, ManualPayments, ManualAmounts, OpeningBalances, ForeignCurrencies])
}

pub fn zone() -> impl Strategy<Value = Zone> {
    select(vec!["UTC", "America/New_York", "Asia/Kathmandu"]).prop_map(|zone| Zone::of(zone).unwrap())
}

fn assignment() -> impl Strategy<Value = Assignment> {
    (name(), any::<u32>(), date(), of(date())).prop_map(|(plan, version, from, until)| Assignment {
        plan,
        version,
        from,
        until,
    })
}

fn shares() -> impl Strategy<Value = Shares> {
    (rate(), rate()).prop_map(|(payee, company)| Shares { payee, company })
}

fn year_rule() -> impl Strategy<Value = CapYearRule> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(month, day)| CapYearRule::Calendar { month, day }),
        select(vec![LeapDay::Clamp, LeapDay::March1]).prop_map(|leap_day| CapYearRule::Anniversary { leap_day }),
        select(vec![CapYearRule::FirstOfJoinMonth {}, CapYearRule::FirstOfNextMonth {}]),
    ]
}

/// One of the values, most often the first, which is the default where there is one.
pub fn one_of<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop_oneof![Just(values[0].clone()), select(values.to_vec())]
}

/// Often the whole, which is the default of portions.
fn portion() -> impl Strategy<Value = Rate> {
    prop_oneof![Just(Rate::ONE), rate()]
}

fn proration() -> impl Strategy<Value = Proration> {
    one_of(&[Proration::None, Proration::Months, Proration::Days])
}

fn split() -> BoxedStrategy<Split> {
    fn tiers<F: Clone + std::fmt::Debug>(from: impl Strategy<Value = F>) -> impl Strategy<Value = Vec<Tier<F>>> {
        vec((from, shares()).prop_map(|(from, Shares { payee, company })| Tier { from, payee, company }), 0..3)
    }
    let tiers = prop_oneof![
        tiers(money()).prop_map(Tiers::CompanyDollar),
        tiers(money()).prop_map(Tiers::Revenue),
        tiers(any::<u64>()).prop_map(Tiers::Units),
        (money(), tiers(rate())).prop_map(|(quota, tiers)| Tiers::Attainment { quota, tiers }),
    ];
    let mode = one_of(&[Mode::Marginal, Mode::Retroactive, Mode::AboveQuota]);
    let tiered = (tiers, mode, one_of(&[Per::Year, Per::Deal]), of(money()));
    let tiered = tiered.prop_map(|(tiers, mode, per, minimum)| Split::Tiered(Tiered { tiers, mode, per, minimum }));
    prop_oneof![shares().prop_map(Split::Flat), tiered].boxed()
}

fn capped() -> BoxedStrategy<Capped> {
    let whose = prop_oneof![Just(CapOf::Payee), name().prop_map(CapOf::Pool)];
    let cap = (name(), whose, money(), portion(), year_rule(), proration()).prop_map(
        |(programme, of, limit, portion, year, proration)| Cap { programme, of, limit, portion, year, proration },
    );
    let all = Just(Shares { payee: Rate::ONE, company: Rate::ZERO });
    (
        vec(cap, 0..3),
        prop_oneof![all, shares()],
        one_of(&[Crossing::SplitWithinDeal, Crossing::WholeDealPreCap]),
        one_of(&[FeeOnCrossing::No, FeeOnCrossing::Yes]),
    )
        .prop_map(|(caps, post_cap, crossing, fee_on_crossing)| Capped { caps, post_cap, crossing, fee_on_crossing })
        .boxed()
}

fn own_cap() -> impl Strategy<Value = OwnCap> {
    (name(), money(), portion(), year_rule(), proration())
        .prop_map(|(programme, limit, portion, year, proration)| OwnCap { programme, limit, portion, year, proration })
}

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![money().prop_map(Quantity::Flat), rate().prop_map(Quantity::Rate)]
}

fn base() -> impl Strategy<Value = Base> {
    one_of(&[Base::Part, Base::Gci, Base::CompanyDollar, Base::PayeeShare])
}

fn fee_amount() -> impl Strategy<Value = FeeAmount> {
    prop_oneof![
        money().prop_map(FeeAmount::Flat),
        rate().prop_map(FeeAmount::Rate),
        (money(), rate()).prop_map(|(flat, rate)| FeeAmount::LesserOf { flat, rate }),
    ]
}

fn fee() -> BoxedStrategy<Fee> {
    let sub_cap = (own_cap(), of(fee_amount())).prop_map(|(cap, then)| {
        let OwnCap { programme, limit, portion, year, proration } = cap;
        SubCap { programme, limit, portion, year, proration, then }
    });
    (
        (text(), select(vec![Timing::Always, Timing::PreCap, Timing::PostCap]), fee_amount(), base()),
        one_of(&[Charged::Deal, Charged::Side]),
        prop_oneof![Just(FeeTo::Company), name().prop_map(FeeTo::Payee)],
        of(sub_cap),
    )
        .prop_map(|((name, timing, amount, of), per, to, sub_cap)| Fee { name, timing, amount, of, per, to, sub_cap })
        .boxed()
}

fn bonus() -> BoxedStrategy<Bonus> {
    let threshold = prop_oneof![
        any::<u64>().prop_map(Threshold::Units),
        money().prop_map(Threshold::Revenue),
        money().prop_map(Threshold::CompanyDollar),
    ];
    let when = prop_oneof![Just(When::EachDeal), threshold.prop_map(When::Reaches)];
    (text(), when, quantity()).prop_map(|(name, when, amount)| Bonus { name, when, amount }).boxed()
}

fn document() -> BoxedStrategy<Box<Document>> {
    let usual = [
        Step::Concession,
        Step::ReferralOut,
        Step::Royalty,
        Step::Allocation,
        Step::Split,
        Step::Fees,
        Step::Mentee,
        Step::Bonuses,
        Step::Overrides,
        Step::Adjustments,
    ];
    let mut other = usual.to_vec();
    other.swap(5, 8);
    let order = one_of(&[usual.to_vec(), other, vec![Step::Split]]);
    let attainment = (name(), year_rule()).prop_map(|(programme, year)| Attainment { programme, year });
    let royalty = (rate(), one_of(&[RoyaltyBasis::OffTop, RoyaltyBasis::Gross]), of(own_cap()))
        .prop_map(|(rate, basis, cap)| Royalty { rate, basis, cap });
    let mentee = (rate(), rate()).prop_map(|(company, mentor)| Mentee { company, mentor });
    let paid = (text(), name(), rate(), base()).prop_map(|(name, to, rate, of)| Override { name, to, rate, of });
    let head = (
        currency(),
        one_of(&[Rounding::HalfAwayFromZero, Rounding::HalfEven]),
        prop_oneof![Just(Zone::of("UTC").unwrap()), zone()],
        order,
        split(),
        of(attainment),
        of(capped()),
        of(royalty),
    );
    let rest = (
        one_of(&[ReferralIn::Company, ReferralIn::Shared]),
        vec(fee(), 0..3),
        of(mentee),
        vec(bonus(), 0..2),
        vec(paid, 0..2),
        one_of(&[Deficit::Refuse, Deficit::Receivable]),
    );
    (head, rest)
        .prop_map(
            |(
                (currency, rounding, zone, order, split, attainment, cap, royalty),
                (referral_in, fees, mentee, bonuses, overrides, deficit),
            )| {
                Box::new(Document {
                    currency,
                    rounding,
                    zone,
                    order,
                    split,
                    attainment,
                    cap,
                    royalty,
                    referral_in,
                    fees,
                    mentee,
                    bonuses,
                    overrides,
                    deficit,
                })
            },
        )
        .boxed()
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![
        select(vec![Party::Company, Party::Client, Party::Franchise]),
        name().prop_map(Party::Payee),
        name().prop_map(Party::Referrer),
    ]
}

fn side_kind() -> impl Strategy<Value = SideKind> {
    one_of(&[SideKind::Sole, SideKind::Listing, SideKind::Buying])
}

fn side() -> BoxedStrategy<Side> {
    let off_top = prop_oneof![
        quantity().prop_map(OffTop::Concession),
        (name(), quantity()).prop_map(|(to, amount)| OffTop::ReferralOut { to, amount }),
    ];
    let sharer = (name(), of(rate()), of(name())).prop_map(|(payee, weight, mentor)| Sharer { payee, weight, mentor });
    let adjustment = (party(), party(), money(), text(), name())
        .prop_map(|(from, to, amount, reason, actor)| Adjustment { from, to, amount, reason, actor });
    (
        side_kind(),
        gci(),
        of(money()),
        prop_oneof![Just(1), any::<u32>()],
        vec(off_top, 0..3),
        vec(sharer, 0..3),
        vec(adjustment, 0..2),
    )
        .prop_map(|(side, gci, referral_in, units, off_top, payees, adjustments)| Side {
            side,
            gci,
            referral_in,
            units,
            off_top,
            payees,
            adjustments,
        })
        .boxed()
}

fn basis() -> impl Strategy<Value = Basis> {
    prop_oneof![
        gci().prop_map(|gci| Basis::from(&gci)),
        vec(side(), 0..3).prop_map(Basis::Sides),
        any_sale::sale().prop_map(Basis::Sale),
    ]
}

fn gci() -> impl Strategy<Value = Gci> {
    prop_oneof![money().prop_map(Gci::Amount), (money(), rate()).prop_map(|(price, rate)| Gci::OfPrice { price, rate }),]
}

fn attribution() -> impl Strategy<Value = Attribution> {
    let weight = (name(), rate()).prop_map(|(payee, weight)| Weight { payee, weight });
    prop_oneof![vec(name(), 0..4).prop_map(Attribution::Equal), vec(weight, 0..4).prop_map(Attribution::Custom)]
}

fn cap_account() -> impl Strategy<Value = Account> {
    let of = prop_oneof![name().prop_map(Owner::Payee), name().prop_map(Owner::Pool)];
    (name(), of, date(), date()).prop_map(|(programme, of, start, end)| Account {
        programme,
        of,
        year: CapYear { start, end },
    })
}

fn attained() -> impl Strategy<Value = Attained> {
    (any::<u64>(), money(), money(), money()).prop_map(|(units, revenue, accrued, company_dollar)| Attained {
        units,
        revenue,
        accrued,
        company_dollar,
    })
}

fn side_lines() -> BoxedStrategy<SideLines> {
    let kinds = vec![
        Kind::Concession,
        Kind::ReferralOut,
        Kind::Royalty,
        Kind::ReferralIn,
        Kind::CompanyDollar,
        Kind::PostCapCompany,
        Kind::Share,
        Kind::Fee,
        Kind::Mentee,
        Kind::Bonus,
        Kind::Override,
        Kind::Adjustment,
    ];
    let line = (of(name()), party(), select(kinds), of(text()), money())
        .prop_map(|(of, party, kind, name, amount)| Line { of, party, kind, name, amount });
    (side_kind(), money(), money(), vec(line, 0..4))
        .prop_map(|(side, gci, net, lines)| SideLines { side, gci, net, lines })
        .boxed()
}

fn completion() -> BoxedStrategy<Completion> {
    let plan = (name(), name(), any::<u32>(), digest()).prop_map(|(payee, plan, version, plan_hash)| PlanInForce {
        payee,
        plan,
        version,
        plan_hash,
    });
    let cap = (cap_account(), money(), money(), money()).prop_map(|(account, limit, before, after)| Contribution {
        account,
        limit,
        before,
        after,
    });
    let bonuses = || vec(text(), 0..2);
    let attainment = (cap_account(), attained(), attained(), bonuses(), bonuses(), bonuses()).prop_map(
        |(account, before, after, paid, taken_back, pays)| Progress { account, before, after, paid, taken_back, pays },
    );
    let earned = (name(), of(entry_id()), money()).prop_map(|(payee, entry, amount)| Earned { payee, entry, amount });
    let counted = (vec(cap, 0..2), vec(attainment, 0..2), vec(earned, 0..3));
    (name(), date(), money(), vec(side_lines(), 0..3), vec(plan, 0..3), counted)
        .prop_map(|(deal, completed_on, gci, sides, plans, (caps, attainments, entries))| Completion {
            deal,
            completed_on,
            gci,
            sides,
            plans,
            caps,
            attainments,
            entries,
        })
        .boxed()
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        name().prop_map(|deal| Source::Commission { deal }),
        (name(), entry_id()).prop_map(|(deal, of)| Source::Clawback { deal, of }),
        text().prop_map(|reason| Source::Adjustment { reason, contra: Contra::Company }),
    ]
}

fn payment() -> impl Strategy<Value = Payment> {
    prop_oneof![
        any::<u32>().prop_map(|attempt| Payment::Rail { attempt }),
        (name(), name(), name()).prop_map(|(method, reference, account)| Payment::Manual {
            method,
            reference,
            account
        }),
    ]
}

/// Any event, each type as often as the others.
pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        settings_event().prop_map(Event::Settings),
        payee_event().prop_map(Event::Payee),
        (name(), any::<u32>(), digest(), document()).prop_map(|(plan, version, hash, document)| {
            Event::Plan(plan::Event::Published { plan, version, hash, document })
        }),
        deal_event().prop_map(Event::Deal),
        cap_event().prop_map(Event::Cap),
        attainment_event().prop_map(Event::Attainment),
        account_event().prop_map(Event::Account),
        payout_event().prop_map(Event::Payout),
        any_sale::event(),
    ]
}

fn settings_event() -> impl Strategy<Value = settings::Event> {
    use settings::Event::{Opened, SwitchedOff, SwitchedOn};
    prop_oneof![
        (currency(), zone(), vec(capability(), 0..4)).prop_map(|(base_currency, zone, capabilities)| Opened {
            base_currency,
            zone,
            capabilities
        }),
        capability().prop_map(|capability| SwitchedOn { capability }),
        capability().prop_map(|capability| SwitchedOff { capability }),
    ]
}

fn payee_event() -> impl Strategy<Value = payee::Event> {
    use payee::Event::{Assigned, AssignmentEnded, Enrolled};
    prop_oneof![
        (name(), text(), of(date())).prop_map(|(payee, name, joined_on)| Enrolled { payee, name, joined_on }),
        (name(), assignment()).prop_map(|(payee, assignment)| Assigned { payee, assignment }),
        (name(), date()).prop_map(|(payee, until)| AssignmentEnded { payee, until }),
    ]
}

fn deal_event() -> BoxedStrategy<deal::Event> {
    use deal::Event::{Attributed, Completed, Registered, Reversed};
    let credit = (name(), money()).prop_map(|(payee, amount)| Credit { payee, amount });
    prop_oneof![
        (name(), basis(), money()).prop_map(|(deal, basis, gci)| Registered { deal, basis, gci }),
        (name(), attribution(), vec(credit, 0..4)).prop_map(|(deal, attribution, credits)| Attributed {
            deal,
            attribution,
            credits
        }),
        completion().prop_map(Completed),
        (name(), text(), vec(side_lines(), 0..3)).prop_map(|(deal, reason, sides)| Reversed { deal, reason, sides }),
    ]
    .boxed()
}

fn attainment_event() -> BoxedStrategy<attainment::Event> {
    use attainment::Event::{Counted, OpeningSet, Reversed};
    prop_oneof![
        (cap_account(), attained(), text()).prop_map(|(account, attained, reason)| {
            let Attained { units, revenue, accrued, company_dollar } = attained;
            OpeningSet { account, units, revenue, accrued, company_dollar, reason }
        }),
        (cap_account(), name(), attained(), vec(text(), 0..2)).prop_map(|(account, deal, attained, bonuses)| {
            let Attained { units, revenue, accrued, company_dollar } = attained;
            Counted { account, deal, units, revenue, accrued, company_dollar, bonuses }
        }),
        (cap_account(), name(), attained(), vec(text(), 0..2)).prop_map(|(account, deal, attained, bonuses)| {
            let Attained { units, revenue, accrued, company_dollar } = attained;
            Reversed { account, deal, units, revenue, accrued, company_dollar, bonuses }
        }),
    ]
    .boxed()
}

fn pool_terms() -> impl Strategy<Value = PoolTerms> {
    let rounding = one_of(&[Rounding::HalfAwayFromZero, Rounding::HalfEven]);
    let crossing = one_of(&[Crossing::SplitWithinDeal, Crossing::WholeDealPreCap]);
    (money(), rate(), rounding, crossing).prop_map(|(limit, portion, rounding, crossing)| PoolTerms {
        limit,
        portion,
        rounding,
        crossing,
    })
}

fn cap_event() -> impl Strategy<Value = cap::Event> {
    use cap::Event::{Contributed, OpeningBalanceSet, PoolOpened, ProgrammeOpened, Reached, Reversed};
    prop_oneof![
        (name(), currency(), year_rule(), select(vec![Counts::Cap, Counts::Pool, Counts::Attainment]))
            .prop_map(|(programme, currency, year, counts)| ProgrammeOpened { programme, currency, year, counts }),
        (name(), name(), pool_terms()).prop_map(|(programme, pool, terms)| PoolOpened { programme, pool, terms }),
        (cap_account(), money(), money(), text()).prop_map(|(account, amount, limit, reason)| OpeningBalanceSet {
            account,
            amount,
            limit,
            reason
        }),
        (cap_account(), name(), money(), money()).prop_map(|(account, deal, amount, limit)| Contributed {
            account,
            deal,
            amount,
            limit
        }),
        (cap_account(), name(), money()).prop_map(|(account, deal, limit)| Reached { account, deal, limit }),
        (cap_account(), name(), money()).prop_map(|(account, deal, amount)| Reversed { account, deal, amount }),
    ]
}

fn account_event() -> impl Strategy<Value = account::Event> {
    use account::Event::{EntriesClaimed, EntriesPaid, EntriesReleased, EntryBooked, EntryReversed};
    prop_oneof![
        (name(), entry_id(), source(), money(), date()).prop_map(|(payee, entry, source, amount, earned_on)| {
            EntryBooked { payee, entry, source, amount, earned_on }
        }),
        (name(), entry_id(), because(), money()).prop_map(|(payee, entry, because, amount)| EntryReversed {
            payee,
            entry,
            because,
            amount
        }),
        (name(), payout_id(), vec(entry_id(), 0..4), money())
            .prop_map(|(payee, payout, entries, amount)| EntriesClaimed { payee, payout, entries, amount }),
        (name(), payout_id(), any::<u32>(), money()).prop_map(|(payee, payout, count, amount)| EntriesReleased {
            payee,
            payout,
            count,
            amount
        }),
        (name(), payout_id(), any::<u32>(), money()).prop_map(|(payee, payout, count, amount)| EntriesPaid {
            payee,
            payout,
            count,
            amount
        }),
    ]
}

fn because() -> impl Strategy<Value = Because> {
    prop_oneof![name().prop_map(Because::Deal), payout_id().prop_map(Because::Payout)]
}

fn resolution() -> impl Strategy<Value = Resolution> {
    select(vec![Resolution::Accept, Resolution::Dismiss])
}

fn payout_event() -> impl Strategy<Value = payout::Event> {
    use payout::Event::{
        Approved, BulkApproved, Created, Failed, LatePaymentReported, LatePaymentResolved, Paid, ReferenceTaken,
        Rejected, Started, Submitted, Voided,
    };
    let rail_key = "[ -~]{0,30}".prop_map(|key| serde_json::from_value(key.into()).unwrap());
    let skipped = prop_oneof![
        select(vec![Skipped::Unknown, Skipped::MakerIsApprover, Skipped::PayeeIsApprover]),
        select(Status::ALL.to_vec()).prop_map(Skipped::NotPending),
    ];
    let outcome = (payout_id(), of(skipped)).prop_map(|(payout, skipped)| BulkOutcome { payout, skipped });
    prop_oneof![
        (payout_id(), name(), money(), any::<u32>(), name(), of(name()), of(text()), of(entry_id())).prop_map(
            |(payout, payee, amount, entries, by, period, notes, adjustment)| Created {
                payout,
                payee,
                amount,
                entries,
                by,
                period,
                notes,
                adjustment
            }
        ),
        payout_id().prop_map(|payout| Submitted { payout }),
        (payout_id(), name(), money()).prop_map(|(payout, by, amount)| Approved { payout, by, amount }),
        (payout_id(), name(), text()).prop_map(|(payout, by, reason)| Rejected { payout, by, reason }),
        (payout_id(), any::<u32>(), rail_key).prop_map(|(payout, attempt, rail_key)| Started {
            payout,
            attempt,
            rail_key
        }),
        (payout_id(), money(), payment()).prop_map(|(payout, amount, through)| Paid { payout, amount, through }),
        (payout_id(), any::<u32>(), text()).prop_map(|(payout, attempt, reason)| Failed { payout, attempt, reason }),
        (payout_id(), name(), text()).prop_map(|(payout, by, reason)| Voided { payout, by, reason }),
        (payout_id(), any::<u32>(), money()).prop_map(|(payout, attempt, amount)| LatePaymentReported {
            payout,
            attempt,
            amount
        }),
        (payout_id(), any::<u32>(), resolution(), name(), text()).prop_map(
            |(payout, attempt, resolution, by, reason)| LatePaymentResolved { payout, attempt, resolution, by, reason }
        ),
        (name(), name(), payout_id()).prop_map(|(account, reference, payout)| ReferenceTaken {
            account,
            reference,
            payout
        }),
        (uuid().prop_map(BulkId::from_uuid), vec(outcome, 0..4))
            .prop_map(|(bulk, outcomes)| BulkApproved { bulk, outcomes }),
    ]
}

/// Any command.
pub fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        settings_command().prop_map(Command::Settings),
        payee_command().prop_map(Command::Payee),
        (name(), document()).prop_map(|(plan, document)| Command::Plan(plan::Command::Publish { plan, document })),
        deal_command().prop_map(Command::Deal),
        (name(), date(), money(), text(), of(name())).prop_map(|(payee, on, amount, reason, programme)| {
            Command::Cap(cap::Command::SetOpeningBalance { payee, on, amount, reason, programme })
        }),
        (name(), date(), of(any::<u64>()), of(money()), of(money()), of(money()), text()).prop_map(
            |(payee, on, units, revenue, accrued, company_dollar, reason)| {
                let opening =
                    attainment::Command::SetOpening { payee, on, units, revenue, accrued, company_dollar, reason };
                Command::Attainment(opening)
            }
        ),
        payout_command().prop_map(Command::Payout),
        any_sale::command(),
    ]
}

fn settings_command() -> impl Strategy<Value = settings::Command> {
    use settings::Command::{Open, SwitchOff, SwitchOn};
    prop_oneof![
        (currency(), zone(), vec(capability(), 0..4)).prop_map(|(base_currency, zone, capabilities)| Open {
            base_currency,
            zone,
            capabilities
        }),
        capability().prop_map(|capability| SwitchOn { capability }),
        capability().prop_map(|capability| SwitchOff { capability }),
    ]
}

fn payee_command() -> impl Strategy<Value = payee::Command> {
    use payee::Command::{Assign, EndAssignment, Enrol};
    prop_oneof![
        (name(), text(), of(date())).prop_map(|(payee, name, joined_on)| Enrol { payee, name, joined_on }),
        (name(), assignment()).prop_map(|(payee, Assignment { plan, version, from, until })| Assign {
            payee,
            plan,
            version,
            from,
            until
        }),
        (name(), date()).prop_map(|(payee, until)| EndAssignment { payee, until }),
    ]
}

fn deal_command() -> BoxedStrategy<deal::Command> {
    use deal::Command::{Attribute, Complete, Record, RecordSides, Register, RegisterSides, Reverse};
    prop_oneof![
        (name(), gci()).prop_map(|(deal, gci)| Register { deal, gci }),
        (name(), vec(side(), 0..3)).prop_map(|(deal, sides)| RegisterSides { deal, sides }),
        (name(), vec(side(), 0..3), date()).prop_map(|(deal, sides, completed_on)| RecordSides {
            deal,
            sides,
            completed_on
        }),
        (name(), attribution()).prop_map(|(deal, attribution)| Attribute { deal, attribution }),
        (name(), date()).prop_map(|(deal, completed_on)| Complete { deal, completed_on }),
        (name(), gci(), attribution(), date()).prop_map(|(deal, gci, attribution, completed_on)| Record {
            deal,
            gci,
            attribution,
            completed_on
        }),
        (name(), text()).prop_map(|(deal, reason)| Reverse { deal, reason }),
    ]
    .boxed()
}

fn payout_command() -> impl Strategy<Value = payout::Command> {
    use payout::Command::{
        Approve, ApproveBulk, Create, CreateManual, Fail, RecordManualPayment, Reject, ResolveLatePayment, Settle,
        Start, Submit, Void,
    };
    prop_oneof![
        (name(), of(currency()), of(date()), of(name()), of(text()))
            .prop_map(|(payee, currency, through, period, notes)| Create { payee, currency, through, period, notes }),
        (name(), money(), text(), of(name())).prop_map(|(payee, amount, reason, period)| CreateManual {
            payee,
            amount,
            reason,
            contra: Contra::Company,
            period
        }),
        payout_id().prop_map(|payout| Submit { payout }),
        payout_id().prop_map(|payout| Approve { payout }),
        (vec(payout_id(), 0..4), any::<bool>()).prop_map(|(payouts, atomic)| ApproveBulk { payouts, atomic }),
        (payout_id(), text()).prop_map(|(payout, reason)| Reject { payout, reason }),
        payout_id().prop_map(|payout| Start { payout }),
        (payout_id(), any::<u32>(), money()).prop_map(|(payout, attempt, amount)| Settle { payout, attempt, amount }),
        (payout_id(), any::<u32>(), text()).prop_map(|(payout, attempt, reason)| Fail { payout, attempt, reason }),
        (payout_id(), any::<u32>(), resolution(), text()).prop_map(|(payout, attempt, resolution, reason)| {
            ResolveLatePayment { payout, attempt, resolution, reason }
        }),
        (payout_id(), name(), name(), name()).prop_map(|(payout, method, reference, account)| RecordManualPayment {
            payout,
            method,
            reference,
            account
        }),
        (payout_id(), text()).prop_map(|(payout, reason)| Void { payout, reason }),
    ]
}
