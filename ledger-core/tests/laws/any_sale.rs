//! Any value of a sale, also those that no decision makes.

use std::collections::BTreeMap;

use ledger_core::attribute::{FirstCommission, Kind};
use ledger_core::attribution::{Credit, Weight};
use ledger_core::command::Command;
use ledger_core::credit::model::{self as models, Class, Milestone, Model, Registration, Role, Sum, Types};
use ledger_core::credit::rates::{self as paid, Base, Bounds, Override, Pays, Per, Rule, SpendLimit, When};
use ledger_core::credit::terms::Line;
use ledger_core::credit::touch::{Instant, Touch};
use ledger_core::deal;
use ledger_core::deal::sale::{Crediting, Earned, Particulars, Recrediting, Sale, Spent};
use ledger_core::event::Event;
use ledger_core::rate::Rounding;
use ledger_core::{customer, model, payee, rates, spend};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::any::{currency, date, digest, entry_id, money, name, one_of, rate, text, zone};

fn instant() -> impl Strategy<Value = Instant> {
    (0..4_000_000_000_000_i64).prop_map(|millis| {
        let at = chrono::DateTime::from_timestamp_millis(millis).unwrap();
        Instant::parse(&at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)).unwrap()
    })
}

fn weight() -> impl Strategy<Value = Weight> {
    (name(), rate()).prop_map(|(payee, weight)| Weight { payee, weight })
}

fn touch() -> impl Strategy<Value = Touch> {
    (name(), name(), text(), instant(), of(rate()), of(text()), vec(text(), 0..3)).prop_map(
        |(touch, payee, kind, at, weight, role, milestones)| Touch { touch, payee, kind, at, weight, role, milestones },
    )
}

fn chosen_model() -> impl Strategy<Value = model::Chosen> {
    (name(), any::<u32>()).prop_map(|(model, version)| model::Chosen { model, version })
}

fn chosen_rates() -> impl Strategy<Value = rates::Chosen> {
    (name(), any::<u32>()).prop_map(|(rates, version)| rates::Chosen { rates, version })
}

pub fn sale() -> BoxedStrategy<Box<Sale>> {
    let line = (money(), of(text()), prop_oneof![Just(1), any::<u64>()], of(money()))
        .prop_map(|(amount, product_line, units, unit_cost)| Line { amount, product_line, units, unit_cost });
    let who = (of(name()), of(text()), of(name()));
    let terms = (of(money()), vec(line, 0..3), chosen_model(), of(chosen_rates()));
    (terms, who, vec(weight(), 0..3), vec(weight(), 0..3))
        .prop_map(|((amount, lines, model, rates), (customer, programme, registered_by), custom, overlays)| {
            Box::new(Sale { amount, lines, customer, programme, model, rates, registered_by, custom, overlays })
        })
        .boxed()
}

fn model() -> BoxedStrategy<Box<models::Document>> {
    let role = || vec((text(), rate()).prop_map(|(role, weight)| Role { role, weight }), 0..3);
    let class = (text(), rate(), role()).prop_map(|(class, weight, roles)| Class { class, weight, roles });
    let milestone = (text(), rate()).prop_map(|(milestone, weight)| Milestone { milestone, weight });
    let model = prop_oneof![
        select(vec![Model::FirstTouch {}, Model::LastTouch {}, Model::Equal {}, Model::Linear {}]),
        any::<u32>().prop_map(|half_life_days| Model::TimeDecay { half_life_days }),
        (rate(), rate()).prop_map(|(first, last)| Model::UShaped { first, last }),
        (vec(milestone, 0..3), rate()).prop_map(|(milestones, rest)| Model::Milestones { milestones, rest }),
        (btree_map(text(), rate(), 0..3), of(rate())).prop_map(|(weights, other)| Model::RoleBased { weights, other }),
        role().prop_map(|roles| Model::RoleWeighted { roles }),
        vec(text(), 0..3).prop_map(|types| Model::Implementation { types }),
        vec(class, 0..3).prop_map(|classes| Model::CoSell { classes }),
        one_of(&[Sum::Strict, Sum::Normalise, Sum::ResidualToHouse]).prop_map(|sum| Model::Custom { sum }),
    ];
    let types = prop_oneof![
        Just(Types::default()),
        vec(text(), 0..3).prop_map(Types::Only),
        vec(text(), 0..3).prop_map(Types::Except),
    ];
    (model, types, of(any::<u32>()), one_of(&[Registration::Wins, Registration::Ignored]))
        .prop_map(|(model, types, lookback_days, registration)| {
            Box::new(models::Document { model, types, lookback_days, registration })
        })
        .boxed()
}

fn rate_plan() -> BoxedStrategy<Box<paid::Document>> {
    let pays = || prop_oneof![rate().prop_map(Pays::Rate), money().prop_map(Pays::PerUnit)];
    let when = (of(text()), of(text()), of(text()), of(text()), of(money())).prop_map(
        |(programme, payee_type, tier, product_line, deal_from)| When {
            programme,
            payee_type,
            tier,
            product_line,
            deal_from,
        },
    );
    let when = prop_oneof![Just(When::default()), when];
    let rule = (text(), any::<i64>(), when, pays()).prop_map(|(rule, priority, when, pays)| Rule {
        rule,
        priority,
        when,
        pays,
    });
    let bounds = (rate(), rate()).prop_map(|(from, to)| Bounds { from, to });
    let limit = (money(), select(vec![Per::Month, Per::Year, Per::Deal]), zone())
        .prop_map(|(amount, per, zone)| SpendLimit { amount, per, zone });
    let over = (text(), name(), name(), rate()).prop_map(|(name, of, to, rate)| Override { name, of, to, rate });
    let head = (
        currency(),
        one_of(&[Rounding::HalfAwayFromZero, Rounding::HalfEven]),
        one_of(&[Base::Amount, Base::Margin]),
        of(vec(text(), 0..3)),
        vec(rule, 0..3),
        of(pays()),
    );
    let rest = (
        of(bounds),
        of(money()),
        of(money()),
        of(limit),
        of(any::<u32>()),
        one_of(&[paid::Earned::OnInvoice, paid::Earned::AsCollected]),
        vec(over, 0..3),
    );
    (head, rest)
        .prop_map(
            |(
                (currency, rounding, base, eligible, rules, otherwise),
                (bounds, minimum, maximum, spend_limit, max_duration_months, earned, overrides),
            )| {
                Box::new(paid::Document {
                    currency,
                    rounding,
                    base,
                    eligible,
                    rules,
                    otherwise,
                    bounds,
                    minimum,
                    maximum,
                    spend_limit,
                    max_duration_months,
                    earned,
                    overrides,
                })
            },
        )
        .boxed()
}

fn rates_in_force() -> impl Strategy<Value = rates::InForce> {
    (name(), any::<u32>(), digest()).prop_map(|(rates, version, hash)| rates::InForce { rates, version, hash })
}

fn spend_account() -> impl Strategy<Value = spend::Account> {
    (name(), name(), date(), date()).prop_map(|(rates, payee, start, end)| spend::Account {
        rates,
        payee,
        period: spend::Period { start, end },
    })
}

fn entry() -> impl Strategy<Value = Earned> {
    let kind = select(vec![Kind::Commission, Kind::Overlay, Kind::Override]);
    (name(), kind, of(text()), money(), name(), any::<u32>(), of(text()), date(), entry_id()).prop_map(
        |(payee, kind, name, amount, rates, version, rule, on, entry)| Earned {
            payee,
            kind,
            name,
            amount,
            rates,
            version,
            rule,
            on,
            entry,
        },
    )
}

fn crediting() -> BoxedStrategy<Crediting> {
    let credit = || vec((name(), money()).prop_map(|(payee, amount)| Credit { payee, amount }), 0..3);
    let particulars = (of(text()), of(text()), of(text()), of(rates_in_force()))
        .prop_map(|(kind, tier, class, rates)| Particulars { kind, tier, class, rates });
    let first = (name(), name(), date()).prop_map(|(payee, customer, on)| FirstCommission { payee, customer, on });
    let spent =
        (spend_account(), money(), money()).prop_map(|(account, before, after)| Spent { account, before, after });
    let model =
        (name(), any::<u32>(), digest()).prop_map(|(model, version, hash)| model::InForce { model, version, hash });
    let head = (name(), instant(), of(instant()), date(), model, any::<u32>(), digest());
    let known = (btree_map(name(), particulars, 0..3), of(rates_in_force()), vec(first, 0..3), vec(spent, 0..3));
    let result = (any::<bool>(), credit(), of(money()), credit(), vec(entry(), 0..3));
    (head, known, result)
        .prop_map(
            |(
                (deal, completed_at, cutoff, earned_on, model, touches, inputs),
                (payees, rates, first_commissions, spent),
                (unattributed, credits, house, overlays, entries),
            ): (_, (BTreeMap<_, _>, _, _, _), _)| Crediting {
                deal,
                completed_at,
                cutoff,
                earned_on,
                model,
                touches: usize::try_from(touches).unwrap(),
                inputs,
                payees,
                rates,
                first_commissions,
                spent,
                unattributed,
                credits,
                house,
                overlays,
                entries,
            },
        )
        .boxed()
}

/// Any event of a sale, or of what it rests on.
pub fn event() -> BoxedStrategy<Event> {
    let version = || (name(), any::<u32>(), digest());
    prop_oneof![
        (name(), any::<u32>(), digest(), model()).prop_map(|(model, version, hash, document)| {
            Event::Model(model::Event::Published { model, version, hash, document })
        }),
        (version(), rate_plan()).prop_map(|((rates, version, hash), document)| {
            Event::Rates(rates::Event::Published { rates, version, hash, document })
        }),
        (name(), date(), of(text()), of(text()), of(text()), of(chosen_rates())).prop_map(
            |(payee, from, kind, tier, class, rates)| {
                Event::Payee(payee::Event::Classified { payee, from, kind, tier, class, rates })
            }
        ),
        (name(), touch()).prop_map(|(deal, touch)| Event::Deal(deal::Event::Touched { deal, touch })),
        crediting().prop_map(|crediting| Event::Deal(deal::Event::Credited(Box::new(crediting)))),
        (text(), crediting()).prop_map(|(reason, crediting)| {
            Event::Deal(deal::Event::Recredited(Box::new(Recrediting { reason, crediting })))
        }),
        (name(), name(), money(), date(), vec(entry(), 0..3)).prop_map(|(deal, payment, amount, on, entries)| {
            Event::Deal(deal::Event::Collected { deal, payment, amount, on, entries })
        }),
        (spend_account(), name(), money()).prop_map(|(account, deal, amount)| Event::Spend(spend::Event::Counted {
            account,
            deal,
            amount
        })),
        (spend_account(), name(), money()).prop_map(|(account, deal, amount)| Event::Spend(spend::Event::Reversed {
            account,
            deal,
            amount
        })),
        (name(), name(), name(), date()).prop_map(|(customer, payee, deal, on)| {
            Event::Customer(customer::Event::Earned { customer, payee, deal, on })
        }),
        (name(), name(), name()).prop_map(|(customer, payee, deal)| {
            Event::Customer(customer::Event::Forgotten { customer, payee, deal })
        }),
    ]
    .boxed()
}

/// Any command about a sale, or about what it rests on.
pub fn command() -> BoxedStrategy<Command> {
    use deal::Command::{Collect, CompleteSale, Recompute, RecordSale, RegisterSale, Touch};
    prop_oneof![
        (name(), model()).prop_map(|(model, document)| Command::Model(model::Command::Publish { model, document })),
        (name(), rate_plan()).prop_map(|(rates, document)| Command::Rates(rates::Command::Publish { rates, document })),
        (name(), date(), of(text()), of(text()), of(text()), of(chosen_rates())).prop_map(
            |(payee, from, kind, tier, class, rates)| {
                Command::Payee(payee::Command::Classify { payee, from, kind, tier, class, rates })
            }
        ),
        (name(), sale()).prop_map(|(deal, sale)| Command::Deal(RegisterSale { deal, sale })),
        (name(), touch()).prop_map(|(deal, touch)| Command::Deal(Touch { deal, touch })),
        (name(), instant(), of(instant())).prop_map(|(deal, completed_at, cutoff)| Command::Deal(CompleteSale {
            deal,
            completed_at,
            cutoff
        })),
        (name(), sale(), vec(touch(), 0..3), instant(), of(instant())).prop_map(
            |(deal, sale, touches, completed_at, cutoff)| {
                Command::Deal(RecordSale { deal, sale, touches, completed_at, cutoff })
            }
        ),
        (name(), name(), money(), date()).prop_map(|(deal, payment, amount, on)| Command::Deal(Collect {
            deal,
            payment,
            amount,
            on
        })),
        (name(), text(), of(chosen_model()), of(chosen_rates()))
            .prop_map(|(deal, reason, model, rates)| Command::Deal(Recompute { deal, reason, model, rates })),
    ]
    .boxed()
}
