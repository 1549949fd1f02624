"""Exact numbers, dates, durations and identities: from text to the integers that are compared.

The problem: two systems print one value in many ways, and binary fractions lose cents. The model:
every value is an integer of a stated unit (a number of 10**-scale, days, microseconds), and text is
read exactly or refused with a plain reason. What is not here: local formats (decimal commas, dates
in words), which belong to the connectors, and rounding, which nobody does.
"""
