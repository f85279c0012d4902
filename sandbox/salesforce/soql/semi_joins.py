"""The rules for subqueries under WHERE: `Id IN (SELECT AccountId FROM Contact)`."""

from __future__ import annotations

from prefect_crm_erp.sandbox.salesforce.soql import ast
from prefect_crm_erp.sandbox.salesforce.soql.diagnostics import malformed
from prefect_crm_erp.sandbox.salesforce.soql.names import BoundField
from prefect_crm_erp.sandbox.salesforce.soql.operands import Kind, Operand, kind_of

MAX_SEMI_JOINS = 2
"""Subqueries that one WHERE clause may have."""


def check_placement(condition: ast.Condition, *, nested: bool) -> None:
    """Refuse subqueries where Salesforce does: more than two, under OR or NOT, or inside another one.

    Args:
        condition: the WHERE clause.
        nested: whether it is the one of a subquery itself.

    Raises:
        QueryProblem: MALFORMED_QUERY.
    """
    found = _semi_joins(condition, None)
    if nested and found:
        raise malformed("Nesting of semi join sub-selects is not supported", found[0])
    if len(found) > MAX_SEMI_JOINS:
        raise malformed(f"Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed", found[MAX_SEMI_JOINS])


def _semi_joins(condition: ast.Condition, inside: str | None) -> list[int]:
    """Where the subqueries of a condition stand; `inside` is the operator that does not allow any."""
    match condition:
        case ast.And():
            return [position for term in condition.terms for position in _semi_joins(term, inside)]
        case ast.Or():
            return [position for term in condition.terms for position in _semi_joins(term, "OR")]
        case ast.Not():
            return _semi_joins(condition.term, "NOT")
    if not isinstance(condition.right, ast.Query):
        return []
    position = condition.left.position
    if inside:
        raise malformed(f"Semi join sub-selects are not allowed with the '{inside}' operator", position)
    return [position]


def outer_field(operand: Operand) -> BoundField:
    """The id or lookup field on the left side of a semi-join.

    Raises:
        QueryProblem: MALFORMED_QUERY, the field is of another type or belongs to a parent.
    """
    bound = operand.bound
    if operand.kind is not Kind.ID:
        detail = f"Semi join sub-selects can only be used with ID and reference fields, cannot use: '{operand.name}'"
        raise malformed(detail, operand.position)
    if bound.lookups:
        raise malformed("The left operand cannot have more than one level of relationships", operand.position)
    return bound


def inner_path(query: ast.Query) -> ast.FieldPath:
    """The one field that a subquery under WHERE selects.

    Raises:
        QueryProblem: MALFORMED_QUERY, it selects more, or has clauses that it cannot have.
    """
    selected = query.select[0]
    if len(query.select) > 1 or isinstance(selected, ast.Query) or not isinstance(selected.expression, ast.FieldPath):
        raise malformed("Semi join sub-selects must select exactly one field", query.source.path.position)
    if query.order_by or query.group_by or query.limit is not None or query.offset is not None or query.usage:
        detail = "GROUP BY, ORDER BY, LIMIT, OFFSET and FOR are not supported in semi join sub-selects"
        raise malformed(detail, query.source.path.position)
    return selected.expression


def check_fields(outer: BoundField, inner: BoundField) -> None:
    """Refuse a pair of fields that do not hold ids of the same object, and a join of an object with itself.

    Raises:
        QueryProblem: MALFORMED_QUERY.
    """
    name = inner.field.name
    if kind_of(inner.field) is not Kind.ID:
        raise malformed(f"semi join sub-selects can only query id fields, cannot use: '{name}'", inner.position)
    if inner.lookups:
        detail = f"The inner select field '{name}' cannot have more than one level of relationships"
        raise malformed(detail, inner.position)
    if outer.owner.name == inner.owner.name:
        raise malformed("The inner and outer selects should not be on the same object type", outer.position)
    if not _targets(outer) & _targets(inner):
        detail = (
            f"The selected field '{name}' in the subquery and the left operand field in the where expression in the "
            f"outer query '{outer.field.name}' should point to the same object type"
        )
        raise malformed(detail, inner.position)


def _targets(bound: BoundField) -> set[str]:
    """The objects whose ids a field holds."""
    return set(bound.field.reference_to) or {bound.owner.name}
