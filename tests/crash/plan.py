"""What a scenario does, drawn from its seed: commands, mishaps, and the deaths of the process."""

import random
from collections.abc import Sequence
from enum import StrEnum, auto

from msgspec import Struct, field

from tests.crash.boundaries import all_boundaries

#: seconds; a kill at random comes within this time after the start, or after the last command
RANDOM_KILL_S_MAX = 1.2
#: seconds that pass before the next start. After 3 minutes Discord has forgotten a nonce, after
#: 15 a token is dead, after an hour nobody wants what was never submitted; within 23 hours the
#: allowance is mostly refilled while holds are open.
DOWNTIMES_S = (0.0,) * 12 + (240.0,) * 2 + (1_000.0,) * 2 + (4_000.0, 82_800.0)
#: seconds; see Command.repeat_after_s
REPEATS_S = (None, 0.0, 0.0, 0.02, 0.3)
#: kills in a row
CHAIN_MAX = 4
MEMBERS = ("Ada", "Ben", "Cleo")
CHANNELS = ("studio", "studio", "after-dark", "mockups", "dm")


class Kind(StrEnum):
    PLAIN = auto()
    SEVERAL = auto()
    REFERENCES = auto()
    PRIVATE = auto()
    EDIT = auto()
    #: the provider's filter refuses it
    MODERATED = auto()
    #: the domain refuses it: nothing is held
    REFUSED = auto()
    #: its member presses Cancel
    CANCELLED = auto()
    #: Discord takes its result nowhere
    UNDELIVERABLE = auto()


class Mishap(StrEnum):
    PROVIDER_FAILS = auto()
    #: so that the next route takes the image on
    PROVIDER_OVERLOADED = auto()
    PROVIDER_BUSY = auto()
    SUBMIT_CUT_OFF = auto()
    POLL_FAILS = auto()
    RESULT_CUT_OFF = auto()
    ANSWER_LOST = auto()
    EDIT_LIMITED = auto()
    EDIT_LOST = auto()


class Command(Struct, frozen=True):
    kind: Kind
    member: str
    channel: str
    #: found in no other command
    prompt: str
    count: int = 1
    references: int = 0
    #: seconds after which Discord sends it again, and a press on its button; None: it does not
    repeat_after_s: float | None = None

    @property
    def private(self) -> bool:
        return self.kind in (Kind.PRIVATE, Kind.UNDELIVERABLE)


class Life(Struct, frozen=True):
    """One process, from start to kill."""

    commands: tuple[Command, ...] = ()
    #: a boundary, and which time it is reached; empty: at a random moment
    kill_at: str = ""
    #: of a random moment: after the start, or after the commands where there are any
    kill_after_s: float = 0.0
    #: until the next start
    downtime_s: float = 0.0
    #: /history is asked for
    looks_back: bool = False
    #: Discord sends this process what it sent those before it
    repeats: bool = False


class Plan(Struct, frozen=True):
    seed: int
    #: as `plan` was called with
    kill_at: str
    lives: tuple[Life, ...]
    mishaps: tuple[Mishap, ...] = ()
    #: median of the provider's time
    latency_s: float = 0.2
    #: every command is deferred first
    defers: bool = False

    @property
    def repeat(self) -> str:
        """What to call it with again."""
        boundary = self.kill_at and f" --kill-at {self.kill_at}"
        return f"python -m tests.crash --scenario {self.seed}{boundary}"


#: what a boundary is only reached with
NEEDS: dict[str, Kind | Mishap] = {
    "jobs.cancel": Kind.CANCELLED,
    "jobs.find": Kind.CANCELLED,
    "wire.update": Kind.CANCELLED,
    "jobs.refund": Kind.UNDELIVERABLE,
    "tasks.failed": Kind.MODERATED,
    "tasks.not_accepted": Mishap.PROVIDER_BUSY,
    "tasks.fall_back": Mishap.PROVIDER_OVERLOADED,
    "fetcher.check": Mishap.PROVIDER_OVERLOADED,
    "fetcher.convert": Kind.EDIT,
    "provider.upload": Kind.EDIT,
    "wire.find_answer": Mishap.ANSWER_LOST,
    "wire.tell": Kind.REFUSED,
    "wire.tell_instead": Kind.REFUSED,
}
#: what is only reached where every command is deferred
DEFERRED = {"wire.defer", "wire.tell_instead"}
#: where a resumed job may pass
RESUMED = [
    boundary
    for boundary in all_boundaries()
    if boundary.partition(":")[2].partition(".")[2]
    in {
        *(
            "claim",
            "free_leases",
            "without_use",
            "look",
            "of_job",
            "to_deliver",
            "begin_submit",
            "submitted",
            "stored",
        ),
        *("failed", "fall_back", "finish", "submit", "poll", "fetch", "check"),
        *("deliver", "deliver/call"),
        *("rename", "unlink"),
    }
]
#: kills in a row, with the time between them, that no chance would find often
CHAINS: Sequence[Sequence[tuple[str, float]]] = (
    # Posted in the channel because nothing was answered; the nonce is forgotten by the next start.
    (("before:wire.answer", 0.0), ("after:messenger.deliver/call", 240.0)),
    (("after:accept.accept_or_keep", 0.0), ("before:jobs.finish", 0.0)),
    # Nobody committed which message answered; the result is edited into it, and its token dies.
    (("before:jobs.hand_over", 0.0), ("after:messenger.deliver/call", 1_000.0)),
    # The token dies between the edit and its commit.
    (("before:jobs.finish", 1_000.0),),
    (("after:messenger.deliver/call", 1_000.0), ("before:jobs.finish", 0.0)),
    # It dies while the job is with the provider.
    (("after:tasks.submitted", 1_000.0), ("after:messenger.deliver/call", 0.0)),
    (("after:tasks.submitted", 1_000.0), ("after:messenger.deliver/call", 240.0)),
    (("commit:tasks.stored", 0.0), ("after:file.rename", 0.0), ("commit:jobs.finish", 0.0)),
)


class Draw(Struct):
    """The commands of one plan, each with a prompt of its own."""

    chance: random.Random
    seed: int
    count: int = field(default=0)

    def command(self, kind: Kind | None = None, rival: Command | None = None) -> Command:
        """With a rival, of the same member in the same channel."""
        kind = kind or self.chance.choice(list(Kind))
        self.count += 1
        words = "a nude lantern" if kind is Kind.MODERATED else "a lantern"
        references = 0
        if kind in (Kind.EDIT, Kind.REFERENCES):
            references = self.chance.randint(1, 3)
        return Command(
            kind,
            rival.member if rival else self.chance.choice(MEMBERS),
            rival.channel if rival else self.chance.choice(CHANNELS),
            f"{words} {self.seed} of {self.count:03}",
            count=self.chance.randint(2, 3) if kind is Kind.SEVERAL else 1,
            references=references,
            repeat_after_s=self.chance.choice(REPEATS_S),
        )

    def commands(self, count: int) -> list[Command]:
        """A member who cancels has another job under way, so that the second one waits."""
        drawn = [self.command() for _ in range(count)]
        return [each for one in drawn for each in self.with_rival(one)]

    def with_rival(self, command: Command) -> list[Command]:
        if command.kind is not Kind.CANCELLED:
            return [command]
        return [self.command(Kind.SEVERAL, command), command]


def plan(seed: int, kill_at: str = "") -> Plan:
    """
    Args:
        kill_at: the first process dies there; "chain" takes one of CHAINS; empty: at random.
    """
    chance = random.Random(f"{seed} {kill_at}")
    draw = Draw(chance, seed)
    name = kill_at.partition("#")[0].partition(":")[2]
    needed = NEEDS.get(name.partition("/")[0])
    first = draw.commands(chance.randint(2, 4))
    if isinstance(needed, Kind):
        first += draw.with_rival(draw.command(needed))
    if kill_at == "chain":
        lives = _chain(chance, draw)
    else:
        looks_back = "history" in kill_at or chance.random() < 0.2
        lives = [_life(chance, first, kill_at, looks_back=looks_back), *_more(chance, draw)]
    mishaps = [mishap for mishap in Mishap if chance.random() < 0.12 and kill_at != "chain"]
    if isinstance(needed, Mishap):
        mishaps.append(needed)
    return Plan(
        seed,
        kill_at,
        tuple(lives),
        tuple(mishaps),
        latency_s=chance.choice((0.0, 0.15, 0.4)) if name != "jobs.cancel" else 0.4,
        defers=name in DEFERRED or chance.random() < 0.15,
    )


def _life(
    chance: random.Random, commands: Sequence[Command], kill_at: str, *, looks_back: bool = False
) -> Life:
    return Life(
        tuple(commands),
        kill_at,
        chance.uniform(0, RANDOM_KILL_S_MAX),
        chance.choice(DOWNTIMES_S),
        looks_back,
        repeats=chance.random() < 0.5,
    )


def _more(chance: random.Random, draw: Draw) -> list[Life]:
    """Most processes are followed by a healthy one; some by others that die."""
    lives = []
    while len(lives) < CHAIN_MAX - 1 and chance.random() < 0.4:
        commands = draw.commands(chance.choice((0, 0, 1)))
        kill_at = chance.choice(RESUMED) if chance.random() < 0.6 else ""
        lives.append(_life(chance, commands, kill_at))
    return lives


def _chain(chance: random.Random, draw: Draw) -> list[Life]:
    chain = chance.choice(CHAINS)
    kind = chance.choice((Kind.PLAIN, Kind.SEVERAL, Kind.PRIVATE, Kind.EDIT, Kind.MODERATED))
    lives = [Life((), kill_at, 0.0, downtime_s) for kill_at, downtime_s in chain]
    first = Life((draw.command(kind),), lives[0].kill_at, 0.0, lives[0].downtime_s)
    return [first, *lives[1:]]
