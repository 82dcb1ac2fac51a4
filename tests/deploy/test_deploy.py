"""What stands in ``deploy/``: units that take away what daemons do not need; a container's rules."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from hansa.cli.main import hansa

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = {"hansa-node": "node", "hansa-hub": "hub"}
HARDENED = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "ProtectKernelTunables": "true",
    "ProtectKernelModules": "true",
    "ProtectControlGroups": "true",
    "ProtectProc": "invisible",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictSUIDSGID": "true",
    "LockPersonality": "true",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "StateDirectoryMode": "0700",
    "UMask": "0077",
    "LimitCORE": "0",
}


def settings(text: str) -> dict[str, list[str]]:
    """A unit's settings, sections aside; what is said twice has two values."""
    found = defaultdict(list)
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found[name].append(value)
    return dict(found)


def unit(name: str) -> dict[str, list[str]]:
    return settings((DEPLOY / f"{name}.service").read_text(encoding="utf-8"))


def faults_of(text: str, folder: Path, name: str = "hansa-node") -> str:
    """What systemd says to a unit."""
    place = folder / f"{name}.service"
    # Hansa is not installed there where the tests run.
    place.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(place)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")


# --- systemd ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here; tests below read the units")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_reads_the_units(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / f"{name}.service").read_text(encoding="utf-8")
    assert name in faults_of(text.replace("PrivateTmp=", "PrivateTemp="), tmp_path, name), "it would say what is wrong"
    assert name not in faults_of(text, tmp_path, name)


@pytest.mark.parametrize("name", UNITS)
def test_units_take_away_what_daemons_do_not_need(name: str) -> None:
    found = unit(name)
    assert {key: found.get(key) for key in HARDENED} == {key: [value] for key, value in HARDENED.items()}
    assert found["ProtectHome"] in (["true"], ["read-only"])
    assert re.fullmatch(r"\d+G", found["MemoryMax"][0])
    assert found["User"] == found["Group"] == found["StateDirectory"] == [name]
    allowed = [] if name == "hansa-node" else ["CAP_NET_BIND_SERVICE"]
    assert [one for key in ("CapabilityBoundingSet", "AmbientCapabilities") for one in found[key] if one] == 2 * allowed


@pytest.mark.parametrize(("name", "group"), UNITS.items())
def test_units_start_a_command_that_exists_over_the_folder_that_they_may_write(name: str, group: str) -> None:
    program, *words = shlex.split(unit(name)["ExecStart"][0])
    assert program == "/opt/hansa/bin/hansa"
    assert words[:2] == [group, "serve"]
    assert words[words.index("--folder") + 1] == f"/var/lib/{name}/{group}"
    known = CliRunner().invoke(hansa, [group, "serve", "--help"]).output
    assert all(word in known for word in words if word.startswith("--"))


def test_users_and_folders_are_those_of_the_units() -> None:
    users = [line.split()[1] for line in rows("hansa.sysusers.conf")]
    assert users == list(UNITS)
    for line in rows("hansa.tmpfiles.conf"):
        kind, folder, mode, user, group, _ = line.split()
        assert (kind, folder, mode, group) == ("d", f"/var/lib/{user}", "0700", user)
        assert user in users


def rows(name: str) -> list[str]:
    return [line for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


# --- container ----------------------------------------------------------------------------------------------

SECRET = re.compile(r"password|secret|token|\.key\b|-----BEGIN|keys/", re.IGNORECASE)


def instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    return [(line.split()[0].upper(), line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def breaches(text: str) -> list[str]:
    """The rules that a Containerfile breaks."""
    steps = instructions(text)
    last = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    final = dict(steps[last:])
    exec_form = all(rest.startswith("[") for word, rest in steps if word in {"RUN", "CMD", "ENTRYPOINT"})
    user = final.get("USER", "0").split(":")[0]
    rules = {
        "the base is given by its digest": all("@${DIGEST}" in rest for word, rest in steps if word == "FROM")
        and ("ARG", "DIGEST") in steps,
        "nothing is added from elsewhere": not any(word == "ADD" or "://" in rest for word, rest in steps),
        "it runs as a user that is not root": user.isdecimal() and int(user) >= 1000,
        "no shell is needed": exec_form,
        "it holds no secret": not any(SECRET.search(rest) for _, rest in steps),
        "packages are those of the lock file": sum("pip" in rest for _, rest in steps)
        == sum("--require-hashes" in rest or "--no-deps" in rest for _, rest in steps),
        "only what is needed is copied": not any(
            word == "COPY" and re.search(r"(^|\s)\.\s", rest) for word, rest in steps
        ),
    }
    return [name for name, kept in rules.items() if not kept]


def containerfile() -> str:
    return (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def test_the_containerfile_keeps_the_rules() -> None:
    assert breaches(containerfile()) == []


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("python@${DIGEST}\n", "python:3.11\n", "the base is given by its digest"),
        ("ARG DIGEST\n", "ARG DIGEST=sha256:00\n", "the base is given by its digest"),
        ("COPY src", "ADD https://example.org/x.tar", "nothing is added from elsewhere"),
        ("USER 10001:10001\n", "", "it runs as a user that is not root"),
        ("USER 10001:10001", "USER root", "it runs as a user that is not root"),
        ('ENTRYPOINT ["/opt/hansa/bin/hansa"]', "ENTRYPOINT hansa", "no shell is needed"),
        ("WORKDIR /data", "ENV DB_PASSWORD=x", "it holds no secret"),
        ("WORKDIR /data", "COPY node/keys/sign.key /data/", "it holds no secret"),
        ('"--require-hashes", ', "", "packages are those of the lock file"),
        ("COPY src /src/src", "COPY . /src", "only what is needed is copied"),
    ],
)
def test_a_containerfile_that_breaks_a_rule_is_found(old: str, new: str, broken: str) -> None:
    assert old in containerfile()
    assert broken in breaches(containerfile().replace(old, new))


def test_what_the_containerfile_copies_is_there() -> None:
    for word, rest in instructions(containerfile()):
        if word == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest
