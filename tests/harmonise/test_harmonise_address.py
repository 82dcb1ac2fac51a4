from __future__ import annotations

import pytest

from hansa.errors import DataError
from hansa.harmonise import open_source
from hansa.harmonise.address import is_server, server_address

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("address", "parameters", "table"),
    [
        ("postgresql://u@h:5433/d?table=s.t", {"user": "u", "host": "h", "port": "5433", "dbname": "d"}, "s.t"),
        ("postgres://h/d?table=t", {"host": "h", "dbname": "d"}, "t"),
        ("POSTGRESQL:///d?table=t", {"dbname": "d"}, "t"),
        ("postgresql://?table=t", {}, "t"),
        ("postgresql://u%40x@%2Ftmp%2FHere/d?table=t", {"user": "u@x", "host": "/tmp/Here", "dbname": "d"}, "t"),
        ("postgresql://u@[::1]:1/d?table=t", {"user": "u", "host": "::1", "port": "1", "dbname": "d"}, "t"),
        ("postgresql://h/d?table=a%26b%3D%22c%22", {"host": "h", "dbname": "d"}, 'a&b="c"'),
        ("postgresql://h/d?table=a+b=c?d", {"host": "h", "dbname": "d"}, "a+b=c?d"),
    ],
)
def test_an_address_is_read_as_libpq_reads_it(address: str, parameters: dict[str, str], table: str) -> None:
    assert is_server(address)
    found = server_address(address)
    assert (found.parameters, found.table) == (parameters, table)


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://u:{SECRET}@h/d?table=t",
        f"postgresql://u:{SECRET}@x@h/d?table=t",
        f"postgresql://u:{SECRET}/x@h/d?table=t",
        f"postgresql://u:1/{SECRET}@h/d?table=t",
        f"postgresql://u:{SECRET}?x@h/d?table=t",
        f"postgresql://u:{SECRET}#x@h/d?table=t",
        f"postgresql://:{SECRET}@h/d?table=t",
        f"postgresql://h/d?password={SECRET}&table=t",
        f"postgresql://h/d?table=t&password={SECRET}",
        f"postgresql://h/d?table=t&PassWord={SECRET}",
        f"postgresql://h/d?table=t&sslpassword={SECRET}",
        f"postgresql://h/d?table=t#{SECRET}",
        f"postgresql://[{SECRET}/d?table=t",
        f"postgresql://h:{SECRET}/d?table=t",
        f"postgresql://h/{SECRET}",
        f"postgresql://h/{SECRET}%00?table=t",
        f"postgresql://h/d?table={SECRET}%00",
        f"postgresql://h/{SECRET}?table=",
        f"postgresql://h/{SECRET}?host=/tmp",
    ],
)
def test_an_address_with_a_password_or_more_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(address)
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    if f":{SECRET}@" in address:
        assert "password" in caught.value.what
        assert "PGPASSFILE" in caught.value.fix


@pytest.mark.parametrize("other", ["data.csv", "postgresql", "/postgresql://h", "mysql://h/d?table=t", 7])
def test_anything_else_is_no_server(other: object) -> None:
    assert not is_server(other)
