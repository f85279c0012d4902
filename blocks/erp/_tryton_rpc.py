"""A signed-in session with a Tryton database, and the few calls that all of the connector is made of."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from prefect_crm_erp.blocks.erp._tryton_wire import ANSWER, SIGN_IN_STEPS, to_wire
from prefect_crm_erp.blocks.http import CallCount, HttpClient
from prefect_crm_erp.models.errors import AuthenticationError
from prefect_crm_erp.models.keys import chunks

SYSTEM = "Tryton"
Context = Mapping[str, Any]
Row = dict[str, Any]
Domain = list[Any]

ANY_ACTIVE = ("active", "in", [True, False])
"""Clause that finds deactivated records too."""

_ROWS_PER_READ = 500
_IDS_PER_SEARCH = 5000


class Rpc:
    """A signed-in session with one Tryton database; signs in again once when the session has expired.

    Args:
        http: The HTTP core, built with `classify`.
        database: Name of the database.
        user: Login name.
        password: Password of the user.
    """

    def __init__(self, http: HttpClient, database: str, user: str, password: SecretStr) -> None:
        self._http = http
        self._path = f"/{quote(database, safe='')}/rpc/"
        self._user = user
        self._password = password
        self._session: str | None = None
        self._signing_in = threading.Lock()
        self._turn = threading.Lock()
        self._numbers = itertools.count(1)

    @property
    def calls(self) -> CallCount:
        """Requests sent so far."""
        return self._http.calls

    @property
    def clock_offset(self) -> timedelta:
        """How far the server's clock is ahead of ours, by its last answer; zero while it has not said."""
        offset: timedelta = getattr(self._http, "clock_offset", timedelta(0))
        return offset

    def secrets(self) -> list[str]:
        """What must never show in a message: the password and the session."""
        return [self._password.get_secret_value(), self._session or ""]

    def call(self, method: str, *parameters: Any, context: Context, writes: bool = False) -> Any:
        """Call a method, such as `model.sale.sale.read`, and give its result.

        Args:
            method: Kind, model and method.
            parameters: As the method takes them, without the context.
            context: Tryton's context: company, language.
            writes: Whether the call changes something, so that it must not be repeated blindly.

        Raises:
            ConnectorError: As `HttpClient.request` and `classify` say.
        """
        session = self._session or self._sign_in(None)
        try:
            return self._post(method, [*parameters, dict(context)], session, writes)
        except AuthenticationError:
            # Refused before anything happened: the session expired, so this cannot double a write.
            return self._post(method, [*parameters, dict(context)], self._sign_in(session), writes)

    def server_version(self) -> str:
        """Series of the server: `8.0`."""
        return str(self._post("common.server.version", [], None, writes=False, path="/rpc/"))

    def sign_in(self) -> None:
        """Sign in now, instead of with the first call.

        Raises:
            AuthenticationError: User or password are wrong.
            ConfigurationError: There is no such database.
        """
        self._sign_in(self._session)

    def _sign_in(self, expired: str | None) -> str:
        with self._signing_in:
            if self._session is not None and self._session != expired:
                return self._session
            parameters = [self._user, {"password": self._password.get_secret_value()}, "en"]
            try:
                user_id, token, *_ = self._post("common.db.login", parameters, None, writes=False)
            except AuthenticationError as error:
                raise self._refused(error) from None
            self._session = base64.b64encode(f"{self._user}:{user_id}:{token}".encode()).decode()
            return self._session

    def _refused(self, error: AuthenticationError) -> AuthenticationError:
        if error.message.startswith(SIGN_IN_STEPS):
            return error
        return AuthenticationError(
            f"User {self._user!r} or its password is refused; check both in the block", system=SYSTEM
        )

    def _post(
        self, method: str, parameters: list[Any], session: str | None, writes: bool, path: str | None = None
    ) -> Any:
        body = json.dumps({"id": next(self._numbers), "method": method, "params": parameters}, default=to_wire)
        headers = {"Content-Type": "application/json"}
        if session:
            headers["Authorization"] = f"Session {session}"
        # One after the other: requests at the same time only take processor time from each other in Tryton's process,
        # and more of it than both need alone. Whoever waits here has prepared its request, and Tryton is never idle.
        with self._turn:
            response = self._http.request("POST", path or self._path, writes=writes, content=body, headers=headers)
        return response.extensions.pop(ANSWER).get("result")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


class Database:
    """The models of a Tryton database: search, read, create, write, press a button.

    Every call speaks English, so that what Tryton says reads the same everywhere and can be told apart.
    """

    def __init__(self, rpc: Rpc) -> None:
        self.rpc = rpc

    def context(self, company: int | None) -> dict[str, Any]:
        """Tryton's context for work in a company, or in none."""
        return {"language": "en"} | ({"company": company} if company is not None else {})

    def search(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        *,
        company: int | None = None,
        on: date | None = None,
        rows_per_call: int = _ROWS_PER_READ,
    ) -> list[Row]:
        """All rows that match, in the order of their ids; related records nested, as in `row["party"]["name"]`.

        What changes with time, such as the rate of a currency, is that of the day `on`, or of today.
        """
        pages = self.pages(model, domain, fields, rows_per_call, company=company, on=on)
        return [row for page in pages for row in page]

    def pages(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        rows_per_call: int,
        *,
        company: int | None = None,
        on: date | None = None,
    ) -> Iterator[list[Row]]:
        """All rows that match, as `search` gives them, one call after the other."""
        further = domain
        while True:
            found = self.first(model, further, fields, rows_per_call, company=company, on=on)
            if found:
                yield found
            if len(found) < rows_per_call:
                return
            # By id and not by offset: what others add or change meanwhile shifts no row over a page's end.
            further = [domain, ("id", ">", found[-1]["id"])]

    def first(
        self,
        model: str,
        domain: Domain,
        fields: Sequence[str],
        limit: int,
        *,
        order: Sequence[tuple[str, str]] = (("id", "ASC"),),
        company: int | None = None,
        on: date | None = None,
    ) -> list[Row]:
        """The first rows that match, as `search` gives them."""
        context = self.context(company) | ({"date": on} if on else {})
        method = f"model.{model}.search_read"
        return list(self.rpc.call(method, domain, 0, limit, list(order), ["id", *fields], context=context))

    def read(
        self,
        model: str,
        ids: Collection[int],
        fields: Sequence[str],
        company: int | None = None,
        *,
        only: Sequence[Any] = (),
    ) -> list[Row]:
        """Rows by id, in the order of the ids; deactivated ones too, gone ones and those that do not match left out."""
        rows: dict[int, Row] = {}
        for chunk in chunks(dict.fromkeys(ids), _ROWS_PER_READ):
            domain = [("id", "in", chunk), *only, *self._any_active(model)]
            # One row more than there can be: a full answer would cost another call, to see that it was the last one.
            found = self.search(model, domain, fields, company=company, rows_per_call=len(chunk) + 1)
            rows |= {row["id"]: row for row in found}
        return [rows[identifier] for identifier in dict.fromkeys(ids) if identifier in rows]

    def count(self, model: str, domain: Domain) -> int:
        """How many records match."""
        return int(self.rpc.call(f"model.{model}.search_count", domain, context=self.context(None)))

    def existing(self, model: str, ids: Collection[int], only: Sequence[Any] = ()) -> set[int]:
        """Those of the ids whose records are there and match; one call for each 5,000."""
        found: set[int] = set()
        for chunk in chunks(sorted(set(ids)), _IDS_PER_SEARCH):
            domain = [("id", "in", chunk), *only]
            found.update(self.rpc.call(f"model.{model}.search", domain, 0, None, None, context=self.context(None)))
        return found

    def create(self, model: str, values: Sequence[Row], company: int | None) -> list[int]:
        """Create records, all or none, and give their ids in the order of the values."""
        context = self.context(company)
        return list(self.rpc.call(f"model.{model}.create", list(values), context=context, writes=True))

    def write(self, model: str, changes: Sequence[tuple[int, Row]], company: int | None) -> None:
        """Change records, all or none; each with values of its own."""
        pairs = [part for identifier, values in changes for part in ([identifier], values)]
        self.rpc.call(f"model.{model}.write", *pairs, context=self.context(company), writes=True)

    def press(self, model: str, button: str, ids: Sequence[int], company: int | None) -> None:
        """Press a button on records, all or none."""
        self.rpc.call(f"model.{model}.{button}", list(ids), context=self.context(company), writes=True)

    def fields(self, model: str) -> dict[str, Row]:
        """The model's fields with their definitions."""
        return dict(self.rpc.call(f"model.{model}.fields_get", context=self.context(None)))

    @staticmethod
    def _any_active(model: str) -> Iterator[tuple[str, str, list[bool]]]:
        if model in _DEACTIVABLE:
            yield ANY_ACTIVE


_DEACTIVABLE = frozenset({"party.party", "product.product"})
