"""A node's policy: its rules, its own tighter thresholds, and what a permit under it is worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

import yaml
from pydantic import Field, model_validator

from hansa.errors import PolicyError
from hansa.governance.rules import CallerOwnsData, Rule
from hansa.model import Identifier, Value, read_value
from hansa.model.yaml import parse_yaml

__all__ = ["Policy", "owner_policy", "policy_hash", "policy_label", "read_policy"]


class Policy(Value):
    """What one node allows.

    ``disclosure`` are thresholds tighter than the league's (``group``, ``cell``, ``differing``, ...), plain
    numbers that the disclosure rules read; ``alone_ok`` says that totals which give this node's share away
    may be asked; ``rounds`` is the budget of a permit and ``permit_days`` how long it lasts.
    """

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    node: str = Field(min_length=1)
    rules: tuple[Rule, ...] = ()
    disclosure: dict[Identifier, float] = Field(default_factory=dict)
    alone_ok: bool = False
    rounds: int = Field(default=1000, ge=1)
    permit_days: int = Field(default=90, ge=1)

    @model_validator(mode="after")
    def _rules_told_apart(self) -> Self:
        labels = [rule.label for rule in self.rules]
        if len(set(labels)) != len(labels):
            raise ValueError("two rules of one kind need a name each, and each name stands once")
        return self


def read_policy(source: str | Mapping[str, Any]) -> Policy:
    """Read a policy from YAML text or plain data.

    Only ``true`` and ``false`` are truth values here, so that the country code NO stays Norway; a key that
    stands twice is an error, so that no rule is lost in silence.

    Raises
    ------
    PolicyError
        If the text is no YAML or a field does not fit; ``field`` names it.

    Examples
    --------
    >>> policy = read_policy('''
    ... name: example
    ... version: "1"
    ... node: oslo
    ... rules:
    ...   - {rule: seat_in, countries: [NO, EU]}
    ... ''')
    >>> policy.rules[0].countries
    ('NO', 'EU')
    """
    return read_value(Policy, _parse(source) if isinstance(source, str) else source, error=PolicyError)


def policy_hash(policy: Policy) -> bytes:
    """SHA-256 of the policy's canonical JSON (sorted keys, UTF-8), under the context ``hansa/policy/1``.

    Examples
    --------
    >>> policy_hash(owner_policy("a")) == policy_hash(owner_policy("b"))
    False
    """
    plain = json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(b"hansa/policy/1\0" + plain.encode()).digest()


def policy_label(policy: Policy) -> str:
    """The policy's name, version and hash, as decisions quote it."""
    return f"{policy.name} {policy.version} sha256:{policy_hash(policy).hex()}"


def owner_policy(node: str) -> Policy:
    """The explicit policy "the caller owns these data", which embedded calls without a policy sign.

    It permits only where the node knows that the caller owns the data (``requester.owns_data``).
    """
    return Policy(
        name="the caller owns these data",
        version="1",
        node=node,
        rules=(CallerOwnsData(),),
        alone_ok=True,
        rounds=100_000,
        permit_days=365,
    )


class _PolicyLoader(yaml.SafeLoader):
    """YAML without the truth values yes, no, on and off, and without repeated keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the library's own class attribute, replaced whole
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag != "tag:yaml.org,2002:bool" or first in ("t", "T", "f", "F")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping in which each key stands once."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "a key stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _parse(text: str) -> Any:
    try:
        return parse_yaml(text, _PolicyLoader)
    except yaml.YAMLError as invalid:
        mark = getattr(invalid, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        raise PolicyError(
            "this policy is not readable YAML",
            why=getattr(invalid, "problem", None) or "its form is wrong",
            fix="correct the text; each key stands once",
            field=place,
        ) from None
