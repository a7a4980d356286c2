"""TransferRate and TransferRateTotal: bytes over time. Bounds from above count from before the command, so that a slow
machine can only make transfers slower; what is to be reached is waited for. How exact and cheap it is on a quiet machine
says bench/throttle."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
import zlib

import pytest

from ftpclient import Ftp, read_all
from servers import PATIENCE_S, status, wait_until

pytestmark = pytest.mark.ours

KIB = 1024
CLASS = "<Class local>\nFrom 127.0.0.1\n</Class>\n"


def big(server, user="alice", size=50_000_000):
    os.truncate(server.put("big", user=user), size)


class Flow:
    """Downloads that are read together, each a client and its data connection; .bytes of each since now. began: the first
    of them, if they are not all counted from their beginnings."""

    def __init__(self, *downloads, began=None):
        self.data = [data for _, data in downloads]
        self.began = min(c.began for c, _ in downloads) if began is None else began
        self.early, self.bytes = [0] * len(self.data), [0] * len(self.data)
        while self.take(self.early, 0):
            pass
        self.since = time.monotonic()

    def take(self, into, seconds):
        ready = select.select(self.data, [], [], seconds)[0]
        for s in ready:
            into[self.data.index(s)] += len(s.recv(1 << 20))
        return ready

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.take(self.bytes, 0.1)
        return self

    def is_below(self, rate, *which, slack=40 * KIB):
        """Since the command those (or all) have never been faster than the rate together: it is not saved up."""
        got = sum(self.early[i] + self.bytes[i] for i in which or range(len(self.data)))
        most = rate * (time.monotonic() - self.began) * 1.02 + slack
        assert got <= most, (got, most, self.early, self.bytes)

    def comes_to(self, condition):
        """Sooner or later the bytes are so: a machine that stands still now and then is not to blame."""
        end = time.monotonic() + PATIENCE_S
        while not condition(self.bytes):
            assert time.monotonic() < end, self.bytes
            self.run(0.5)

    def check(self, rate, slack=40 * KIB):
        """Not faster than the rate, and not much slower."""
        self.is_below(rate, slack=slack)
        self.comes_to(lambda b: sum(b) >= rate * (time.monotonic() - self.since) * 0.4)


def retr(c):
    c.binary()
    c.began = time.monotonic()
    return c.start("RETR big")


def test_a_download_is_never_ahead_of_its_rate(start):
    s = start(TransferRate="RETR 300")
    big(s)
    with Ftp(s.port, user="alice") as c, retr(c) as data:
        got = 0
        while got < 600_000:
            got += len(data.recv(1 << 20))
            assert got <= 300 * KIB * (time.monotonic() - c.began + 0.15), got
        assert time.monotonic() - c.began < 30


@pytest.mark.parametrize("command", ["STOR", "APPE"])
def test_an_upload_takes_its_time(start, command):
    s = start(TransferRate=f"{command} 300")
    content = os.urandom(400_000)
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        c.binary().write(f"{command} f", content)
        assert 400_000 / (300 * KIB) * 0.95 < time.monotonic() - began < 30
    with open(s.home("alice", "f"), "rb") as f:
        assert f.read() == content


def test_commands_have_rates_of_their_own(start):
    s = start(TransferRate="RETR,APPE 1")
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        c.binary().write("STOR f", b"x" * 1_000_000)
        assert time.monotonic() - began < PATIENCE_S  # at the rate of APPE it would be a quarter of an hour


def test_free_bytes_come_at_once(start):
    s = start(TransferRate="RETR 1:500000")
    s.put("f", b"x" * 500_512)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        began = time.monotonic()
        with c.start("RETR f") as data:
            assert len(read_all(data, 500_000)) == 500_000
            assert time.monotonic() - began < PATIENCE_S  # paced: 8 minutes
            assert len(read_all(data)) == 512
            assert time.monotonic() - began > 0.45
        c.expect(226)


def test_a_rate_of_zero_lifts_that_of_the_scope_around(start):
    s = start("<Directory ~/fast>\nTransferRate RETR 0\n</Directory>\n", TransferRate="RETR 1")
    s.put("fast/f", b"x" * 1_000_000)
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        assert len(c.binary().read("RETR fast/f")) == 1_000_000
        assert time.monotonic() - began < PATIENCE_S  # a quarter of an hour


@pytest.mark.parametrize("line, slow", [
    ("user alice,carol", ["alice"]), ("user !alice", ["bob"]), ("group galice", ["alice"]), ("group !galice", ["bob"]),
    ("class local", ["alice", "bob"]), ("class !local", [])])
def test_a_rate_for_some(start, line, slow):
    s = start(CLASS + f"TransferRate RETR 1 {line}\n")
    for user in ("alice", "bob"):
        s.put("big", b"x" * 300_000, user=user)
        with Ftp(s.port, user=user) as c, retr(c) as data:
            if user in slow:
                flow = Flow((c, data)).run(0.5)
                flow.comes_to(lambda b: b[0] > 0)
                flow.is_below(KIB, slack=300)
            else:
                assert len(read_all(data)) == 300_000


@pytest.mark.root
@pytest.mark.needs("strace")
def test_a_paced_download_stays_in_the_kernel_in_small_pieces(start):
    s = start(TransferRate="RETR 400")
    big(s)
    with Ftp(s.port, user="alice") as c:
        c.cmd("NOOP")
        pid = next(p for p in s.processes() if status(p)["Name"] == "wherryd-session")
        trace = s.path("trace")
        tracer = subprocess.Popen(["strace", "-f", "-e", "trace=sendfile,sendfile64", "-o", trace, "-p", str(pid)],
                                  stderr=subprocess.PIPE, text=True)
        try:
            assert "attached" in tracer.stderr.readline()
            with retr(c) as data:
                read_all(data, 300_000)
        finally:
            tracer.terminate()
            tracer.wait()
    with open(trace, encoding="ascii") as f:
        asked = [int(n) for n in re.findall(r"sendfile(?:64)?\(.*?, (\d+)(?:\)| <)", f.read())]
    assert len(asked) >= 8
    assert max(asked) <= 400 * KIB * 0.05 * 2 + 2


def test_a_total_is_shared_by_the_sessions_of_a_user(start):
    s = start(TransferRateTotal="RETR 400 user")
    big(s)
    big(s, "bob")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice") as b, Ftp(s.port, user="bob") as c:
        with retr(a) as x, retr(b) as y, retr(c) as z:
            flow = Flow((a, x), (b, y), (c, z)).run(2)
            flow.is_below(400 * KIB, 0, 1)
            flow.is_below(400 * KIB, 2)
            flow.comes_to(lambda b: b[2] > 1.4 * b[0])  # who is alone has it alone
            flow.comes_to(lambda b: b[0] < 2 * b[1] and b[1] < 2 * b[0])


def users_of_one_class(start, kind):
    s = start(CLASS + f"TransferRateTotal RETR 600 {kind}\n")
    for user in ("alice", "bob", "carol"):
        big(s, user)
    return s


@pytest.mark.parametrize("kind", ["class", "class local", "server"])
def test_a_total_is_shared_across_processes(start, kind):
    s = users_of_one_class(start, kind)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b, Ftp(s.port, user="carol") as c:
        with retr(a) as x, retr(b) as y, retr(c) as z:
            flow = Flow((a, x), (b, y), (c, z)).run(2)
            flow.check(600 * KIB)
            flow.comes_to(lambda b: min(b) * 2 > max(b))


def test_another_class_has_another_total(start):
    s = start("<Class other>\nFrom 127.0.0.2\n</Class>\n" + CLASS + "TransferRateTotal RETR 300 class\n")
    big(s)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice", source="127.0.0.2") as b:
        listener = b.binary().listen()
        b.began = time.monotonic()
        b.expect(150, "RETR big")
        with retr(a) as x, listener, listener.accept()[0] as y:
            flow = Flow((a, x), (b, y)).run(2)
            for i in range(2):
                flow.is_below(300 * KIB, i)
            flow.comes_to(lambda b: min(b) >= 300 * KIB * (time.monotonic() - flow.since) * 0.4)


def test_all_rates_hold_together(start):
    s = start("TransferRateTotal RETR 600 server\nTransferRateTotal RETR 400 user\nTransferRate RETR 150 user bob\n")
    big(s)
    big(s, "bob")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b, retr(a) as x, retr(b) as y:
        flow = Flow((a, x), (b, y)).run(2)
        flow.is_below(400 * KIB, 0)
        flow.is_below(150 * KIB, 1)
        flow.comes_to(lambda b: b[0] > 1.5 * b[1])


def test_who_does_not_read_reserves_nothing(start):
    s = start(TransferRateTotal="RETR 4000 server")
    big(s)
    big(s, "bob")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b:
        with socket.socket() as idle:
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            idle.connect(b.binary().epsv())
            b.expect(150, "RETR big")
            with retr(a) as x:
                def alone():  # when bob's buffers are full
                    flow = Flow((a, x)).run(1)
                    return flow.bytes[0] > 4000 * KIB * (time.monotonic() - flow.since) * 0.75
                wait_until(alone, "alice has the rate for herself")


@pytest.mark.root
def test_a_killed_process_does_not_wedge_the_others(start):
    s = users_of_one_class(start, "class")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b, retr(a) as x, retr(b) as y:
        both = Flow((a, x), (b, y)).run(0.5)
        bob = [p for p in s.processes() if status(p)["Uid"].split()[0] == "20002"]
        os.kill(bob[0], signal.SIGKILL)
        wait_until(lambda: bob[0] not in s.processes(), "bob's process is gone")
        Flow((a, x), began=both.since).run(1.5).check(600 * KIB, 100 * KIB)


def test_uploads_share_a_total(start):
    s = start(TransferRateTotal="STOR 400 server")
    content = b"x" * 300_000
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b:
        began = time.monotonic()
        for c in (a, b):
            c.up = c.binary().start("STOR up")
        for c in (a, b):
            c.up.sendall(content)
            c.up.close()
        for c in (a, b):
            c.expect(226)
        assert time.monotonic() - began >= 600_000 / (400 * KIB) * 0.9
        assert time.monotonic() - began < PATIENCE_S


def test_abor_is_quick_in_a_crowd(start):
    s = start(TransferRateTotal="RETR 1 server")
    big(s)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice") as b, retr(a), retr(b):
        for c in (a, b):
            began = time.monotonic()
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
            assert time.monotonic() - began < PATIENCE_S  # not after the transfer: half a day


def test_ftpwho_shows_the_limit_in_force(start):
    s = start("TransferRateTotal RETR 40 user\nTransferRate RETR 100\n")
    big(s)
    with Ftp(s.port, user="alice") as c, retr(c) as data:
        data.recv(1)
        shown = json.loads(s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-o", "json").stdout)
    assert [x.get("rate_limit_bps") for x in shown["connections"]] == [40 * KIB]


def rates(server):
    return server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "rates").stdout


@pytest.mark.parametrize("line", ["TransferRate RETR %d", "TransferRateTotal RETR %d user"])
@pytest.mark.parametrize("by_signal", [False, True])
def test_new_numbers_count_for_a_running_transfer(start, line, by_signal):
    s = start(line % 5 + "\n")
    s.put("big", b"x" * 2_000_000)
    with Ftp(s.port, user="alice") as c:
        with retr(c) as data:
            data.recv(1)
            s.configure(line % 100_000 + "\n")
            if by_signal:
                os.kill(s.proc.pid, signal.SIGUSR2)
            else:
                assert "1 rate changed" in rates(s)
                assert "0 rates changed" in rates(s)
            began = time.monotonic()
            read_all(data)
            assert time.monotonic() - began < PATIENCE_S  # at the old number: 6 minutes
        c.expect(226)
        s.configure(line % 5 + "\n")  # and the next transfer has the number of its time
        rates(s)
        with retr(c) as data:
            Flow((c, data)).run(1).is_below(5 * KIB, slack=5 * KIB)


def test_lines_that_come_or_go_wait_for_a_reload(start):
    s = start("TransferRate RETR 100000\n")
    s.configure("TransferRate RETR 100000 user alice\nTransferRateTotal RETR 5 server\n")
    assert "0 rates changed; 2 new and 1 removed lines wait for a reload" in rates(s)
    s.configure("TransferRate RETR x\n")
    done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "rates")
    assert done.returncode == 1 and "not a rate" in done.stderr


def test_more_numbers_than_there_is_room_for_change_none(start):
    def lines(rate):
        return "".join(f"TransferRate RETR {rate} user u{i}\n" for i in range(4097))
    s = start("TransferRate RETR 5 user alice\n" + lines(100))
    s.put("big", b"x" * 2_000_000)
    with Ftp(s.port, user="alice") as c, retr(c) as data:
        data.recv(1)
        s.configure("TransferRate RETR 7 user alice\n")
        assert "1 rate changed" in rates(s)
        s.configure("TransferRate RETR 100000 user alice\n" + lines(200))
        done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "rates")
        assert done.returncode == 1 and "more than 4096 rates differ" in done.stderr
        s.configure("TransferRate RETR 7 user alice\n" + lines(100))
        assert "0 rates changed" in rates(s)


def test_new_numbers_do_not_wait_for_certificates(start, tmp_path):
    """Nor for passphrases: nothing but the numbers is looked at."""
    s = start("TransferRate RETR 5\n")
    s.configure(f"TransferRate RETR 6\nTLSEngine on\nTLSRSACertificateFile {tmp_path}/none\n")
    assert "1 rate changed" in rates(s)


def test_a_total_outlives_a_reload(start):
    s = start("TransferRateTotal RETR 400 server\n")
    big(s)
    with Ftp(s.port, user="alice") as a, retr(a) as x:
        s.reload()
        wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
        with Ftp(s.port, user="alice") as b, retr(b) as y:
            flow = Flow((a, x), (b, y)).run(2)
            flow.check(400 * KIB)
            flow.comes_to(lambda b: min(b) * 2 > max(b))


@pytest.mark.parametrize("command", ["RETR", "STOR"])
def test_under_mode_z_the_bytes_on_the_network_count(start, command):
    s = start(TransferRate=f"{command} 200", DeflateEngine="on")
    for content, quick in ((bytes(10_000_000), True), (os.urandom(300_000), False)):
        s.put("f", content)
        with Ftp(s.port, user="alice") as c:
            c.binary().expect(200, "MODE Z")
            began = time.monotonic()
            if command == "RETR":
                assert zlib.decompress(c.read("RETR f")) == content
            else:
                c.write("STOR g", zlib.compress(content))
                with open(s.home("alice", "g"), "rb") as f:
                    assert f.read() == content
            seconds = time.monotonic() - began
        assert seconds < PATIENCE_S if quick else seconds > 300_000 / (200 * KIB) * 0.95
