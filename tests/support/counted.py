"""What a database is asked for meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bot.store.database import Database


class Counted(Struct):
    """Its values hold once the block is left."""

    trips: int = 0
    statements: int = 0


@contextmanager
def counted(database: Database) -> Iterator[Counted]:
    found, trips, statements = Counted(), database.trips, database.statements
    yield found
    found.trips = database.trips - trips
    found.statements = database.statements - statements
