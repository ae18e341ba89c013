"""The error tree; each class owns its exit code, its name and its default hint.

OcxError                1  failure
├── UsageError          2  usage
├── ConfigError         3  config
├── AuthError           4  auth
├── CreditsError        5  credits
├── RateLimitError      6  rate_limit
├── RejectedError       7  rejected
├── ServerError         8  server
├── NetworkError        9  network
├── DeadlineError      10  timeout
├── IncompleteError    11  incomplete
├── BelowError         12  below
├── PartialError       13  partial
└── InvalidAnswerError 14  invalid_answer

`OutputClosed`, `Interrupted` and `Terminated` end the process by a signal; `ChildExit` carries
the status of a program that `ocx` ran for the user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

Phase = Literal["connect", "silent"]


class OcxError(Exception):
    """Anything that ends a command without its result.

    Args:
        message: one line, without the key, for a person.
        hint: the next step; by default the class's own.
        status: the HTTP status, if there was an answer.
        api_code: the code or type that the API gave, as a string.
        request_id: the id under which the provider can find the request.
        retry_after: seconds until a retry can help.
        rerun_helps: whether the same request may succeed later; None leaves it to the class.
        phase: of a request that the server did not answer: `connect`, nothing was sent; `silent`,
            it was, and no byte came in time. None is everything else.

    Attributes:
        sent: the request may have reached the server.
        headers: of the server's refusal, names in lower case.
        body: of the server's refusal, as far as it was read.
        reply: what arrived of an answer that is no whole one, as an `ocx.api.Reply`.
    """

    exit_code: ClassVar[int] = 1
    name: ClassVar[str] = "failure"
    meaning: ClassVar[str] = "a bug, unwritable output, anything unclassified"
    retry: ClassVar[str] = "no"
    default_hint: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        api_code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        rerun_helps: bool | None = None,
        phase: Phase | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        self.status = status
        self.api_code = api_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.rerun_helps = rerun_helps
        self.phase = phase
        self.sent = True
        self.headers: Mapping[str, str] = {}
        self.body: bytes | None = None
        self.reply: Any = None

    def __str__(self) -> str:
        return self.message

    @property
    def retryable(self) -> bool:
        """Whether the same call can succeed later without the user changing anything."""
        return self.retry in {"yes", "later", "mostly"}


@contextmanager
def os_errors_as(kind: type[OcxError], what: str, *, hint: str | None = None) -> Iterator[None]:
    """An OSError in here becomes `kind`: `cannot read FILE: No such file or directory`.

    So does what Python raises of a name that none can be: with a NUL, or half a surrogate pair.

    Args:
        what: what failed, as `cannot read FILE`.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError) and not _is_of_a_name(error):
            raise
        reason = getattr(error, "strerror", None) or error
        raise kind(f"{what}: {reason}", hint=hint) from error


def _is_of_a_name(error: ValueError) -> bool:
    if isinstance(error, UnicodeEncodeError):  # bytes that are no UTF-8 a name may hold (PEP 383)
        return not "\udc80" <= error.object[error.start] <= "\udcff"
    return "embedded null" in str(error)


class UsageError(OcxError):
    exit_code = 2
    name = "usage"
    meaning = "bad flag, argument or input file; no prompt; stdin claimed twice; a port in use"


class DeclinedError(UsageError):
    """The user was asked, and said no."""


class NoCommandError(UsageError):
    """A group was called alone.

    Attributes:
        help: its short help, which a person is shown instead of the message.
    """

    def __init__(self, path: str, help_: str) -> None:
        super().__init__("no command", hint=f"see `{path} --help`")
        self.help = help_


def not_text(error: UnicodeEncodeError) -> UsageError:
    """The error for text that is not UTF-8: bytes of the shell (PEP 383), half a pair."""
    code = ord(error.object[error.start])
    held = f"byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"surrogate U+{code:04X}"
    return UsageError(
        f"the text holds the {held}, which is not UTF-8",
        hint="convert it first, for example with iconv -t UTF-8",
    )


class ConfigError(OcxError):
    exit_code = 3
    name = "config"
    meaning = "config or credentials unreadable or invalid, refused URL, unsafe file mode"


def out_of_reach(path: object, hint: str) -> ConfigError:
    """The error of a command that needs a file in a folder that cannot be searched."""
    return ConfigError(f"{path} cannot be reached: is its folder another user's?", hint=hint)


class AuthError(OcxError):
    exit_code = 4
    name = "auth"
    meaning = "no key found; HTTP 401 or 403 that is not about credits"


class CreditsError(OcxError):
    exit_code = 5
    name = "credits"
    meaning = "HTTP 402, or an error of any status that says the credits are used up"
    default_hint = "top up the account, then try again; `ocx balance` shows what is left"


class RateLimitError(OcxError):
    exit_code = 6
    name = "rate_limit"
    meaning = "429 after retries, or a Retry-After beyond the cap or the time left"
    retry = "later"


class RejectedError(OcxError):
    exit_code = 7
    name = "rejected"
    meaning = "the request was refused (400 404 405 413 415 422 …); no such model"


class ServerError(OcxError):
    exit_code = 8
    name = "server"
    meaning = "5xx after retries; a 200 that is not what was asked; a redirect"
    retry = "mostly"
    default_hint = "retry later; if it stays, contact support with the request id"


class NetworkError(OcxError):
    exit_code = 9
    name = "network"
    meaning = "DNS, connect, TLS, proxy; the connection was lost before any output"
    retry = "yes"


class DeadlineError(OcxError):
    exit_code = 10
    name = "timeout"
    meaning = "connect, first byte, idle or total deadline; HTTP 408"
    retry = "yes"


class IncompleteError(OcxError):
    exit_code = 11
    name = "incomplete"
    meaning = "the answer broke off, or the token limit cut a tool call; what arrived stays"
    retry = "caller"


class BelowError(OcxError):
    exit_code = 12
    name = "below"
    meaning = (
        "the balance is below the minimum, or lasts for fewer days; --max-credits holds no row"
    )


class PartialError(OcxError):
    exit_code = 13
    name = "partial"
    meaning = "several items, mixed results; the credits of --max-credits are used up"
    retry = "resume"


class InvalidAnswerError(OcxError):
    exit_code = 14
    name = "invalid_answer"
    meaning = "the answer does not satisfy --schema or --extract; broken JSON in a tool call"
    retry = "yes"


class BrokenCallError(InvalidAnswerError):
    """The arguments of a tool call are not JSON, though no limit cut them."""


ERRORS: tuple[type[OcxError], ...] = (
    OcxError,
    *(each for each in OcxError.__subclasses__() if "exit_code" in vars(each)),
)
"""The tree above, in its order; those of programs of the user's follow below."""

OTHER_CODES: tuple[tuple[str, str, str], ...] = (
    ("126", "cannot run", "`exec` or `serve -- CMD`: the program is not executable"),
    (
        "127",
        "not found",
        "`exec` or `serve -- CMD`: no such program; else the program's own status",
    ),
    ("130", "interrupted", "died by SIGINT, after closing the stream"),
    ("141", "output closed", "died by SIGPIPE: the reader of stdout went away"),
    ("143", "terminated", "died by SIGTERM, after closing the stream"),
)


def exit_code_table() -> list[tuple[str, str, str, str]]:
    """Rows of (code, name, meaning, whether a retry helps): the one source of every table."""
    ok = ("0", "ok", "the result asked for was delivered in full", "")
    named = [(str(e.exit_code), e.name, e.meaning, e.retry) for e in ERRORS]
    return [ok, *named, *((code, name, meaning, "") for code, name, meaning in OTHER_CODES)]


class OcxWarning(UserWarning):
    """What a command goes on without; shown like its other warnings."""


class OutputClosed(Exception):
    """The reader of stdout went away (EPIPE)."""

    number = 13
    """Of SIGPIPE."""


class Interrupted(BaseException):
    """SIGINT arrived; a BaseException, so that no `except Exception` on the way swallows it."""

    number = 2


class Terminated(BaseException):
    """SIGTERM arrived, or another signal of this `number` that ends a program."""

    def __init__(self, number: int = 15) -> None:
        super().__init__(number)
        self.number = number


class CannotRunError(OcxError):
    """A program of the user's cannot be executed."""

    exit_code = 126
    name = "cannot run"


class NotFoundError(OcxError):
    """A program of the user's does not exist."""

    exit_code = 127
    name = "not found"


def cannot_run(program: str, error: OSError | ValueError) -> OcxError:
    """The error for a program that the system could not start, as shells number it."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFoundError(f"{program}: not found")
    if isinstance(error, OSError):
        return CannotRunError(f"{program}: {error.strerror}")
    return NotFoundError("no program has that name")  # an empty name, or a NUL in it


class ChildExit(BaseException):
    """The process ends with this status and without a message: that of a program run for the
    user, or an answer given by the exit code alone.

    Args:
        status: 0 to 255, or minus the number of the signal that killed it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
