"""Ctrl-C as Python knows it, whatever MindSpore makes of it."""

import _thread
import signal
import sys
import threading


def guard_interrupts() -> None:
    """Keep SIGINT out of MindSpore's hands; to be called before any library starts its threads.

    With every operation MindSpore (2.7 to 2.10) puts a handler of its own in place of Python's; it turns SIGINT
    into SIGTERM, so that Ctrl-C would end with the status and words of a SIGTERM, or kill. Here SIGINT is
    blocked in every thread, and one thread waits for it and lets Python's handler run in the main thread.
    Nothing is done where other threads run already (a notebook, a test) or SIGINT is ignored (nohup).
    """
    others = threading.active_count() > 1 or "numpy" in sys.modules or "mindspore" in sys.modules
    if others or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # A handler that does nothing: the signal itself ends a system call that the main thread waits in.
    signal.signal(signal.SIGURG, lambda _number, _frame: None)
    threading.Thread(target=_watch, args=(threading.get_ident(),), daemon=True).start()


def _watch(main_thread: int) -> None:
    while True:
        signal.sigwait({signal.SIGINT})
        _thread.interrupt_main(signal.SIGINT)
        signal.pthread_kill(main_thread, signal.SIGURG)
