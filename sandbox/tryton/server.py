"""Serves one Tryton database: ``python -m prefect_crm_erp.sandbox.tryton.server``.

It does what ``trytond -d erp`` does, and more: it binds any free port and tells which one, as a line of JSON on its
standard output; it ends when its standard input closes, so that it never outlives its parent; clients at the same time
are kept apart (``isolation``); failed logins are forgotten; records have pages to look at (``record_page``); and its
calls and its clock have a side door (``side_door``).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
from pathlib import Path

from trytond import config
from trytond.pool import Pool
from werkzeug.serving import BaseWSGIServer, make_server

from prefect_crm_erp.sandbox.tryton.settings import DATABASE, HOST


def main() -> None:
    """Serve until standard input closes."""
    arguments = _parse()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.captureWarnings(True)
    # It would note every request otherwise.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    config.update_etc(str(arguments.configuration))
    server = _listen(arguments.port)
    threading.Thread(target=_shut_down_with_parent, args=(server,), daemon=True).start()
    print(json.dumps({"port": server.port}), flush=True)  # noqa: T201 - the protocol of this program
    server.serve_forever(poll_interval=0.1)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a Tryton database.")
    parser.add_argument("--configuration", type=Path, required=True, help="Tryton's configuration file")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    return parser.parse_args()


def _listen(port: int) -> BaseWSGIServer:
    """Load the models before the port opens: the first request is answered as fast as the others."""
    # These read the configuration while they are imported.
    from trytond.wsgi import app

    from prefect_crm_erp.sandbox.tryton.isolation import isolate
    from prefect_crm_erp.sandbox.tryton.passwords import keep_passwords_cheaply
    from prefect_crm_erp.sandbox.tryton.record_page import with_record_pages
    from prefect_crm_erp.sandbox.tryton.side_door import SideDoor

    isolate()
    keep_passwords_cheaply()
    # The clock is the side door's before Tryton opens its first connection.
    served = SideDoor(with_record_pages(app))
    Pool.start()
    Pool(DATABASE).init()
    _forget_failed_logins()
    return make_server(HOST, port, served, threaded=True, request_handler=served.request_handler())


def _forget_failed_logins() -> None:
    """Tests log in with wrong passwords; Tryton would let the right ones wait for minutes then."""
    attempts = Pool(DATABASE).get("res.user.login.attempt")
    attempts.add = lambda login, device_cookie=None: None


def _shut_down_with_parent(server: BaseWSGIServer) -> None:
    sys.stdin.buffer.read()
    server.shutdown()


if __name__ == "__main__":
    main()
