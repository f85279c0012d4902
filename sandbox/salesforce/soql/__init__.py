"""SOQL, Salesforce's query language: parsed with a grammar, evaluated with Salesforce's semantics.

A query goes through these stages, each a module or a few:

1. `grammar.lark`, `parser`, `literals`: text to the tree of `ast`.
2. `names`, `operands`, `comparands`, `filters`, `semi_joins`, `ordering`: names are looked up in the org's schema, and
   WHERE, HAVING and ORDER BY are compiled into functions of a row, once.
3. `plan`: rows are found by an index or a scan, filtered, ordered and cut; the children of all rows are read at once.
4. `projection` with `formats`, or `grouped` with `aggregates`: rows become records in wire form.

Not offered, and refused with the place of the word: TYPEOF, WITH DATA CATEGORY, DISTANCE and GEOLOCATION, and scopes
other than `everything` and `mine`. Users are taken to be in UTC and in the locale en_US, fiscal years to be calendar
years.
"""

from prefect_crm_erp.sandbox.salesforce.soql.ast import Query
from prefect_crm_erp.sandbox.salesforce.soql.evaluate import execute
from prefect_crm_erp.sandbox.salesforce.soql.parser import parse
from prefect_crm_erp.sandbox.salesforce.soql.result import Column, QueryResult

__all__ = ["Column", "Query", "QueryResult", "execute", "parse"]
