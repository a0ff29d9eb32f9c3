"""Run nginx so that none of its processes outlives the others.

A killed nginx master leaves workers that hold the ports and serve the old
configuration for ever. This small parent adopts them (prctl(2),
PR_SET_CHILD_SUBREAPER) and ends them; when it is killed itself the kernel ends
the master (PR_SET_PDEATHSIG). Every nginx process inherits one locked file, so
that what an earlier life left behind is known for sure: nginx overwrites its
environment, but keeps descriptors.

Run as a file, ``python -I -S subreaper.py nginx ARGUMENT…``; imports nothing of ours.
"""

# The fewest imports, since it must start at once:
# ruff: noqa: PTH115, PTH118, PTH123, PTH208, SIM105, T201

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PASSED_ON = ("TERM", "QUIT", "HUP", "USR1", "USR2", "WINCH")
GUARD = "--guard"
"""Before the pid of the subreaper that another, so started, stands for."""

PATIENCE = 3.0
"""Seconds that leftover workers get before they are killed."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def main(command: list[str]) -> int:
    """Run a command to its end; return 0 for a normal end, else 1."""
    if not command:
        complain("usage: subreaper.py COMMAND [ARGUMENT…]")
        return 2
    if command[0] == GUARD:
        guard(int(command[1]))
        command = command[2:]
    elif other := living():
        # To be seen in the list of processes whom this one looks after.
        os.execv(  # noqa: S606
            sys.executable,
            [sys.executable, "-I", "-S", __file__, GUARD, str(other), *command],
        )
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    lock = take_lock()
    master = start(command, lock)
    status = wait_for(master)
    end_all(list_children)
    if status != 0:
        complain(f"{command[0]} ended with status {status}")
    return 0 if status == 0 else 1


def lock_path() -> str:
    """Return the file that every process of our nginx holds; a stack has one.

    Another web server that is started by this has its own.
    """
    folder = os.environ.get("PRODUCTIONSTACK")
    name = os.environ.get("PRODUCTIONSTACK_PROGRAM", "nginx")
    return os.path.join(folder, f"{name}.lock") if folder else ""


def living() -> int:
    """Return the subreaper of an nginx that serves, which nobody looks after; 0 else.

    A dead supervisord has left it: visitors shall not notice that there is another.
    """
    path = lock_path()
    found = [pid for pid in holders(path) if is_ours(pid)] if path else []
    return found[0] if len(found) == 1 else 0


def is_ours(pid: int) -> bool:
    """Whether a process is such a subreaper, and not one that is about to look."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read().split(b"\0")
    except OSError:
        return False
    ours = any(word.endswith(b"/subreaper.py") for word in words)
    # One in a login's session ends with it, whoever stands for it.
    return ours and control_group(pid) == control_group(os.getpid())


def control_group(pid: int) -> str:
    """Return what systemd counts a process to; empty where it has ended."""
    try:
        with open(f"/proc/{pid}/cgroup") as stream:
            return stream.read()
    except OSError:
        return ""


def guard(other: int) -> None:
    """Stand for another subreaper until it has ended: signals go there.

    Exits when it ended because it was told to; else nginx is to be started again.
    """
    told: list[int] = []

    def tell(number: int, _frame: object) -> None:
        told.append(number)
        send(other, number)

    for name in (*PASSED_ON, "INT"):
        signal.signal(getattr(signal, f"SIG{name}"), tell)
    while read_stat(other):
        time.sleep(0.1)
    # WINCH is Apache's QUIT.
    ends = {signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGWINCH}
    if ends & set(told):
        sys.exit(0)


def take_lock() -> int | None:
    """Lock the file that tells our nginx from others, ending what still holds it."""
    path = lock_path()
    if not path:
        return None
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not try_lock(handle):
        complain("ending what an earlier nginx left behind")
        end_all(lambda: holders(path))
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def try_lock(handle: int) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(command: list[str], lock: int | None) -> int:
    """Start the command as a child that ends when we do; return its pid."""
    ours = os.getpid()
    # Blocked until the handlers stand: a stop that comes now must reach nginx.
    signals = {getattr(signal, f"SIG{name}") for name in (*PASSED_ON, "INT")}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = os.fork()
    if child == 0:
        become(command, lock, ours)
    for number in signals:
        signal.signal(number, lambda got, _frame: pass_on(child, got))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    return child


def become(command: list[str], lock: int | None, parent: int) -> None:
    """Turn this child into the command; never returns."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        if lock is not None:
            os.set_inheritable(lock, True)  # noqa: FBT003
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        complain(f"cannot start {command[0]}: {error}")
    finally:
        os._exit(127)


def wait_for(master: int) -> int:
    """Reap children until the master itself has ended; return its status."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == master:
            return os.waitstatus_to_exitcode(status)


def end_all(find: Callable[[], list[int]]) -> None:
    """Send TERM to what ``find`` returns, KILL after a while, until none is left."""
    deadline = time.monotonic() + PATIENCE
    told: set[int] = set()
    while pids := find():
        late = time.monotonic() > deadline
        for pid in pids if late else set(pids) - told:
            send(pid, signal.SIGKILL if late else signal.SIGTERM)
        told |= set(pids)
        reap()
        time.sleep(0.05)


def list_children() -> list[int]:
    """Return the living children of this process, adopted ones included."""
    reap()
    ours = os.getpid()
    return [pid for pid in pids() if (stat := read_stat(pid)) and stat[1] == ours]


def holders(path: str) -> list[int]:
    """Return the other processes that hold a file open."""
    real = os.path.realpath(path)
    ours = os.getpid()
    return [
        pid for pid in pids() if pid != ours and read_stat(pid) and holds(pid, real)
    ]


def holds(pid: int, path: str) -> bool:
    """Whether a process has a file open; False where we may not look."""
    folder = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(folder):
            try:
                if os.readlink(f"{folder}/{name}") == path:
                    return True
            except OSError:
                continue
    except OSError:
        pass
    return False


def pids() -> list[int]:
    """Return the pids of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read_stat(pid: int) -> tuple[str, int] | None:
    """Return state and parent of a process that has not ended."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else (fields[0], int(fields[1]))


def reap() -> None:
    """Take note of children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def pass_on(child: int, number: int) -> None:
    """Send nginx what we got; INT means what TERM means."""
    send(child, signal.SIGTERM if number == signal.SIGINT else number)


def send(pid: int, number: int) -> None:
    """Send a signal; a process that has just ended is none to complain about."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process; go on where the kernel refuses."""
    if _LIBC.prctl(option, int(value), 0, 0, 0) != 0:
        complain(f"prctl({option}): {os.strerror(ctypes.get_errno())}")


def complain(text: str) -> None:
    """Write one line where supervisor keeps it."""
    print(f"subreaper: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
