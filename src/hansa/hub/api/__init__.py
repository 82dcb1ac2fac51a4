"""The hub's REST interface: studies, runs and log for researchers, auditors and stewards."""

from hansa.hub.api.app import make_app
from hansa.hub.api.identity import Identity, Role
from hansa.hub.api.oidc import OidcSettings
from hansa.hub.api.service import ApiLimits, ApiService, CohortSeen
from hansa.hub.api.tokens import PersonalToken, list_tokens, make_token, revoke_token

__all__ = [
    "ApiLimits",
    "ApiService",
    "CohortSeen",
    "Identity",
    "OidcSettings",
    "PersonalToken",
    "Role",
    "list_tokens",
    "make_app",
    "make_token",
    "revoke_token",
]
