"""
Runs the migrations on an open connection. Only this module loads Alembic, and with it SQLAlchemy,
at run time.
"""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.pool import StaticPool

MIGRATIONS = Path(__file__).parent


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def upgrade(raw: sqlite3.Connection, revision: str = "head") -> None:
    """
    Apply every migration that the database lacks, up to a revision, in one transaction.

    Raises:
        sqlite3.Error: one failed, and nothing has changed.
    """
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: raw,
        poolclass=StaticPool,
        # An error that quotes a statement must not quote prompts or tokens with it.
        hide_parameters=True,
    )
    config = _config()
    try:
        with engine.connect() as connection:
            # Not earlier, because SQLAlchemy rolls back as it connects.
            raw.execute("BEGIN IMMEDIATE")
            with connection.begin():
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
    except sa.exc.DBAPIError as error:
        raise error.orig or error from error
