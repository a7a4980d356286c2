"""Leaks: after 10,000 sessions there are as many descriptors as after the first hundreds, and about as much memory."""
import os
import threading

import pytest

from ftpclient import Ftp
from servers import status, wait_until

SESSIONS = 10_000


def descriptors(server):
    return {p: len(os.listdir(f"/proc/{p}/fd")) for p in [server.proc.pid, *server.processes()]}


def memory_kib(server):
    return {p: int(status(p).get("VmRSS", "0 kB").split()[0]) for p in [server.proc.pid, *server.processes()]}


def sessions(server, count, threads=4):
    """Runs so many sessions, each with a login, a listing, a download, an upload and (some) a failure."""
    problems = []

    def work(number):
        try:
            for n in range(number, count, threads):
                with Ftp(server.port, user=("alice", "bob")[n % 2]) as c:
                    c.binary()
                    if n % 2 == 0:
                        c.read("RETR f")
                    if n % 3 == 0:
                        c.write(f"STOR up{number}", b"y" * 5000)
                    if n % 5 == 0:
                        c.lines("LIST")
                    if n % 7 == 0:
                        c.expect(550, "RETR nosuch")
                        c.pasv()
                    if n % 11:
                        c.quit()
        except BaseException as problem:
            problems.append(problem)
    pool = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    if problems:
        raise problems[0]


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.timeout(1500)
@pytest.mark.root
def test_ten_thousand_sessions_leave_nothing(start):
    s = start()
    for user in ("alice", "bob"):
        s.put("f", b"x" * 10_000, user)
    with Ftp(s.port, user="alice"), Ftp(s.port, user="bob"):  # hold both session processes
        sessions(s, 500)
        fds, memory = descriptors(s), memory_kib(s)
        sessions(s, SESSIONS - 500)

        def settled():
            now = descriptors(s)
            return all(now[p] <= fds.get(p, 60) + 5 for p in now)
        wait_until(settled, f"descriptors are back: before {fds}, after {descriptors(s)}")
        after = memory_kib(s)
        grown = {p: after[p] - memory.get(p, 0) for p in after}
        assert all(kib < 3000 for p, kib in grown.items() if p in memory), grown
        assert set(fds) == set(descriptors(s)), "processes were replaced"


@pytest.mark.ours
@pytest.mark.root
def test_three_hundred_sessions_leave_nothing(start):
    """The short form, which the sanitizer run has too."""
    s = start()
    for user in ("alice", "bob"):
        s.put("f", b"x" * 10_000, user)
    with Ftp(s.port, user="alice"), Ftp(s.port, user="bob"):
        sessions(s, 100)
        fds = descriptors(s)
        sessions(s, 200)
        wait_until(lambda: all(n <= fds.get(p, 60) + 5 for p, n in descriptors(s).items()), f"descriptors are back {fds}")
