"""SOQL, Salesforce's query language: parsed with a grammar, evaluated with Salesforce's semantics."""

from prefect_crm_erp.sandbox.salesforce.soql.ast import Query
from prefect_crm_erp.sandbox.salesforce.soql.evaluate import execute
from prefect_crm_erp.sandbox.salesforce.soql.parser import parse
from prefect_crm_erp.sandbox.salesforce.soql.result import Column, QueryResult

__all__ = ["Column", "Query", "QueryResult", "execute", "parse"]
