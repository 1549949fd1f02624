"""Ledgers in which everything happens that a pack has to show."""

AGREEMENT = """
name = "sub"
version = 1
roles = ["seller", "registrar", "bank"]
[fields.amount]
type = "money"
scale = 2
currency = { field = "currency" }
tolerance = { absolute = "0.01" }
[fields.currency]
type = "code"
length = 3
[benchmark]
default = "majority"
[deadlines]
registrar = "1h"
bank = "30s"
[adjustment]
mode = "compensate"
automatic_up_to = { amount = { CNY = "10.00" } }
"""
NEXT_AGREEMENT = AGREEMENT.replace("version = 1", "version = 2").replace('"30s"', '"40s"')
NAME = "sub"

EVERYTHING = """
block
    seller T1 r1 100.00 CNY & T2 r1 7.00 CNY & T3 r1 9.00 CNY & T4 r1 1.00 CNY
    registrar T1 r1 100.00 CNY & T2 r1 7.00 CNY
bank T1 r1 105.00 CNY
posted T1 bank
bank T1 r2 100.00 CNY
bank T2 r1 900.00 CNY
approve T2 bank by east/2
approve T2 bank by east/3
posted T2 bank
seller T3 r1 9.00 CNY -> repeat
seller T3 r1 9.50 CNY -> duplicate
seller T3 r2 9.50 CNY
seller T3 r1 9.00 CNY -> stale
wait 31s
acknowledge T3 by west/2
registrar T3 r1 9.50 CNY
wait 5s
bank T3 r1 9.50 CNY
enact v2
seller under v1 T5 r1 2.00 CNY -> wrong_version
seller T5 r1 2.00 CNY & T6 r1 2.00 CNY
seller T4 r1 1.00 CNY -> wrong_version
bank T2 r2 7.00 CNY -> wrong_version
bank under v1 T2 r2 7.00 CNY
block
    registrar T5 r1 2.00 CNY
    bank T5 r1 2.00 CNY
bank T5 r2 withdrawn
cutoff -1s
bank T5 r3 2.50 CNY
refuse T5 bank by east/2
cutoff
seller under v1 T4 r2 withdrawn
"""
TRANSACTIONS = ("T1", "T2", "T3", "T4", "T5", "T6")

SMALL_AGREEMENT = """
name = "sub"
version = 1
roles = ["a", "b"]
[fields.n]
type = "integer"
[benchmark]
n = "a"
[deadlines]
a = "30s"
b = "30s"
[adjustment]
mode = "replace"
"""
SMALL = """
a T1 r1 7 & T2 r1 8
wait 31s
b T1 r1 9
approve T1 b by south/2
cutoff
"""
