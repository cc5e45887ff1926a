"""Run a command that dies with the process that started it, whatever kills that one.

Used as a script: ``python leash.py --parent PID --signal KILL [--user NAME] -- command…``. It asks the kernel (Linux's
PR_SET_PDEATHSIG) for a signal at the parent's death, then becomes the command by ``exec``. That way not even
``kill -9`` of the supervisor leaves a process behind. Only the standard library's cheapest parts: it runs before
every process of the demo.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def drop_privileges(user: str) -> None:
    """Become another user for good; only root may."""
    import pwd  # noqa: PLC0415  # few starts need it

    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def tie_to_parent(parent: int, signal_number: int) -> None:
    """Ask for a signal when the parent dies; leave at once if it is dead already.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have died between our fork and the request: then nobody would ever signal us.
    if os.getppid() != parent:
        sys.exit(0)


def main(arguments: list[str]) -> None:
    """Parse the few arguments, tie, and become the command.

    The user is changed before the tie: the kernel forgets the tie when credentials change.
    """
    cut = arguments.index("--")
    options = dict(zip(arguments[:cut:2], arguments[1:cut:2], strict=True))
    command = arguments[cut + 1 :]
    if "--user" in options:
        drop_privileges(options["--user"])
    tie_to_parent(int(options["--parent"]), signal.Signals[f"SIG{options['--signal']}"])
    os.execvp(command[0], command)  # noqa: S606  # becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
