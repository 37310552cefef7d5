"""The one sampler of this process: a process beside it (`pyrometer requests`), which reads its memory from outside.

It is started by the first request, so that each worker that a server forks has its own, and ends with this process. No thread is
made here, and it is nobody's child. src/requests/serve.h has the messages.
"""

from __future__ import annotations

import json
import os
import socket
from threading import Lock
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ANSWER_MAX = 4096
HEAD_MAX = 1000  # of a message to it, without the queries
START_S = 2.0  # for the helper to say that it is there
STEP_S = 0.002  # after which a thread that waits looks whether another one heard its answer
RETRY_S = 60.0  # after it ended, or could not be started
PR_GET_DUMPABLE = 3  # sys/prctl.h: may others of its user look into a process? Linux says no to one that gave up root
PR_SET_PTRACER = 0x59616D61  # who but a parent may look, where Yama guards that
YAMA = "/proc/sys/kernel/yama/ptrace_scope"


def _program() -> str:
    path = os.environ.get("PYROMETER_PROGRAM")
    if path:
        return path
    from pyrometer.__main__ import candidates

    found = next((path for path in candidates() if os.access(path, os.X_OK)), None)
    if found is None:
        raise FileNotFoundError("the program pyrometer is missing: pip install --force-reinstall pyrometer")
    return found


def _let_look(pid: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)


def _why_denied() -> str:
    """What most likely keeps the sampler out, and what to do."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1:
        return (
            "this process was started by root and changed its user, after which Linux lets nobody look: start the server as that user "
            "(User= of systemd, USER of a Dockerfile, setpriv) in place of its own option for it"
        )
    try:
        with open(YAMA, encoding="ascii") as file:
            scope = int(file.read())
    except (OSError, ValueError):
        scope = 0
    if scope >= 2:
        return f"{YAMA} is {scope}: with 1 the sampler is let look"
    return "in a container: allow process_vm_readv and ptrace (--cap-add=SYS_PTRACE, or a seccomp profile that has them)"


class Sampler:
    """Safe in threads. Nothing here raises but start(), which raises OSError or ValueError."""

    def __init__(
        self,
        directory: str,
        rate_hz: int,
        keep: int,
        keep_bytes: int,
        answered: Callable[[dict[str, Any]], None],
        say: Callable[[str], None],
        under_way: str,
    ) -> None:
        self._options = ["--directory", directory, "-r", str(rate_hz), "--keep", str(keep), "--keep-bytes", str(keep_bytes)]
        self._answered = answered
        self._say = say
        self._go = f"go {under_way}".encode()
        self._lock = Lock()
        self.socket: socket.socket | None = None  # None: it does not run
        self._retry_s = 0.0
        self._answers: dict[str, dict[str, Any]] = {}
        self._wanted: set[str] = set()
        self.state = "not started"

    @property
    def due(self) -> bool:
        """Is it to be started?"""
        return self.socket is None and monotonic() >= self._retry_s

    def start(self) -> None:
        """Unless somebody else does so now; takes some milliseconds."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self.due:
                self._retry_s = monotonic() + RETRY_S
                self._start()
        finally:
            self._lock.release()

    def _start(self) -> None:
        import subprocess

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                command = [_program(), "requests", "--pid", str(os.getpid()), *self._options]
                done = subprocess.run(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            if done.returncode != 0:
                raise OSError(done.stderr.decode("utf-8", "replace").strip() or f"status {done.returncode}")
            ours.settimeout(START_S)
            word, pid = ours.recv(ANSWER_MAX).decode().split()
            _let_look(int(pid))
            ours.send(self._go)
            ours.setblocking(False)
        except BaseException as error:
            ours.close()
            self.state = f"cannot be started: {error}"
            raise
        self.state = "starting"
        self.socket = ours

    def forget(self) -> None:
        """In a forked child: it is the parent's."""
        if self.socket is not None:
            self.socket.close()
        self._lock = Lock()
        self.socket, self._retry_s, self.state = None, 0.0, "not started"

    def cut(self, id_: str, slot: int, begin_ns: int, end_ns: int, title: str, wanted: bool, sent: str = "") -> bool:
        """Have a request kept, with the queries that it SENT (Queries.written()). Its answer goes to answered(), and with WANTED to answer().
        False: there is nobody to ask."""
        if self.socket is None:
            return False
        with self._lock:
            if not wanted or not self.state.startswith("ready"):  # else answer() hears, in a moment
                self._hear()
            if not self.state.startswith("ready"):
                return False
            head = f"cut {slot} {begin_ns} {end_ns} {id_} {title}".encode()[:HEAD_MAX]
            whole = head + b"\n" + sent.encode("utf-8", "replace") if sent else head
            asked = self._send(whole) or (bool(sent) and self._send(head))  # where there is no room for the queries, without them
            if asked and wanted:
                self._wanted.add(id_)
            return asked

    def answer(self, id_: str) -> dict[str, Any] | None:
        """What was answered; None: nothing yet."""
        with self._lock:
            self._hear(id_)
            return self._answers.pop(id_, None)

    def wait(self, id_: str, seconds: float) -> dict[str, Any] | None:
        """The same, after waiting for it."""
        import select

        until = monotonic() + seconds
        try:
            while (answer := self.answer(id_)) is None and (left := until - monotonic()) > 0:
                if (sock := self.socket) is None:
                    break
                poll = select.poll()
                poll.register(sock, select.POLLIN)
                poll.poll(1000 * min(left, STEP_S))  # another thread may have heard it
        except (OSError, ValueError):  # it was closed meanwhile
            answer = None
        finally:
            self.give_up(id_)
        return answer

    def give_up(self, id_: str) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._wanted.discard(id_)
            self._answers.pop(id_, None)

    def poll(self) -> None:
        """Hear what was answered meanwhile."""
        with self._lock:
            self._hear()

    def _send(self, message: bytes) -> bool:
        try:
            if self.socket is not None:
                self.socket.send(message, socket.MSG_NOSIGNAL)
                return True
        except BlockingIOError:
            pass  # it is behind: that request is not kept
        except OSError:
            self._ended("ended")
        return False

    def _hear(self, id_: str = "") -> None:
        """All that is there, or what came before that answer."""
        while self.socket is not None and id_ not in self._answers:
            try:
                message = self.socket.recv(ANSWER_MAX)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._ended(self.state if self.state.startswith("error") else "ended")
            elif message.startswith(b"{"):
                self._take(json.loads(message))
            else:
                self.state = message.decode("utf-8", "replace")  # "ready 0.1.0", "error ..."
                if self.state.startswith("error"):
                    if "permission denied" in self.state:
                        self.state += f" ({_why_denied()})"
                    self._say(f"no profiles: the sampler says: {self.state}")

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["id"] in self._wanted:
            self._wanted.discard(answer["id"])
            self._answers[answer["id"]] = answer
        self._answered(answer)

    def _ended(self, state: str) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket, self.state = None, state
        self._retry_s = monotonic() + RETRY_S
        if not state.startswith("error"):  # which was said
            self._say(f"the sampler ended: requests are without samples for {RETRY_S:g} s, then it is started again")
