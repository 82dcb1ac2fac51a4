"""canaille, a real OpenID Connect provider, as a process over TLS: three people, two groups and two clients.

``python canaille_server.py SETTINGS CERTIFICATE KEY``. The password and the clients' secret are those below; what is
not in the settings is in memory, and made anew when the process starts.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import sys
from typing import Any

PASSWORD = "correct horse battery staple"
SECRET = "s" * 32
RESEARCHERS, AUDITORS = "hansa-researchers", "hansa-auditors"
PEOPLE = {"researcher": RESEARCHERS, "olga": AUDITORS, "igor": None}
"""With the group of each. The first bears the name of an embedded league's certified researcher."""
CLIENTS = ("hansa", "another")
REDIRECT = "http://127.0.0.1:1/back"


def settings(port: int, signing_key: str) -> str:
    """canaille's file of settings (TOML). No domain is trusted, so that people are asked for their consent."""
    return f"""\
SECRET_KEY = "{secrets.token_hex()}"
SERVER_NAME = "127.0.0.1:{port}"
PREFERRED_URL_SCHEME = "https"

[CANAILLE]
DATABASE = "memory"

[CANAILLE_OIDC]
TRUSTED_DOMAINS = []
ACTIVE_JWKS = [{json.dumps(signing_key)}]
"""


def main(file: str, certificate: str, key: str) -> None:
    os.environ["CANAILLE_CONFIG"] = file
    from canaille import create_app  # type: ignore[import-untyped]  # noqa: PLC0415  # in this process only
    from canaille.app import models  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
    from canaille.backends import Backend  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
    from werkzeug.serving import make_server  # noqa: PLC0415  # as above

    app = create_app()
    host, _, port = app.config["SERVER_NAME"].partition(":")
    with app.app_context(), Backend.instance.session():
        _add_people(models, Backend.instance)
        for name in CLIENTS:
            _add_client(models, Backend.instance, name)
    make_server(host, int(port), app, threaded=True, ssl_context=(certificate, key)).serve_forever()


def _add_people(models: Any, backend: Any) -> None:
    for name, group in PEOPLE.items():
        person = models.User(
            user_name=name, family_name=name, formatted_name=name, emails=[f"{name}@x.org"], password=PASSWORD
        )
        backend.save(person)
        if group is not None:
            backend.save(models.Group(display_name=group, members=[person]))


def _add_client(models: Any, backend: Any, name: str) -> None:
    client = models.Client(
        client_id=name,
        client_name=name,
        client_uri="http://127.0.0.1",
        client_secret=SECRET,
        client_id_issued_at=dt.datetime.now(dt.UTC),
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code"],
        response_types=["code"],
        scope=["openid", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    backend.save(client)
    client.audience = [client]
    backend.save(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
