#!/usr/bin/env python3
"""Makes sales.csv, the small file of the test: chosen cases around the cap and the cent, and as many sales by chance."""

import random
from datetime import date, timedelta

chance = random.Random(15_000)
sales = []


def sell(day, price, zipcode, property_id=None):
    sales.append((day, property_id or 1_000_000_000 + len(sales), price, zipcode))


# Exactly the cap: 9,000 and 6,000 company dollar. The next deal is the first one after it.
for price in ["1000000", "666666.67", "400000"]:
    sell("2020-02-28", price, "10001")
# Across the cap, in one deal that alone would be three times the cap, and again a year later.
sell("2020-02-29", "5000000", "10002")
sell("2020-03-01", "300000.5", "10002")
sell("2021-01-01", "5000000", "10002")
# One cent short of the cap, then one cent, then a deal after it.
for price in ["1666665.50", "1.00", "900000"]:
    sell("2020-03-02", price, "10003")
# One cent past the cap, so that the deal crosses by a cent.
for price in ["1000000", "666668", "900000"]:
    sell("2020-03-03", price, "10004")
# A commission that is exactly the fee leaves nothing to pay out.
sell("2020-04-30", "1666666.67", "10005")
sell("2020-05-31", "8333.33", "10005")
# Commissions of half a cent and less, of which one rounds to nothing.
for price in ["0.01", "0.16", "0.17", "0.50", "1.50", "100.50", "11.67", "1234.55"]:
    sell("2020-06-15", price, "10006")
sell("2020-07-04", "0.01", "10007")
# A single deal, and nothing else in its month.
sell("2020-12-31", "450000", "10008")
# A year's last and the next one's first day.
for day in ["2020-12-31", "2021-01-01", "2021-12-31", "2022-01-01"]:
    sell(day, "2000000", "10009")
    sell(day, "700000", "10009")
# One house, sold three times, once to another zipcode's payee.
for day, zipcode in [("2020-08-01", "10010"), ("2020-11-11", "10010"), ("2021-06-30", "10011")]:
    sell(day, "512345.67", zipcode, 4_242_424_242)
# A busy day.
for _ in range(90):
    sell("2021-05-05", chance.randrange(80_000, 900_000), 10012 + chance.randrange(3))
# And by chance, over three years.
for _ in range(300):
    day = date(2019, 12, 1) + timedelta(days=chance.randrange(850))
    cents = chance.choice(["", ".05", ".5", ".99"])
    sell(day.isoformat(), f"{chance.randrange(60_000, 2_500_000)}{cents}", 10020 + chance.randrange(12))

sales.sort(key=lambda sale: sale[0])
print("close_date,property_id,sale_price_usd,zipcode")
for sale in sales:
    print(*sale, sep=",")
