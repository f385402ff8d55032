//! Any value of the domain, also those that no decision makes.

use ledger_core::account::{self, Because, Contra, Source};
use ledger_core::attribution::{Attribution, Credit, Weight};
use ledger_core::calendar::{CapYear, CapYearRule, Date, LeapDay, Zone};
use ledger_core::cap::{self, CapAccount};
use ledger_core::chain::Digest;
use ledger_core::command::Command;
use ledger_core::commission::Breakdown;
use ledger_core::deal::{self, CapMet, Gci, Line};
use ledger_core::event::Event;
use ledger_core::id::{BulkId, EntryId, PayoutId, Text};
use ledger_core::money::{Currency, Money};
use ledger_core::payee::{self, Assignment};
use ledger_core::payout::{self, BulkOutcome, Payment, Resolution, Skipped, Status};
use ledger_core::plan::{self, CappedSplit, Crossing, Document, FeeOnCrossing, Shares, Split};
use ledger_core::rate::{Rate, Rounding};
use ledger_core::settings::{self, Capability};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use rust_decimal::Decimal;
use uuid::Uuid;

fn name<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    "[a-zA-Z0-9][a-zA-Z0-9._:@+#-]{0,20}".prop_map(|text| text.parse().unwrap())
}

fn text() -> impl Strategy<Value = Text> {
    "[ -~äß€😀\"\\\\/]{0,40}x".prop_map(|text| Text::new(&text).unwrap())
}

fn date() -> impl Strategy<Value = Date> {
    (-25_000..2_900_000_i32).prop_map(|days| Date::from_epoch_days(days).unwrap())
}

fn currency() -> impl Strategy<Value = Currency> {
    select(vec!["USD", "JPY", "KWD", "CLF", "EUR"]).prop_map(|code| Currency::of(code).unwrap())
}

fn money() -> impl Strategy<Value = Money> {
    (prop_oneof![-i64::MAX..=i64::MAX, -100_000..100_000_i64], currency())
        .prop_map(|(minor, currency)| Money::new(minor, currency).unwrap())
}

fn rate() -> impl Strategy<Value = Rate> {
    prop_oneof![0..=i64::MAX, 0..=Rate::SCALE].prop_map(|units| Rate::from_decimal(Decimal::new(units, 12)).unwrap())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn payout_id() -> impl Strategy<Value = PayoutId> {
    uuid().prop_map(PayoutId::from_uuid)
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    uuid().prop_map(EntryId::from_uuid)
}

fn capability() -> impl Strategy<Value = Capability> {
    use Capability::{ForeignCurrencies, ManualAmounts, ManualPayments, OpeningBalances, RailPayments};
    select(vec![RailPayments, ManualPayments, ManualAmounts, OpeningBalances, ForeignCurrencies])
}

fn zone() -> impl Strategy<Value = Zone> {
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
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let cap = (name(), money(), year_rule()).prop_map(|(programme, limit, year)| plan::Cap { programme, limit, year });
    let policies = (
        select(vec![Crossing::SplitWithinDeal, Crossing::WholeDealPreCap]),
        select(vec![FeeOnCrossing::No, FeeOnCrossing::Yes]),
    );
    let capped = (shares(), cap, shares(), of(money()), policies).prop_map(
        |(pre_cap, cap, post_cap, post_cap_fee, (crossing, fee_on_crossing))| {
            Split::Capped(CappedSplit { pre_cap, cap, post_cap, post_cap_fee, crossing, fee_on_crossing })
        },
    );
    let split = prop_oneof![shares().prop_map(Split::Flat), capped];
    (currency(), split, select(vec![Rounding::HalfAwayFromZero, Rounding::HalfEven]))
        .prop_map(|(currency, split, rounding)| Document { currency, split, rounding })
}

fn gci() -> impl Strategy<Value = Gci> {
    prop_oneof![money().prop_map(Gci::Amount), (money(), rate()).prop_map(|(price, rate)| Gci::OfPrice { price, rate }),]
}

fn attribution() -> impl Strategy<Value = Attribution> {
    let weight = (name(), rate()).prop_map(|(payee, weight)| Weight { payee, weight });
    prop_oneof![vec(name(), 0..4).prop_map(Attribution::Equal), vec(weight, 0..4).prop_map(Attribution::Custom)]
}

fn cap_account() -> impl Strategy<Value = CapAccount> {
    (name(), name(), date(), date()).prop_map(|(programme, payee, start, end)| CapAccount {
        programme,
        payee,
        year: CapYear { start, end },
    })
}

fn line() -> impl Strategy<Value = Line> {
    let five = proptest::array::uniform5(money());
    let amounts = five.prop_map(|[base, company_dollar, post_cap_company, post_cap_fee, payee_net]| Breakdown {
        base,
        company_dollar,
        post_cap_company,
        post_cap_fee,
        payee_net,
    });
    let cap = (cap_account(), money(), money()).prop_map(|(account, limit, room)| CapMet { account, limit, room });
    (name(), name(), any::<u32>(), digest(), amounts, of(cap), of(entry_id())).prop_map(
        |(payee, plan, version, plan_hash, amounts, cap, entry)| Line {
            payee,
            plan,
            version,
            plan_hash,
            amounts,
            cap,
            entry,
        },
    )
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
        account_event().prop_map(Event::Account),
        payout_event().prop_map(Event::Payout),
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

fn deal_event() -> impl Strategy<Value = deal::Event> {
    use deal::Event::{Attributed, Completed, Registered, Reversed};
    let credit = (name(), money()).prop_map(|(payee, amount)| Credit { payee, amount });
    prop_oneof![
        (name(), gci(), money()).prop_map(|(deal, basis, gci)| Registered { deal, basis, gci }),
        (name(), attribution(), vec(credit, 0..4)).prop_map(|(deal, attribution, credits)| Attributed {
            deal,
            attribution,
            credits
        }),
        (name(), date(), money(), vec(line(), 0..3)).prop_map(|(deal, completed_on, gci, lines)| Completed {
            deal,
            completed_on,
            gci,
            lines
        }),
        (name(), text(), vec(line(), 0..3)).prop_map(|(deal, reason, lines)| Reversed { deal, reason, lines }),
    ]
}

fn cap_event() -> impl Strategy<Value = cap::Event> {
    use cap::Event::{Contributed, OpeningBalanceSet, ProgrammeOpened, Reached, Reversed};
    prop_oneof![
        (name(), currency(), year_rule()).prop_map(|(programme, currency, year)| ProgrammeOpened {
            programme,
            currency,
            year
        }),
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
        (name(), date(), money(), text()).prop_map(|(payee, on, amount, reason)| {
            Command::Cap(cap::Command::SetOpeningBalance { payee, on, amount, reason })
        }),
        payout_command().prop_map(Command::Payout),
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

fn deal_command() -> impl Strategy<Value = deal::Command> {
    use deal::Command::{Attribute, Complete, Record, Register, Reverse};
    prop_oneof![
        (name(), gci()).prop_map(|(deal, gci)| Register { deal, gci }),
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
