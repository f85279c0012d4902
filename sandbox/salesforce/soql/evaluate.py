"""Runs queries."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import QueryProblem
from prefect_crm_erp.sandbox.salesforce.soql.execution import Execution, Records
from prefect_crm_erp.sandbox.salesforce.soql.grouped import GroupedQuery, is_grouped, is_plain_count
from prefect_crm_erp.sandbox.salesforce.soql.names import find_object
from prefect_crm_erp.sandbox.salesforce.soql.ordering import cut
from prefect_crm_erp.sandbox.salesforce.soql.parser import parse
from prefect_crm_erp.sandbox.salesforce.soql.plan import RowQuery, RowSource, operands_of
from prefect_crm_erp.sandbox.salesforce.soql.result import QueryResult


def execute(
    org: Records,
    query: ast.Query | str,
    include_deleted: bool = False,
    *,
    api_version: str = "64.0",
    user_id: str | None = None,
) -> QueryResult:
    """Run a query against an org.

    Args:
        org: where the rows are.
        query: the query, as text or parsed.
        include_deleted: see rows in the recycle bin too, as `queryAll` does.
        api_version: goes into the records' URLs.
        user_id: the user who asks, for `USING SCOPE mine` and `convertCurrency()`.

    Returns:
        The records in wire form, and how many there are.

    Raises:
        ApiError: 400 with MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR … and
            Salesforce's sentence, with the piece of the query and a caret where Salesforce gives them.

    Example:
        >>> result = execute(org, "SELECT Id, Owner.Name FROM Account WHERE ERP_Id__c = '4711'")  # doctest: +SKIP
        >>> result.records[0]["Owner"]["Name"]  # doctest: +SKIP
        'Ada Integration'
    """
    parsed = parse(query) if isinstance(query, str) else query
    execution = Execution(org, include_deleted or parsed.all_rows, api_version, user_id)
    try:
        return _run(parsed, execution)
    except QueryProblem as problem:
        raise problem.to_api_error(parsed.text) from None
    except RecursionError:
        detail = "Query is either selecting too many fields or the filter conditions are too complicated."
        raise QueryProblem("QUERY_TOO_COMPLICATED", detail).to_api_error(parsed.text) from None


def _run(query: ast.Query, execution: Execution) -> QueryResult:
    sobject = find_object(execution.schema, query.source)
    if is_plain_count(query):
        passing = RowSource(query, operands_of(query, sobject, execution), execution).passing()
        return QueryResult(sobject, [], sum(1 for _ in cut(query, passing)))
    if is_grouped(query):
        operands = operands_of(query, sobject, execution)
        grouped = GroupedQuery(query, operands, execution)
        records = grouped.records(list(RowSource(query, operands, execution).passing()))
        return QueryResult(sobject, records, len(records), grouped.columns, grouped=True)
    plan = RowQuery(query, sobject, execution)
    records = plan.run()
    return QueryResult(sobject, records, len(records), plan.columns)
