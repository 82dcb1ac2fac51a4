from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import hansa
from hansa.governance import Policy, read_policy
from hansa.model import Party, Places, Purpose, Study

TODAY = dt.date(2027, 3, 1)
NODES = ("cleveland", "budapest", "zurich", "long_beach")
NODE_FACTS: dict[str, Any] = {"consent.register": True}

HOSPITAL = Party(
    name="University Hospital",
    kind="hospital",
    seat="NL",
    owner="itself",
    owner_kind="hospital",
    owner_country="NL",
)
SUBSIDIARY = Party(name="Wellness Analytics", kind="company", seat="IE")

DEMO = Study(
    id="demo",
    title="Risk of coronary artery disease",
    purpose=Purpose(
        statement="risk factors", terms=("DUO:0000007",), disease="MONDO:0005010", uses=(), commercial=False
    ),
    requester=HOSPITAL,
    places=Places(computing="NL", results=("NL",)),
    cohorts=NODES,
    min_nodes=3,
    lay_summary="Who is at risk of heart disease?",
    valid_until=dt.date(2028, 3, 1),
    ethics_approval="METC 2027-001",
    collaboration_agreed=True,
    returns_results=True,
)
INSURER = DEMO.model_copy(
    update={
        "id": "insurer",
        "requester": SUBSIDIARY,
        "purpose": DEMO.purpose.model_copy(update={"commercial": True, "uses": None}),
        "ethics_approval": None,
    }
)


def study(**changes: Any) -> Study:
    """The demo study with changed fields; nested ones as ``requester__kind``."""
    plain = DEMO.model_dump()
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = plain
        for part in parents:
            place = place[part]
        place[last] = value
    return Study.model_validate(plain)


def example(node: str) -> Policy:
    folder = Path(hansa.__file__).parent / "examples" / "policies"
    return read_policy((folder / f"{node}.yaml").read_text("utf-8"))
