"""The log: one JSON object a line, built so that personal data cannot get in by accident (policy 9.2).

An event is a member of a closed list, a fact is an id, a count, a code or a span: the function that writes takes nothing else.
What libraries log through `logging` is reduced to who spoke, how loudly, the type of an exception and the place in the code:
their texts may quote a statement, a header or a row. Python's own last resorts (uncaught exceptions of threads, tasks,
finalisers) go the same way.
"""

import asyncio
import logging
import sys
import threading
import types
import warnings
from collections.abc import Mapping, MutableMapping
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

import structlog

OURS: Final = Path(__file__).resolve().parents[2]  # the folder that holds `gateway` and `scopes`
PLACES: Final = 5  # of a traceback, innermost last

# What uvicorn takes so that it neither configures logging itself nor writes paths, which hold documents in a GET
UVICORN_OPTIONS: Final[Mapping[str, Any]] = {"log_config": None, "access_log": False, "server_header": False, "date_header": True}

Fact = int | float | bool | UUID | Enum | None


class Event(StrEnum):
    """All that the gateway itself logs."""

    STARTED = "started"
    STOPPED = "stopped"
    MIGRATED = "migrated"
    DISCLOSED = "disclosed"
    REFUSED = "refused"
    DEFECT = "defect"
    DATABASE_LOST = "database_lost"
    DATABASE_BACK = "database_back"
    VIEW_LOADED = "view_loaded"
    KEY_ROTATED = "key_rotated"
    PURGED = "purged"
    LIBRARY = "library"
    UNCAUGHT = "uncaught"
    WARNING = "warning"


class Fields(StrEnum):
    """All the names that a fact can have; the type says what can stand under it."""

    REQUEST = auto()
    DISCLOSURE = auto()
    PARTNER = auto()
    TOKEN = auto()
    REFUSAL = auto()
    CODE = auto()
    STATUS = auto()
    SUBJECTS = auto()
    WITHHELD = auto()
    COST = auto()
    COUNT = auto()
    PORT = auto()
    WORKER = auto()
    MILLISECONDS = auto()
    VERSION = auto()


class UnloggableError(TypeError):
    """A name or a value that the log does not take. Names the field, never the value."""


def log(event: Event, *, error: BaseException | None = None, **facts: Fact) -> None:
    """Writes one line. facts: names of `Fields`; numbers, UUIDs and members of enumerations only. error: its type and places.

    Raises UnloggableError: a defect of the caller, found by its tests.
    """
    entry: dict[str, object] = {}
    for name, value in facts.items():
        if name not in _FIELD_NAMES:
            raise UnloggableError(name)
        entry[name] = _plain(name, value)
    if error is not None:
        entry.update(describe(error))
    if not isinstance(event, Event):
        raise UnloggableError("event")
    structlog.get_logger().info(event.value, **entry)


def describe(error: BaseException) -> dict[str, object]:
    """An exception without its text: type, and the last places in our own code as file:line."""
    kind = type(error)
    return {"error": f"{kind.__module__}.{kind.__qualname__}", "at": places(error.__traceback__)}


def places(traceback: types.TracebackType | None) -> list[str]:
    """Where it happened, our own files only, outermost first."""
    found: list[str] = []
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if path.is_relative_to(OURS) and ".venv" not in path.parts and "site-packages" not in path.parts:
            found.append(f"{path.relative_to(OURS)}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return found[-PLACES:]


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Makes this process's only log. stream: standard error unless given. Call once, before the event loop starts."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at_time"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = Tamed(level)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    for name in ("uvicorn.access", "asyncpg"):
        logging.getLogger(name).disabled = True
    logging.raiseExceptions = False  # its own failures are printed with the record's arguments
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread
    warnings.showwarning = _warned


def quieten(loop: asyncio.AbstractEventLoop) -> None:
    """The event loop's complaints (a task whose exception nobody awaited) carry the exception; only its type is kept."""
    loop.set_exception_handler(_loop_complaint)


class Tamed(logging.Handler):
    """What a library logs: its name, the level, the place that spoke, the type of an exception. Never its words."""

    def emit(self, record: logging.LogRecord) -> None:
        entry: dict[str, object] = {"logger": _name(record.name), "level": record.levelname, "spoke": _spoke(record)}
        if record.exc_info and record.exc_info[1] is not None:
            entry.update(describe(record.exc_info[1]))
        structlog.get_logger().info(Event.LIBRARY.value, **entry)


_FIELD_NAMES: Final = frozenset(Fields)


def _plain(name: str, value: Fact) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    raise UnloggableError(name)


def _name(name: str) -> str:
    """A logger's name as modules are named; anything else was made from data."""
    return name if len(name) <= 80 and name.replace(".", "").replace("_", "").isalnum() and name.isascii() else "?"


def _spoke(record: logging.LogRecord) -> str:
    return f"{_name(record.module)}:{record.lineno}"


def _uncaught(_kind: type[BaseException], error: BaseException, _traceback: types.TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    structlog.get_logger().info(Event.UNCAUGHT.value, **describe(error))


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    if unraisable.exc_value is not None:
        structlog.get_logger().info(Event.UNCAUGHT.value, **describe(unraisable.exc_value))


def _thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        structlog.get_logger().info(Event.UNCAUGHT.value, **describe(arguments.exc_value))


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del message, file, line
    structlog.get_logger().info(Event.WARNING.value, error=category.__name__, at=[f"{Path(filename).name}:{lineno}"])


def _loop_complaint(_loop: asyncio.AbstractEventLoop, context: MutableMapping[str, Any]) -> None:
    error = context.get("exception")
    told = describe(error) if isinstance(error, BaseException) else {}
    structlog.get_logger().info(Event.UNCAUGHT.value, **told)
