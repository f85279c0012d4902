"""SOAP envelopes: what comes in them, and the answers and faults that go out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from prefect_crm_erp.sandbox.salesforce.sessions import Session
from prefect_crm_erp.sandbox.salesforce.wire import Call

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


class SoapFault(Exception):
    """A refusal in SOAP's form.

    Args:
        code: Salesforce's exception code.
        message: Its sentence.
        kind: Type of the detail element.
    """

    def __init__(self, code: str, message: str, kind: str = "UnexpectedErrorFault") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.kind = kind


def parse(body: bytes) -> Element:
    """The envelope of a request.

    Raises:
        SoapFault: The body is none.
    """
    try:
        return ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError):
        raise SoapFault("UNKNOWN_EXCEPTION", "The request is not a SOAP envelope") from None


def call_of(envelope: Element) -> Element:
    """The element of the call that an envelope holds.

    Raises:
        SoapFault: It holds none.
    """
    body = envelope.find(f"{{{_ENVELOPE}}}Body")
    first = next(iter(body), None) if body is not None else None
    if first is None:
        raise SoapFault("UNKNOWN_EXCEPTION", "The SOAP body is empty")
    return first


def name_of(element: Element) -> str:
    """Name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def texts(element: Element, name: str) -> Iterator[str]:
    """Texts of the elements with a name, in any namespace."""
    return ((each.text or "").strip() for each in element.iter() if name_of(each) == name)


def text_of(element: Element, name: str) -> str:
    """Text of the first element with a name, in any namespace."""
    return next((each.text or "" for each in element.iter() if name_of(each) == name), "")


def session_of(call: Call, envelope: Element) -> Session:
    """The session of the `SessionHeader`.

    Raises:
        SoapFault: There is none, or it has ended.
    """
    session = call.state.sessions.use(text_of(envelope, "sessionId"))
    if session is None:
        message = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key"
        raise SoapFault("INVALID_SESSION_ID", message)
    return session


def response(namespace: str, operation: str, results: Sequence[str]) -> str:
    """The answer to a call, with one element for each result."""
    inner = "".join(f"<result>{result}</result>" for result in results)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_ENVELOPE}" xmlns="{namespace}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f"<{operation}Response>{inner}</{operation}Response></soapenv:Body></soapenv:Envelope>"
    )


def fault_response(fault: SoapFault) -> str:
    """The answer to a call that is refused."""
    message = f"<sf:exceptionCode>{fault.code}</sf:exceptionCode>" + (
        f"<sf:exceptionMessage>{escape(fault.message)}</sf:exceptionMessage>"
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_ENVELOPE}" '
        'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body><soapenv:Fault><faultcode>sf:{fault.code}</faultcode>"
        f"<faultstring>{fault.code}: {escape(fault.message)}</faultstring>"
        f'<detail><sf:{fault.kind} xsi:type="sf:{fault.kind}">{message}</sf:{fault.kind}></detail>'
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
