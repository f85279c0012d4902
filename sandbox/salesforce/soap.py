"""The SOAP login, and the few other SOAP calls that REST clients make around it or have no REST call for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from prefect_crm_erp.sandbox.salesforce import soap_records
from prefect_crm_erp.sandbox.salesforce.routing import Route, is_version
from prefect_crm_erp.sandbox.salesforce.sessions import Session
from prefect_crm_erp.sandbox.salesforce.soap_envelope import (
    SoapFault,
    call_of,
    fault_response,
    name_of,
    parse,
    response,
    session_of,
    text_of,
)
from prefect_crm_erp.sandbox.salesforce.wire import Call, Reply, not_found

_NAMESPACES = {"u": "urn:partner.soap.sforce.com", "c": "urn:enterprise.soap.sforce.com"}
_XML = "text/xml;charset=UTF-8"
_INVALID_LOGIN = "Invalid username, password, security token; or user locked out."
_NEW_LOCATION = (
    "Invalid username, password, security token; or user locked out. Are you at a new location? When accessing "
    "Salesforce--either via a desktop client or the API--from outside of your company's trusted networks, you must add "
    "a security token to your password to log in. To get your new security token, log in to Salesforce."
)


def serve(call: Call) -> Reply:
    """Answer a SOAP request of the partner (`u`) or enterprise (`c`) API."""
    namespace = _NAMESPACES.get(call.params["flavour"])
    if namespace is None or not is_version(f"v{call.params['api']}"):
        raise not_found()
    try:
        envelope = parse(call.body)
        operation = name_of(call_of(envelope))
        results = _handler(operation)(call, envelope)
    except SoapFault as fault:
        return Reply(500, content=fault_response(fault).encode(), media_type=_XML)
    return Reply(content=response(namespace, operation, results).encode(), media_type=_XML)


def _handler(operation: str) -> Callable[[Call, Element], Sequence[str]]:
    handlers: dict[str, Callable[[Call, Element], Sequence[str]]] = {
        "login": _login,
        "logout": _logout,
        "getUserInfo": _get_user_info,
        "getServerTimestamp": _timestamp,
        "merge": soap_records.merge,
        "undelete": soap_records.undelete,
    }
    if operation not in handlers:
        raise SoapFault("UNKNOWN_EXCEPTION", f"The sandbox has no SOAP call {operation}: use the REST API")
    return handlers[operation]


def _login(call: Call, envelope: Element) -> list[str]:
    state, credentials = call.state, call.state.credentials
    username, given = text_of(envelope, "username"), text_of(envelope, "password")
    if username.lower() != state.username.lower():
        raise SoapFault("INVALID_LOGIN", _INVALID_LOGIN, "LoginFault")
    if given == credentials.password:
        raise SoapFault("LOGIN_MUST_USE_SECURITY_TOKEN", _NEW_LOCATION, "LoginFault")
    if given != credentials.password + credentials.security_token:
        raise SoapFault("INVALID_LOGIN", _INVALID_LOGIN, "LoginFault")
    session = state.sessions.open(state.user_id, "soap", state.settings.session_seconds)
    return [_login_result(call, session)]


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


def _logout(call: Call, envelope: Element) -> list[str]:
    call.state.sessions.close(session_of(call, envelope).token)
    return []


def _get_user_info(call: Call, envelope: Element) -> list[str]:
    session = session_of(call, envelope)
    return [_user_info(call, session.user_id, int(session.seconds))]


def _timestamp(call: Call, envelope: Element) -> list[str]:
    session_of(call, envelope)
    return [f"<timestamp>{call.state.org.clock.now():%Y-%m-%dT%H:%M:%S.000Z}</timestamp>"]


ROUTES = [
    Route("POST", "/services/Soap/{flavour}/{api}", serve, public=True),
    Route("POST", "/services/Soap/{flavour}/{api}/{organization}", serve, public=True),
]
