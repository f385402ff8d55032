#!/usr/bin/env python3
"""Works the sales out a second time, from the rules alone: oracle.py SALES.csv

Amounts are whole cents. A deal's commission is 3 % of the price. Until a payee's company dollar of a calendar year has
reached 15,000.00 the company gets 30 % of it; what a deal has beyond that is the payee's. A deal that begins with the cap
reached is all the payee's, less 250.00. Every product is rounded once, half away from zero.
"""

import csv
import sys
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

CAP = 15_000_00
FEE = 250_00


def half_up(amount):
    """The nearest whole cent of an amount that is not negative, a half upwards."""
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


def decimals(cents):
    return f"{cents // 100}.{cents % 100:02}"


@dataclass
class Year:
    deals: int = 0
    gci: int = 0
    company_dollar: int = 0
    fees: int = 0
    payee_net: int = 0


def main(path):
    years = defaultdict(Year)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            year = years["zip-" + row["zipcode"], int(row["close_date"][:4])]
            gci = half_up(Fraction(row["sale_price_usd"]) * 100 * 3 / 100)
            room = CAP - year.company_dollar
            company = min(half_up(Fraction(gci * 30, 100)), room)
            fee = 0 if room > 0 else FEE
            if fee > gci:
                sys.exit(f"{row}: the fee is more than the commission")
            year.deals += 1
            year.gci += gci
            year.company_dollar += company
            year.fees += fee
            year.payee_net += gci - company - fee

    print("payee,cap_year,deals,gci,company_dollar,contributed,post_cap_fees,payee_net")
    for (payee, start), year in sorted(years.items()):
        # After the cap the company's share is nothing, so all of its company dollar was contributed.
        money = [year.gci, year.company_dollar, year.company_dollar, year.fees, year.payee_net]
        print(payee, start, year.deals, *map(decimals, money), sep=",")


if __name__ == "__main__":
    main(sys.argv[1])
