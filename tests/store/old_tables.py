"""The tables of SQLite stores as the last version made them that kept no revisions: not to be changed."""

from __future__ import annotations

HUB = """
CREATE TABLE journal (
    run VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    request BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE TABLE results (
    run VARCHAR NOT NULL,
    study VARCHAR NOT NULL,
    question BLOB NOT NULL,
    result VARCHAR NOT NULL,
    PRIMARY KEY (run),
    UNIQUE (question, study)
);
CREATE TABLE witnessed (
    node VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (node)
);
CREATE TABLE log_entries (
    "index" INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    payload BLOB NOT NULL,
    salt BLOB NOT NULL,
    PRIMARY KEY ("index")
);
CREATE TABLE log_tree (
    level INTEGER NOT NULL,
    "index" INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, "index")
);
"""

NODE = """
CREATE TABLE studies (
    study VARCHAR NOT NULL,
    envelope BLOB NOT NULL,
    decision VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    permit VARCHAR,
    rounds_used INTEGER NOT NULL,
    PRIMARY KEY (study)
);
CREATE TABLE persons (
    identifier VARCHAR NOT NULL,
    code INTEGER NOT NULL,
    PRIMARY KEY (identifier),
    UNIQUE (code)
);
CREATE TABLE epochs (
    purpose VARCHAR NOT NULL,
    number INTEGER NOT NULL,
    opened VARCHAR NOT NULL,
    people BLOB NOT NULL,
    decoys BLOB NOT NULL,
    PRIMARY KEY (purpose, number)
);
CREATE TABLE populations (
    id VARCHAR NOT NULL,
    roster VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,
    study VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    derived BOOLEAN NOT NULL,
    release BOOLEAN NOT NULL,
    variables VARCHAR NOT NULL,
    people BLOB NOT NULL,
    PRIMARY KEY (id, roster, epoch, release, study)
);
CREATE TABLE answered (
    digest BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (digest, epoch)
);
CREATE TABLE ledger (
    number INTEGER NOT NULL,
    at VARCHAR NOT NULL,
    study VARCHAR NOT NULL,
    run VARCHAR NOT NULL,
    round INTEGER,
    step VARCHAR NOT NULL,
    array VARCHAR NOT NULL,
    shape VARCHAR NOT NULL,
    disclosure VARCHAR NOT NULL,
    bytes INTEGER NOT NULL,
    receiver VARCHAR NOT NULL,
    checks VARCHAR NOT NULL,
    PRIMARY KEY (number)
);
CREATE TABLE releases (
    question BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    envelope BLOB NOT NULL,
    PRIMARY KEY (question, epoch)
);
CREATE TABLE audit (
    number INTEGER NOT NULL,
    at VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    study VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    PRIMARY KEY (number)
);
CREATE TABLE checkpoints (
    origin VARCHAR NOT NULL,
    note VARCHAR NOT NULL,
    PRIMARY KEY (origin)
);
"""
