"""What transfers cost, counted: system calls of a small one, and memory and timers in the middle of a big one. The numbers that
are kept are those of docs/performance.md ("Counted"), which is read here; more than SLACK above one is a failure."""
import contextlib
import mmap
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

from ftpclient import Ftp
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import AM_ROOT, PATIENCE_S, ROOT, wait_until

pytestmark = pytest.mark.ours

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = 10 * 1024
TIMES = 25
SLACK = 5
TIMING = ("futex", "sched_yield")  # as many as threads get into each other's way
PAUSE_S = 0.004  # before the client goes on: the server never finds it faster than itself
MIB = 1 << 20


def documented():
    """{work: system calls} of the table."""
    with open(os.path.join(ROOT, "docs", "performance.md")) as f:
        section = f.read().split("## Counted", 1)[1].split("\n## ", 1)[0]
    return {name.strip(): int(number) for name, number in re.findall(r"^\| ([^|]+) \| (\d+) \|", section, re.M)}


# --- system calls

@contextlib.contextmanager
def counted(server, into):
    """Counts the system calls of all processes of the server in between, into[name]."""
    pids = [server.proc.pid, *server.processes()]
    out = server.path("strace")
    tracer = subprocess.Popen(["strace", "-f", "-c", "-U", "calls,name", "-o", out, *(a for p in pids for a in ("-p", str(p)))],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.set_blocking(tracer.stderr.fileno(), False)
    said = b""

    def attached():
        nonlocal said
        said += tracer.stderr.read() or b""
        if tracer.poll() is not None or b"ptrace(" in said:
            pytest.skip("strace cannot look at the server here: " + said.decode().strip().splitlines()[-1])
        return said.count(b" attached") >= len(pids)
    try:
        wait_until(attached, "strace is attached")
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE_S)
        tracer.stderr.close()
    with open(out) as f:
        into.update({name: int(calls) for calls, name in re.findall(r"^\s*(\d+) (\w+)$", f.read(), re.M)})


def download(c):
    data = c.data()
    c.expect(150, "RETR small")
    if isinstance(c, Ftps):
        data = c.wrap(data)
    got = 0
    while True:
        part = data.recv(1 << 16)
        if not part:
            break
        got += len(part)
    assert got == SMALL
    time.sleep(PAUSE_S)
    data.close()
    c.expect(226)


def upload(c):
    data = c.data()
    c.expect(150, "STOR up")
    if isinstance(c, Ftps):
        data = c.wrap(data)
    time.sleep(PAUSE_S)
    data.sendall(bytes(SMALL))
    if isinstance(data, ssl.SSLSocket):
        data = data.unwrap()
    data.close()
    c.expect(226)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(str(tmp_path_factory.mktemp("pki")))


WORKS = {"10 KiB down": (Ftp, download), "10 KiB up": (Ftp, upload), "FTPS 10 KiB down": (Ftps, download), "FTPS 10 KiB up": (Ftps, upload)}


@pytest.mark.needs("strace")
@pytest.mark.parametrize("work", WORKS)
def test_a_small_transfer_costs_no_more_system_calls_than_documented(start, certificate, work):
    cls, run = WORKS[work]
    server = start(tls_conf(*certificate))
    if server.sanitized:
        pytest.skip("a sanitizer has system calls of its own")
    server.put("small", bytes(SMALL))
    calls = {}
    with cls(server.port, user="alice") as c:
        c.binary()
        for _ in range(3):  # what is remembered, and threads
            run(c)
        with counted(server, calls):
            for _ in range(TIMES):
                run(c)
    each = (calls.pop("total") - sum(calls.pop(name, 0) for name in TIMING)) / TIMES
    table = ", ".join(f"{name} {n / TIMES:.1f}" for name, n in sorted(calls.items(), key=lambda item: -item[1]))
    print(f"{work}: {each:.1f}: {table}")
    assert each <= documented()[work] + SLACK, f"{each:.1f} system calls: {table}"


# --- memory and timers

FIELDS = {"memory": 0, "freed": 8, "timers": 16, "large": 24}


OPENSSL_PIECES = 3.3  # a record


class Counts:
    def __init__(self, folder):
        self.library, path = os.path.join(folder, "costs.so"), os.path.join(folder, "costs.page")
        if not os.path.exists(self.library):
            compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang-14")
            subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-fno-builtin", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", self.library,
                            os.path.join(HERE, "costs.c"), "-ldl"], check=True)
        with open(path, "wb") as f:
            f.write(bytes(4096))
        if AM_ROOT:
            os.chmod(path, 0o666)
        with open(path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), 4096)
        self.env = {"LD_PRELOAD": self.library, "COSTS_PAGE": path}

    def now(self):
        return {name: struct.unpack_from("<Q", self.page, at)[0] for name, at in FIELDS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("costs"))


@pytest.fixture
def run(start, folder, certificate):
    """run(extra configuration) -> (server, its counts)."""
    def make(extra="", **values):
        server = start.prepare()
        if server.sanitized:
            pytest.skip("a sanitizer has an allocator of its own")
        counts = Counts(folder)
        server.configure(tls_conf(*certificate) + extra, **values)
        server.start(env=counts.env)
        return server, counts
    return make


class Steps:
    """Moves some of a transfer; a client that is slower than the server, so that it has to wait."""

    def __init__(self, data, sends):
        self.data, self.sends = data, sends
        self.block = os.urandom(1 << 16)
        self.moved = 0

    def go(self, size):
        end = self.moved + size
        while self.moved < end:
            if self.sends:
                self.data.sendall(self.block)
                self.moved += len(self.block)
            else:
                n = len(self.data.recv(1 << 16))
                assert n > 0, self.moved
                self.moved += n
            if self.moved % (1 << 20) < 1 << 12:
                time.sleep(0.001)


THROTTLED, RATE_PIECE_MS = 8 * MIB, 25  # bytes a second; the shortest pause
KINDS = {
    "plain": (Ftp, "", "", "RETR", 16 * MIB),
    "throttled": (Ftp, f"TransferRate RETR,STOR {THROTTLED >> 10}", "", "RETR", 4 * MIB),
    "copied": (Ftp, "UseSendfile off", "", "RETR", 16 * MIB),
    "tls": (Ftps, "", "", "RETR", 16 * MIB),
    "tls throttled": (Ftps, f"TransferRate RETR,STOR {THROTTLED >> 10}", "", "RETR", 4 * MIB),
    "mode z": (Ftp, "DeflateEngine on", "MODE Z", "RETR", 16 * MIB),
    "ascii": (Ftp, "", "TYPE A", "RETR", 8 * MIB),
    "upload": (Ftp, "", "", "STOR", 16 * MIB),
    "upload throttled": (Ftp, f"TransferRate RETR,STOR {THROTTLED >> 10}", "", "STOR", 4 * MIB),
    "upload tls": (Ftps, "", "", "STOR", 16 * MIB),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_middle_of_a_transfer_asks_for_no_memory_and_sets_few_timers(run, kind):
    cls, extra, before, verb, size = KINDS[kind]
    server, counts = run(extra)
    if verb == "RETR":
        server.put("big", os.urandom(6 * MIB) * 16)  # mode z: noise
    with cls(server.port, user="alice") as c:
        c.binary()
        if before:
            c.expect(200, before)
        data = c.start(f"{verb} big")
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        steps = Steps(data, verb == "STOR")
        steps.go(size)
        first, began = counts.now(), time.monotonic()
        steps.go(size)
        second, seconds = counts.now(), time.monotonic() - began
        moved = {name: second[name] - first[name] for name in FIELDS}
        print(kind, moved, f"{seconds:.2f} s")
        data.close()
        c.reply()
    assert first["memory"] > 100 and first["timers"] > 0  # it does count
    # OpenSSL has some small pieces for each record, for as long as it makes the record. What a pause ends with is a small record.
    records = (size / (16 << 10) + moved["timers"]) * OPENSSL_PIECES if cls is Ftps else 0
    # Records that the socket did not take are kept in memory that grows by steps of 32 KiB, five times in the life of a connection.
    large = 5 if cls is Ftps and verb == "RETR" else 0
    assert moved["large"] <= large and moved["memory"] <= records and abs(moved["memory"] - moved["freed"]) <= 3 * bool(records) + large, moved
    # A pause of a rate, a wait for more of an upload and a record for ftpwho set one; a packet does not.
    if "throttled" in kind:
        timers = max(seconds, size / THROTTLED) * 1000 / RATE_PIECE_MS
    else:
        timers = size / (256 << 10) if verb == "STOR" else 0
    assert moved["timers"] <= timers + seconds * 5 + 5, moved
