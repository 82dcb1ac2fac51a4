from __future__ import annotations

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from harmonise_cases import read_all
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import Server

from hansa.errors import DataError
from hansa.harmonise import postgres
from hansa.model import Dictionary, Variable


def test_types_are_read_as_their_kinds(server: Server) -> None:
    server.run(
        "DROP TABLE IF EXISTS typed; DROP DOMAIN IF EXISTS pressure; DROP TYPE IF EXISTS mood",
        "CREATE TYPE mood AS ENUM ('z', 'b'); CREATE DOMAIN pressure AS smallint",
        "CREATE TABLE typed AS SELECT 'b'::mood AS kind, 1.50::numeric(5, 2) AS price, 2.5::numeric AS loose, "
        "7::pressure AS small, 'ab '::char(4) AS padded, 0.1::real AS single, timestamp '1970-01-03 10:00' AS stamp, "
        "'00000000-0000-0000-0000-000000000001'::uuid AS who, 'nan'::numeric(3, 1) AS nothing, "
        "now() AS zoned, '{}'::jsonb AS tree, ARRAY[1] AS list, interval '1 day' AS span",
    )
    variables = (
        Variable(name="kind", type="category", levels=("a", "b")),
        Variable(name="price", type="category", levels=("1.5", "1.50")),
        Variable(name="loose", type="number"),
        Variable(name="small", type="integer"),
        Variable(name="padded", type="category", levels=("ab",)),
        Variable(name="single", type="number"),
        Variable(name="stamp", type="date"),
        Variable(name="nothing", type="number"),
    )
    refused = {"zoned": "TIMESTAMP WITH TIME ZONE", "tree": "JSONB", "list": "INTEGER[]", "span": "INTERVAL"}
    others = tuple(Variable(name=name, type="number") for name in refused)
    dictionary = Dictionary(person="who", variables=(*variables, *others))
    names = [variable.name for variable in variables]
    columns, people, counts = read_all(server.address("typed"), dictionary, names)
    assert people == ["00000000-0000-0000-0000-000000000001"]
    found = [columns[name].tolist()[0] for name in names[:-1]]
    assert found == [1.0, 1.0, 2.5, 7.0, 0.0, float(np.float32(0.1)), 2.0]
    assert np.isnan(columns["nothing"][0])
    assert set(counts.values()) == {0}
    for name, stored in refused.items():
        with pytest.raises(DataError, match=stored.replace("[]", "")) as caught:
            read_all(server.address("typed"), dictionary, [name])
        assert caught.value.field == name


def test_days_beyond_the_calendar_are_undeclared_and_not_mistaken(server: Server) -> None:
    days = ["infinity", "-infinity", "0044-03-15 BC", "12000-01-01", "9999-12-31", "0001-01-01", "1969-12-31"]
    server.run(
        "DROP TABLE IF EXISTS days",
        "CREATE TABLE days AS SELECT d::date AS day, d::timestamp AS stamp "
        f"FROM unnest('{{{','.join(days)}}}'::text[]) d",
    )
    dictionary = Dictionary(variables=tuple(Variable(name=name, type="date") for name in ("day", "stamp")))
    columns, _, counts = read_all(server.address("days"), dictionary, ["day", "stamp"])
    for name in ("day", "stamp"):
        np.testing.assert_array_equal(columns[name], [np.nan] * 4 + [2932896.0, -719162.0, -1.0])
        assert counts[name] == 4


texts = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6)
doubles = st.none() | st.floats(allow_nan=False)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(texts, doubles), min_size=1, max_size=12))
def test_texts_and_doubles_arrive_unchanged(server: Server, rows: list[tuple[str | None, float | None]]) -> None:
    table = pa.table(
        {"text": pa.array([r[0] for r in rows], pa.string()), "x": pa.array([r[1] for r in rows], pa.float64())}
    )
    opened = postgres.open_table(server.load(table, "texts"))
    for position, values in ((0, [row[0] for row in rows]), (1, [row[1] for row in rows])):
        found = opened.stream([position]).reader.read_all()["c0"].to_pylist()
        assert found == values
        assert [str(value) for value in found] == [str(value) for value in values]  # -0.0 is not 0.0


def test_text_that_is_not_utf8_is_refused_and_not_shown(server: Server) -> None:
    server.run("DROP DATABASE IF EXISTS raw", "CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0")
    with psycopg.connect(host=str(server.folder), user="hansa", dbname="raw", autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT E'caf\\xe9'::text AS who, 1.0::float8 AS x")
    address = server.address("t").replace("/postgres?", "/raw?")
    dictionary = Dictionary(person="who", variables=(Variable(name="x", type="number"),))
    with pytest.raises(DataError) as caught:
        read_all(address, dictionary, ["x"])
    assert "caf" not in str(caught.value)
