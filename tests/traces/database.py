#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""database.py make FILE | use FILE MINUTES: a shop's orders in SQLite. Customers come and go: few
of them order often, a newsletter now and then brings others; once in a while a report reads a
month."""
import random
import sqlite3
import sys
import time

CUSTOMERS, ORDERS = 60_000, 900_000


def make(path):
    rng = random.Random(1)
    base = sqlite3.connect(path)
    base.executescript("""
        pragma page_size = 4096; pragma journal_mode = off; pragma synchronous = off;
        create table customer(id integer primary key, name text, note text);
        create table item(id integer primary key, customer integer, day integer,
          price real, text text);
        """)
    base.executemany("insert into customer values(?, ?, ?)",
                     ((i, f"customer {i}", "x" * rng.randint(50, 600)) for i in range(CUSTOMERS)))
    base.executemany("insert into item values(?, ?, ?, ?, ?)",
                     ((i, rng.randrange(CUSTOMERS), i // 2500, rng.random() * 100,
                       "y" * rng.randint(40, 300)) for i in range(ORDERS)))
    base.execute("create index of_customer on item(customer)")
    base.commit()


def use(path, minutes):
    rng = random.Random(2)
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript("pragma cache_size = 300; pragma journal_mode = truncate;"
                       "pragma synchronous = normal;")
    end, report = time.time() + 60 * minutes, time.time() + 200
    favourites = rng.sample(range(CUSTOMERS), 400)
    newsletter, newsletter_end = 0, 0.0
    last = ORDERS
    while time.time() < end:
        time.sleep(rng.expovariate(1.2))
        if rng.random() < 0.01:  # one stays away, another comes
            favourites[rng.randrange(len(favourites))] = rng.randrange(CUSTOMERS)
        if time.time() > newsletter_end + 400:
            newsletter, newsletter_end = rng.randrange(CUSTOMERS - 1500), time.time() + 150
        rank = int(len(favourites) ** rng.random()) - 1
        who = favourites[rank]
        if time.time() < newsletter_end and rng.random() < 0.5:
            who = newsletter + rng.randrange(1500)
        base.execute("select * from customer where id = ?", (who,)).fetchall()
        if rng.random() < 0.3:
            base.execute("select sum(price) from item where customer = ? limit 12",
                         (who,)).fetchall()
        if rng.random() < 0.3:
            base.execute("insert into item values(?, ?, ?, 1, ?)",
                         (last, who, last // 2500, "z" * 99))
            last += 1
        if time.time() > report:
            day = rng.randrange(ORDERS // 2500 - 8)
            base.execute("select sum(price) from item where id between ? and ?",
                         (day * 2500, (day + 8) * 2500)).fetchall()
            report += 420


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        use(sys.argv[2], float(sys.argv[3]))
