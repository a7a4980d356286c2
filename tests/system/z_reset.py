"""Control and data connections reset at random moments, also such that the server sees several of them in one turn of
its loop: no process of the server ends, and nothing of the sessions stays."""
import contextlib
import json
import os
import random
import signal
import socket
import struct
import time

import pytest

from ftpclient import Closed, Ftp
from ftpsclient import Ftps, make_certificate, tls_conf
from servers import AM_ROOT, status, wait_until

pytestmark = pytest.mark.ours

SECONDS = float(os.environ.get("WHERRY_RESET_SECONDS", "2"))
SEED = os.environ.get("WHERRY_RESET_SEED", "1")
BIG = 30_000_000
COMMANDS = ["RETR big", "RETR small", "RETR none", "STOR up", "APPE up", "STOU", "LIST", "LIST many", "NLST many", "MLSD many", "STAT many",
            "STAT", "HASH big", "XSHA256 big", "SITE COPY big copy", "SITE COPY tree tree2", "SITE RMDIR_R tree2", "ABOR", "NOOP", "REIN",
            "QUIT", "REST 1000", "TYPE A", "TYPE I", "MODE Z", "MODE S", "EPSV", "PASV", "CWD many", "CDUP", "MLST big", "DELE copy",
            "AUTH TLS", "PROT C", "PROT P", "CCC", "USER alice", "PASS alice-pw", "FEAT", "HELP", "RNFR small", "RNTO small", "PWD"]
CONFS = {
    "usual": "",
    "limits": "MaxTransfersPerUser RETR,STOR,APPE,STOU 2\nTransferRate RETR,STOR 3000\nDisplayFileTransfer /small\nDisplayQuit /small\n"
              "HiddenStores on\nUseSendfile off\nMaxCommandRate 30 1\n",
    "timers": "TimeoutIdle 1\nTimeoutNoTransfer 2\nTimeoutStalled 1\nTimeoutSession 3\nUseSendfile off\nTransferMMapEngine on\n",
}
ERRORS = (OSError, Closed, ValueError, AssertionError)  # what a step may meet after those before it


def hard(sock):
    """Ends the connection with a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Round:
    """One client with what it does; each step may fail because of the ones before."""

    def __init__(self, server, rnd, tls, stoppable):
        self.server, self.rnd, self.stoppable = server, rnd, stoppable
        self.listener, self.data, self.address, self.stopped = None, [], None, False
        user = "alice" if rnd.random() < 0.9 else None
        self.c = Ftps(server.port, user=user, private=rnd.random() < 0.8) if tls else Ftp(server.port, user=user)
        self.c.sock.settimeout(3)

    def ready(self):
        """Where the data connection will be."""
        mode = self.rnd.choice(["epsv", "pasv", "port", "eprt", "none"])
        if mode in ("epsv", "pasv"):
            self.address = getattr(self.c, mode)()
        elif mode != "none":
            self.listener = self.c.listen(eprt=mode == "eprt")
            self.listener.settimeout(0.3)

    def connect(self):
        if self.listener:
            self.data.append(self.listener.accept()[0])
        elif self.address:
            self.data.append(socket.create_connection(self.address, 1))
        for data in self.data:
            data.settimeout(0.3)

    def wrap(self):
        if self.data and isinstance(self.c, Ftps) and not self.stopped:
            self.data[-1] = self.c.wrap(self.data[-1])

    def read(self):
        if self.data:
            self.data[-1].recv(self.rnd.choice([1, 1000, 1 << 20]))

    def write(self):
        if self.data:
            self.data[-1].send(self.rnd.choice([b"x", b"\r\n" * 500, bytes(200_000)]))

    def reset_data(self):
        if self.data:
            hard(self.data.pop())

    def close_data(self):
        if self.data:
            self.data.pop().close()

    def commands(self):
        lines = [self.rnd.choice(COMMANDS) for _ in range(self.rnd.choice([1, 1, 2, 3, 5]))]
        self.c.send_raw("".join(line + "\r\n" for line in lines).encode())

    def abort(self):
        self.c.send_raw(b"ABOR\r\n")

    def replies(self):
        self.c.sock.settimeout(0.05)
        self.c.sock.recv(1 << 16)

    def pause(self):
        time.sleep(self.rnd.choice([0, 0.001, 0.01, 0.05]))

    def stop(self):
        """What happens until go() is one event to the server."""
        if self.stoppable and not self.stopped:
            os.kill(self.rnd.choice(self.stoppable), signal.SIGSTOP)
            self.stopped = True

    def go(self):
        if self.stopped:
            for pid in self.stoppable:
                os.kill(pid, signal.SIGCONT)
        self.stopped = False

    def reset(self):
        hard(self.c.sock)

    def half_close(self):
        self.c.sock.shutdown(socket.SHUT_WR)

    def kick(self):
        self.server.tool("wherryctl", "-s", self.server.path("run", "ctl.sock"), "kick", "user", "alice")

    def run(self):
        common = [self.commands, self.connect, self.pause, self.stop, self.go, self.read, self.write, self.reset_data]
        rare = [self.wrap, self.abort, self.replies, self.reset, self.half_close, self.close_data]
        steps = [self.ready, self.commands] + [self.rnd.choice(common * 2 + rare) for _ in range(self.rnd.randrange(8))]
        if self.rnd.random() < 0.3:  # the end of the control connection and the begin of a data connection in one turn
            steps += [self.pause, self.stop, self.connect, self.reset]
        if self.rnd.random() < 0.03:
            steps.append(self.kick)
        for step in steps:
            if not self.c.sock or self.c.sock.fileno() < 0:
                break
            with contextlib.suppress(*ERRORS):
                step()
        self.finish()

    def finish(self):
        if self.rnd.random() < 0.8:
            hard(self.c.sock)
        else:
            self.c.close()
        for sock in [*self.data, self.listener]:
            if sock:
                self.rnd.choice([hard, socket.socket.close])(sock)
        self.go()


def connections(server):
    return json.loads(server.tool("ftpwho", "-f", server.path("run", "scoreboard"), "-o", "json").stdout)["connections"]


@pytest.mark.timeout(int(SECONDS) + 300)
@pytest.mark.parametrize("conf", CONFS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_resets_at_random_moments(start, tmp_path, tls, conf):
    extra = CONFS[conf] + "CopyEngine on\nMaxInstances none\nTLSRequired off\nTLSOptions AllowPerUser\n"
    server = start(extra + tls_conf(*make_certificate(str(tmp_path))), TimeoutLinger="0" if conf == "limits" else "2")
    server.put("big", os.urandom(1 << 16) * (BIG >> 16))
    server.put("small", b"small\n" * 100)
    for n in range(3000):
        server.put(f"many/{'x' * 50}{n}")
    for n in range(200):
        server.put(f"tree/{n % 20}/{n}", bytes(10_000))
    rnd = random.Random(SEED + conf + str(tls))
    witness, same = Ftp(server.port, user="bob"), Ftp(server.port, user="alice")
    with contextlib.ExitStack() as at_end:
        at_end.callback(lambda: (witness.close(), same.close()))
        names = {pid: status(pid).get("Name") for pid in server.processes()}
        sessions = [pid for pid, name in names.items() if name == "wherryd-session"]
        logins = [pid for pid, name in names.items() if name == "wherryd-login"]
        end, rounds = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            what, began = Round(server, rnd, tls, (sessions * 4 + logins) if AM_ROOT else []), time.monotonic()
            try:
                what.run()
            finally:
                what.go()
            rounds += 1
            assert not server.reports()
            if time.monotonic() - began > 8:  # a process may have been without a session for ten seconds
                names = {}
                break
            witness, same = refreshed(server, witness, "bob"), refreshed(server, same, "alice")
        gone = set(names) - set(server.processes())
        assert not gone, f"after {rounds} rounds these have ended: {[names[pid] for pid in gone]}"
        wait_until(lambda: len(connections(server)) <= 2, "the others are gone")
        with Ftps(server.port, user="alice") if tls else Ftp(server.port, user="alice") as c:
            assert c.binary().read("RETR small") == b"small\n" * 100


def refreshed(server, session, user):
    """A session that nobody breaks off, so that its process lives; it may have been kicked or timed out."""
    try:
        session.expect(200, "NOOP")
        return session
    except (ConnectionError, Closed, AssertionError):
        session.close()
        return Ftp(server.port, user=user)
