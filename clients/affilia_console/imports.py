"""Imports of uploaded enrollment files. Each runs in its own thread, which waits for the user's decisions.

The file is in a folder that only the console's user can read, and is removed as soon as the import ends.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from uuid import uuid4

from affilia_cli.enrollment_file import EnrollmentFileError, Mapping, Report, import_834
from affilia_cli.enrollment_file.applying.guard import Limits
from affilia_cli.enrollment_file.applying.report import not_applied
from affilia_cli.enrollment_file.applying.retrying import Stopped, Stopping
from affilia_cli.enrollment_file.findings import FileRejected, Finding, PlanRefused
from affilia_cli.enrollment_file.planning.plan import Plan
from affilia_cli.requesters import Claims
from affilia_client import CallFailed, Client
from affilia_console.failures import Failure, Refused, failure_of, fault_of
from affilia_console.tokens import SignedOut

DECISION_SECONDS = 3600
"""How long an import waits for a decision before its file is removed."""
MAX_IMPORTS = 5
"""Maximum number of imports, with their reports, that a session keeps."""


class State(Enum):
    """The state of an import, as shown on the page."""

    CHECKING = "checking"
    REFUSED = "refused"
    PLANNED = "planned"
    APPLYING = "applying"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    DISCARDED = "discarded"


BUSY = (State.CHECKING, State.APPLYING)
UNDECIDED = (State.PLANNED, State.REFUSED)


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file and its mapping. The file's content is only in the folder."""

    name: str
    folder: "TemporaryDirectory[str]"
    path: Path
    mapping: Mapping


class _Apply:
    """The decision to apply the plan."""


class _Discard:
    """The decision to discard the file."""


@dataclass(slots=True, eq=False)
class FileImport:
    """One import. While it runs, other threads read its fields and send decisions."""

    upload: Upload
    client: Client
    claims: Claims
    limits: Limits = field(default_factory=Limits)
    import_id: str = field(default_factory=lambda: str(uuid4()))
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: State = State.CHECKING
    task_name: str = ""
    done: int = 0
    total: int | None = None
    last_note: str = ""
    plan: Plan | None = None
    report: Report | None = None
    excesses: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    failure: Failure | None = None
    _decisions: "SimpleQueue[_Apply | _Discard | Limits]" = field(default_factory=SimpleQueue)
    _stopping: Stopping = field(default_factory=Stopping)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"import-{self.import_id}", daemon=True).start()

    def apply(self) -> None:
        """Applies the plan. Raises Refused if there is no plan to decide on."""
        self._decide(_Apply(), State.PLANNED)

    def plan_again(self, limits: Limits) -> None:
        """Plans again with other limits. Raises Refused if the guard hasn't rejected the plan."""
        self._decide(limits, State.REFUSED)

    def discard(self) -> None:
        """Removes the file without applying it. Raises Refused if it is too late."""
        self._decide(_Discard(), *UNDECIDED)

    def stop(self) -> None:
        """Ends the import as soon as the families in progress are finished."""
        self._stopping.request()
        self._decisions.put(_Discard())

    def copied(self) -> "FileImport":
        """Returns a copy that doesn't change while a page shows it.

        The state is read first. Whatever a page shows in a state is set before the state.
        """
        state = self.state
        found = copy(self)
        found.state = state
        return found

    @property
    def is_busy(self) -> bool:
        """Whether the import is running, that is, neither waiting for a decision nor ended."""
        return self.state in BUSY

    @property
    def has_ended(self) -> bool:
        return not self.is_busy and self.state not in UNDECIDED

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Receives the progress of `import_834`."""
        self.task_name, self.done, self.total = description, 0, total

        def advance() -> None:
            with self._lock:
                self.done += 1

        yield advance

    def note(self, text: str) -> None:
        """Receives an event, such as that the server is unavailable."""
        self.last_note = text

    def _decide(self, decision: "_Apply | _Discard | Limits", *states: State) -> None:
        with self._lock:
            if self.state not in states:
                raise Refused(f"This isn't possible: the import is {self.state.value}.", "Reload its page.")
            # The import is busy from now on, so that a second click has nothing to decide on.
            self.state = State.APPLYING if isinstance(decision, _Apply) else State.CHECKING
        self._decisions.put(decision)

    def _run(self) -> None:
        try:
            while self._is_to_be_planned_again():
                pass
        finally:
            self.upload.folder.cleanup()

    def _is_to_be_planned_again(self) -> bool:
        """Imports the file. Returns whether the guard rejected the plan and the user then raised its limits."""
        try:
            self.report = self._import()
            self.state = State.DONE if self.report.applied else State.DISCARDED
        except PlanRefused as refused:
            self.excesses = [each.sentence for each in refused.excesses]
            return self._has_new_limits()
        except FileRejected as rejected:
            self.findings, self.state = rejected.findings, State.REJECTED
        except Stopped:
            self.state = State.DISCARDED
        except (EnrollmentFileError, OSError) as wrong:
            if self._stopping.is_requested:
                self.state = State.DISCARDED
                return False
            self._fail(Failure(400, "The file can't be imported", str(wrong)))
        except (CallFailed, SignedOut, Refused) as failed:
            self._fail(failure_of(failed))
        except Exception as fault:  # shown on the page; otherwise the import would never end
            self._fail(fault_of(fault))
        return False

    def _import(self) -> Report:
        return import_834(
            self.upload.path,
            self.client,
            self.upload.mapping,
            confirm=self._confirm,
            max_terminations=self.limits.max_terminations,
            max_days_lost=self.limits.max_days_lost,
            claims=self.claims,
            progress=self,
            stopping=self._stopping,
        )

    def _fail(self, failure: Failure) -> None:
        self.failure, self.state = failure, State.FAILED

    def _confirm(self, plan: Plan) -> bool:
        self.plan, self.report = plan, not_applied(plan)
        return isinstance(self._decision(State.PLANNED), _Apply)

    def _has_new_limits(self) -> bool:
        decision = self._decision(State.REFUSED)
        if not isinstance(decision, Limits):
            self.state = State.DISCARDED
            return False
        self.limits = decision
        return True

    def _decision(self, state: State) -> "_Apply | _Discard | Limits":
        """Waits for a decision in the given state. A stopped import is discarded."""
        if self._stopping.is_requested:
            return _Discard()
        self.state = state
        try:
            return self._decisions.get(timeout=DECISION_SECONDS)
        except Empty:
            return _Discard()


class Imports:
    """The imports of one session, newest first."""

    def __init__(self) -> None:
        self._imports: list[FileImport] = []
        self._lock = threading.Lock()

    def begin(self, started: FileImport) -> None:
        """Starts an import. Raises Refused if an earlier one hasn't ended."""
        with self._lock:
            if any(not each.has_ended for each in self._imports):
                started.upload.folder.cleanup()
                raise Refused("Another of your imports has not ended.", "Apply or discard it first.")
            self._imports = [started, *self._imports][:MAX_IMPORTS]
        started.start()

    def find(self, import_id: str) -> FileImport | None:
        return next((each for each in self._imports if each.import_id == import_id), None)

    def __iter__(self) -> Iterator[FileImport]:
        return iter(list(self._imports))

    @property
    def are_busy(self) -> bool:
        return any(each.is_busy for each in self._imports)

    def end(self) -> None:
        """Stops all imports and removes their files."""
        for each in self:
            each.stop()
