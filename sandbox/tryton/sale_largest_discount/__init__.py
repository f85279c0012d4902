"""A module of the sandbox's Tryton: a sale tells its largest discount, for rules of approval to compare.

A rule on a button sees the fields of the sale, and cannot go through its lines.
"""
