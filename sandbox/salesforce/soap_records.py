"""What Salesforce offers by SOAP only: merging records, and bringing them back from the recycle bin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from prefect_crm_erp.sandbox.salesforce import rows
from prefect_crm_erp.sandbox.salesforce.errors import ApiError, RowError, RowRejected
from prefect_crm_erp.sandbox.salesforce.schema import SObject
from prefect_crm_erp.sandbox.salesforce.soap_envelope import SoapFault, call_of, name_of, session_of, text_of, texts
from prefect_crm_erp.sandbox.salesforce.wire import Call

MOST_IDS = 200
"""Records that one call brings back at most."""


def merge(call: Call, envelope: Element) -> list[str]:
    """Merge up to two records into a master; one result for each request. Fields of the master are given values too.

    Raises:
        SoapFault: Nobody is logged in.
    """
    user_id = session_of(call, envelope).user_id
    return [_merge(call, request, user_id) for request in _named(call_of(envelope), "request")]


def _merge(call: Call, request: Element, user_id: str) -> str:
    master = next(_named(request, "masterRecord"), None)
    if master is None:
        raise SoapFault("MISSING_ARGUMENT", "masterRecord not specified", "InvalidSObjectFault")
    org, kind, master_id = call.state.org, text_of(master, "type"), text_of(master, "Id")
    losers = list(texts(request, "recordToMergeIds"))
    values = {name_of(each): each.text for each in master if name_of(each) not in ("type", "Id", "fieldsToNull")}
    values |= dict.fromkeys(texts(master, "fieldsToNull"))
    try:
        with org.transaction():
            org.merge(kind, master_id, losers, user_id)
            if values:
                org.update(kind, master_id, values, user_id, allow_duplicates=True)
    except (ApiError, RowRejected) as refusal:
        return _failure(refusal.errors)
    merged = "".join(f"<mergedRecordIds>{rows.long_id(loser)}</mergedRecordIds>" for loser in losers)
    return f"<id>{rows.long_id(master_id)}</id>{merged}<success>true</success>"


def undelete(call: Call, envelope: Element) -> list[str]:
    """Bring records of any type back from the recycle bin; one result for each, and one's refusal stops no other.

    Raises:
        SoapFault: Nobody is logged in, or there are too many ids.
    """
    user_id = session_of(call, envelope).user_id
    ids = list(texts(call_of(envelope), "ids"))
    if len(ids) > MOST_IDS:
        message = f"record limit reached. cannot submit more than {MOST_IDS} records into this call"
        raise SoapFault("EXCEEDED_ID_LIMIT", message, "ApiFault")
    return [_undelete(call, record_id, user_id) for record_id in ids]


def _undelete(call: Call, record_id: str, user_id: str) -> str:
    try:
        call.state.org.undelete(_sobject(call, record_id).name, record_id, user_id)
    except RowRejected as refusal:
        return _failure(refusal.errors)
    return f"<id>{rows.long_id(record_id)}</id><success>true</success>"


def _sobject(call: Call, record_id: str) -> SObject:
    sobject = call.state.org.schema.by_key_prefix.get(record_id[:3])
    if sobject is None or rows.long_id(record_id) is None:
        raise RowRejected.of("MALFORMED_ID", f"malformed id {record_id}")
    return sobject


def _named(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if name_of(child) == name)


def _failure(errors: Iterable[RowError]) -> str:
    listed = "".join(
        f"<errors>{''.join(f'<fields>{escape(name)}</fields>' for name in error.fields)}"
        f"<message>{escape(error.message)}</message><statusCode>{escape(error.code)}</statusCode></errors>"
        for error in errors
    )
    return f"{listed}<success>false</success>"
