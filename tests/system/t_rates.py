"""TransferRate and TransferRateTotal: bytes over time. Bounds from above are tight, as a slow machine only makes transfers
slower; bounds from below are wide. How exact and cheap it is on a quiet machine says bench/throttle."""
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
from servers import status, wait_until

pytestmark = pytest.mark.ours

KIB = 1024
CLASS = "<Class local>\nFrom 127.0.0.1\n</Class>\n"


def big(server, user="alice", size=50_000_000):
    os.truncate(server.put("big", user=user), size)


class Flow:
    """Downloads that are read together; .bytes of each and the seconds it took. What came before does not count: on a busy
    machine it is more than the bounds leave room for."""

    def __init__(self, *data):
        self.data = list(data)
        while ready := select.select(self.data, [], [], 0)[0]:
            for s in ready:
                s.recv(1 << 20)
        self.bytes = [0] * len(data)
        self.began = time.monotonic()

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for s in select.select(self.data, [], [], 0.1)[0]:
                self.bytes[self.data.index(s)] += len(s.recv(1 << 20))
        return time.monotonic() - self.began

    def check(self, rate, seconds, slack=40 * KIB):
        """Not faster than the rate, and not much slower."""
        assert sum(self.bytes) <= rate * seconds * 1.02 + slack, self.bytes
        assert sum(self.bytes) >= rate * seconds * 0.4, self.bytes


def retr(c):
    return c.binary().start("RETR big")


def test_a_download_is_never_ahead_of_its_rate(start):
    s = start(TransferRate="RETR 300")
    big(s)
    with Ftp(s.port, user="alice") as c, retr(c) as data:
        began, got = time.monotonic(), 0
        while got < 600_000:
            got += len(data.recv(1 << 20))
            assert got <= 300 * KIB * (time.monotonic() - began + 0.15), got
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("command", ["STOR", "APPE"])
def test_an_upload_takes_its_time(start, command):
    s = start(TransferRate=f"{command} 300")
    content = os.urandom(400_000)
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        c.binary().write(f"{command} f", content)
        assert 400_000 / (300 * KIB) * 0.95 < time.monotonic() - began < 10
    with open(s.home("alice", "f"), "rb") as f:
        assert f.read() == content


def test_commands_have_rates_of_their_own(start):
    s = start(TransferRate="RETR,APPE 1")
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        c.binary().write("STOR f", b"x" * 1_000_000)
        assert time.monotonic() - began < 20  # at the rate of APPE it would be a quarter of an hour


def test_free_bytes_come_at_once(start):
    s = start(TransferRate="RETR 1:500000")
    s.put("f", b"x" * 500_512)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR f") as data:
            began = time.monotonic()
            assert len(read_all(data, 500_000)) == 500_000
            assert time.monotonic() - began < 20  # paced: 8 minutes
            assert len(read_all(data)) == 512
            assert time.monotonic() - began > 0.45
        c.expect(226)


def test_a_rate_of_zero_lifts_that_of_the_scope_around(start):
    s = start("<Directory ~/fast>\nTransferRate RETR 0\n</Directory>\n", TransferRate="RETR 1")
    s.put("fast/f", b"x" * 1_000_000)
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        assert len(c.binary().read("RETR fast/f")) == 1_000_000
        assert time.monotonic() - began < 20


@pytest.mark.parametrize("line, slow", [
    ("user alice,carol", ["alice"]), ("user !alice", ["bob"]), ("group galice", ["alice"]), ("group !galice", ["bob"]),
    ("class local", ["alice", "bob"]), ("class !local", [])])
def test_a_rate_for_some(start, line, slow):
    s = start(CLASS + f"TransferRate RETR 1 {line}\n")
    for user in ("alice", "bob"):
        s.put("f", b"x" * 300_000, user=user)
        with Ftp(s.port, user=user) as c, c.binary().start("RETR f") as data:
            if user in slow:
                flow = Flow(data)
                seconds = flow.run(0.5)
                assert 0 < flow.bytes[0] <= KIB * seconds * 1.02 + 300
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
            flow = Flow(x, y, z)
            seconds = flow.run(2)
    assert flow.bytes[0] + flow.bytes[1] <= 400 * KIB * seconds * 1.02 + 40 * KIB
    assert flow.bytes[2] <= 400 * KIB * seconds * 1.02 + 40 * KIB
    assert flow.bytes[2] > 1.4 * flow.bytes[0]  # who is alone has it alone
    assert 0.5 < flow.bytes[0] / flow.bytes[1] < 2


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
            flow = Flow(x, y, z)
            flow.check(600 * KIB, flow.run(2))
    assert min(flow.bytes) * 2 > max(flow.bytes), flow.bytes


def test_another_class_has_another_total(start):
    s = start("<Class other>\nFrom 127.0.0.2\n</Class>\n" + CLASS + "TransferRateTotal RETR 300 class\n")
    big(s)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice", source="127.0.0.2") as b:
        listener = b.binary().listen()
        b.expect(150, "RETR big")
        with retr(a) as x, listener, listener.accept()[0] as y:
            flow = Flow(x, y)
            seconds = flow.run(2)
    for n in flow.bytes:
        assert 300 * KIB * seconds * 0.4 <= n <= 300 * KIB * seconds * 1.02 + 40 * KIB


def test_all_rates_hold_together(start):
    s = start("TransferRateTotal RETR 600 server\nTransferRateTotal RETR 400 user\nTransferRate RETR 150 user bob\n")
    big(s)
    big(s, "bob")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b, retr(a) as x, retr(b) as y:
        flow = Flow(x, y)
        seconds = flow.run(2)
    assert flow.bytes[0] <= 400 * KIB * seconds * 1.02 + 40 * KIB
    assert flow.bytes[1] <= 150 * KIB * seconds * 1.02 + 40 * KIB
    assert flow.bytes[0] > 1.5 * flow.bytes[1]


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
                    flow = Flow(x)
                    seconds = flow.run(1)
                    return flow.bytes[0] > 4000 * KIB * seconds * 0.75
                wait_until(alone, "alice has the rate for herself", 25)


@pytest.mark.root
def test_a_killed_process_does_not_wedge_the_others(start):
    s = users_of_one_class(start, "class")
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="bob") as b, retr(a) as x, retr(b) as y:
        Flow(x, y).run(0.5)
        bob = [p for p in s.processes() if status(p)["Uid"].split()[0] == "20002"]
        os.kill(bob[0], signal.SIGKILL)
        wait_until(lambda: bob[0] not in s.processes(), "bob's process is gone")
        flow = Flow(x)
        flow.check(600 * KIB, flow.run(1.5), 100 * KIB)


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
        assert time.monotonic() - began < 15


def test_abor_is_quick_in_a_crowd(start):
    s = start(TransferRateTotal="RETR 1 server")
    big(s)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice") as b, retr(a), retr(b):
        for c in (a, b):
            began = time.monotonic()
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
            assert time.monotonic() - began < 2


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
            assert time.monotonic() - began < 20  # at the old number: 6 minutes
        c.expect(226)
        s.configure(line % 5 + "\n")  # and the next transfer has the number of its time
        rates(s)
        with retr(c) as data:
            began, got = time.monotonic(), 0
            while time.monotonic() < began + 1:
                if select.select([data], [], [], 0.1)[0]:
                    got += len(data.recv(1 << 20))
            assert got <= 5 * KIB * 2


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
            flow = Flow(x, y)
            flow.check(400 * KIB, flow.run(2))
    assert min(flow.bytes) * 2 > max(flow.bytes), flow.bytes


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
        assert seconds < 20 if quick else seconds > 300_000 / (200 * KIB) * 0.95
