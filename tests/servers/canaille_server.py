"""canaille, a real OpenID Connect provider, as a process: two people, one of them in a group, and two clients.

``python canaille_server.py PORT``. The password and the clients' secrets are those below; all is in memory.
"""

from __future__ import annotations

import datetime as dt
import secrets
import sys
from typing import Any

PASSWORD = "correct horse battery staple"
SECRET = "s" * 32
GROUP = "hansa-researchers"
REDIRECT = "http://127.0.0.1:1/back"


def main(port: int) -> None:
    from canaille import create_app  # type: ignore[import-untyped]  # noqa: PLC0415  # in this process only
    from canaille.app import models  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
    from canaille.backends import Backend  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
    from werkzeug.serving import make_server  # noqa: PLC0415  # as above

    settings = {
        "SECRET_KEY": secrets.token_hex(),
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"DATABASE": "memory"},
        "CANAILLE_OIDC": {},
    }
    app = create_app(settings)
    with app.app_context(), Backend.instance.session():
        people = [
            models.User(
                user_name=name, family_name=name, formatted_name=name, emails=[f"{name}@x.org"], password=PASSWORD
            )
            for name in ("olga", "igor")
        ]
        for person in people:
            Backend.instance.save(person)
        Backend.instance.save(models.Group(display_name=GROUP, members=people[:1]))
        for name in ("hansa", "another"):
            _add_client(models, Backend, name)
    make_server("127.0.0.1", port, app, threaded=True).serve_forever()


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
    backend.instance.save(client)
    client.audience = [client]
    backend.instance.save(client)


if __name__ == "__main__":
    main(int(sys.argv[1]))
