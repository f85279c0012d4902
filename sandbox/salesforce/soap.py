"""The SOAP login, and the few other SOAP calls that REST clients make around it."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from prefect_crm_erp.sandbox.salesforce.routing import Route, is_version
from prefect_crm_erp.sandbox.salesforce.sessions import Session
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, not_found

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_NAMESPACES = {"u": "urn:partner.soap.sforce.com", "c": "urn:enterprise.soap.sforce.com"}
_XML = "text/xml;charset=UTF-8"
_INVALID_LOGIN = "Invalid username, password, security token; or user locked out."
_NEW_LOCATION = (
    "Invalid username, password, security token; or user locked out. Are you at a new location? When accessing "
    "Salesforce--either via a desktop client or the API--from outside of your company's trusted networks, you must add "
    "a security token to your password to log in. To get your new security token, log in to Salesforce."
)


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


def serve(call: Call) -> Reply:
    """Answer a SOAP request of the partner (`u`) or enterprise (`c`) API."""
    namespace = _NAMESPACES.get(call.params["flavour"])
    if namespace is None or not is_version(f"v{call.params['api']}"):
        raise not_found()
    try:
        envelope = _parse(call.body)
        operation = _operation(envelope)
        result = _handler(operation)(call, envelope)
    except SoapFault as fault:
        return Reply(500, content=_fault(fault).encode(), media_type=_XML)
    return Reply(content=_response(namespace, operation, result).encode(), media_type=_XML)


def _parse(body: bytes) -> Element:
    try:
        return ElementTree.fromstring(body)
    except (ParseError, DefusedXmlException, ValueError):
        raise SoapFault("UNKNOWN_EXCEPTION", "The request is not a SOAP envelope") from None


def _operation(envelope: Element) -> str:
    body = envelope.find(f"{{{_ENVELOPE}}}Body")
    first = next(iter(body), None) if body is not None else None
    if first is None:
        raise SoapFault("UNKNOWN_EXCEPTION", "The SOAP body is empty")
    return first.tag.rpartition("}")[2]


def _handler(operation: str) -> Callable[[Call, Element], str]:
    handlers = {"login": _login, "logout": _logout, "getUserInfo": _get_user_info, "getServerTimestamp": _timestamp}
    if operation not in handlers:
        raise SoapFault("UNKNOWN_EXCEPTION", f"The sandbox has no SOAP call {operation}: use the REST API")
    return handlers[operation]


def _text(envelope: Element, name: str) -> str:
    """Text of the first element with a name, in any namespace."""
    return next((element.text or "" for element in envelope.iter() if element.tag.rpartition("}")[2] == name), "")


def _login(call: Call, envelope: Element) -> str:
    state, credentials = call.state, call.state.credentials
    username, given = _text(envelope, "username"), _text(envelope, "password")
    if username.lower() != state.username.lower():
        raise SoapFault("INVALID_LOGIN", _INVALID_LOGIN, "LoginFault")
    if given == credentials.password:
        raise SoapFault("LOGIN_MUST_USE_SECURITY_TOKEN", _NEW_LOCATION, "LoginFault")
    if given != credentials.password + credentials.security_token:
        raise SoapFault("INVALID_LOGIN", _INVALID_LOGIN, "LoginFault")
    session = state.sessions.open(state.user_id, "soap", state.settings.session_seconds)
    return _login_result(call, session)


def _login_result(call: Call, session: Session) -> str:
    organization = call.state.org.organization_id
    path = f"{call.params['flavour']}/{call.params['api']}/{organization}"
    lifetime = int(call.state.settings.session_seconds)
    return (
        f"<metadataServerUrl>{escape(call.base_url)}/services/Soap/m/{path[2:]}</metadataServerUrl>"
        "<passwordExpired>false</passwordExpired><sandbox>true</sandbox>"
        f"<serverUrl>{escape(call.base_url)}/services/Soap/{path}</serverUrl>"
        f"<sessionId>{escape(session.token)}</sessionId><userId>{session.user_id}</userId>"
        f"<userInfo>{_user_info(call, session.user_id, lifetime)}</userInfo>"
    )


def _user_info(call: Call, user_id: str, lifetime: int) -> str:
    org = call.state.org
    user = org.get("User", user_id)
    values = {
        "organizationId": org.organization_id,
        "organizationMultiCurrency": "true",
        "organizationName": call.state.organization_name,
        "sessionSecondsValid": str(lifetime),
        "userDefaultCurrencyIsoCode": user["DefaultCurrencyIsoCode"] or "",
        "userEmail": user["Email"],
        "userFullName": user["Name"],
        "userId": user_id,
        "userLanguage": user["LanguageLocaleKey"],
        "userLocale": user["LocaleSidKey"],
        "userName": user["Username"],
        "userTimeZone": user["TimeZoneSidKey"],
        "userType": "Standard",
    }
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _session(call: Call, envelope: Element) -> Session:
    """The session of the `SessionHeader`."""
    session = call.state.sessions.use(_text(envelope, "sessionId"))
    if session is None:
        message = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key"
        raise SoapFault("INVALID_SESSION_ID", message)
    return session


def _logout(call: Call, envelope: Element) -> str:
    call.state.sessions.close(_session(call, envelope).token)
    return ""


def _get_user_info(call: Call, envelope: Element) -> str:
    session = _session(call, envelope)
    return _user_info(call, session.user_id, int(session.seconds))


def _timestamp(call: Call, envelope: Element) -> str:
    _session(call, envelope)
    return f"<timestamp>{call.state.org.clock.now():%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"


def _response(namespace: str, operation: str, result: str) -> str:
    inner = f"<result>{result}</result>" if result else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{_ENVELOPE}" xmlns="{namespace}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        f"<{operation}Response>{inner}</{operation}Response></soapenv:Body></soapenv:Envelope>"
    )


def _fault(fault: SoapFault) -> str:
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


ROUTES = [
    Route("POST", "/services/Soap/{flavour}/{api}", serve, public=True),
    Route("POST", "/services/Soap/{flavour}/{api}/{organization}", serve, public=True),
]
