"""ClientProfile: dialogues as devices have them, with the profile and without; and that others are not touched by it.

A dialogue is a list of (line, code without the profile, code with it). Devices have the address 127.0.0.2.
"""
import re
import socket

import pytest

from ftpclient import Ftp

pytestmark = pytest.mark.ours

DEVICE = "127.0.0.2"
CLASS = f"<Class devices>\nFrom {DEVICE}\n</Class>\n"
DISPLAY = "DisplayConnect @DIR@/connect\nDisplayLogin @DIR@/login\n"


class Device(Ftp):
    """A client with the address of devices (or, source None, with another one)."""

    def __init__(self, port, source=DEVICE, **more):
        super().__init__(port, source=source, **more)
        self.source = source

    def data(self, mode="pasv"):
        host, port = self.epsv() if mode == "epsv" else self.pasv()
        return socket.create_connection((host, port), self.timeout, (self.source, 0) if self.source else None)


@pytest.fixture
def device(start):
    """device(profile, more) -> server whose clients from 127.0.0.2 have the profile."""
    def make(profile, more="", **values):
        server = start.prepare()
        server.mkdir("cam")
        server.put("data.csv", b"1;2\n")
        for name in ("connect", "login"):
            with open(server.path(name), "w") as f:
                f.write(f"Text of {name}\nwith two lines\n")
        server.configure(f"{CLASS}ClientProfile {profile} class devices\n{DISPLAY}{more}", **values)
        return server.start()
    return make


def talk(port, dialogue, column, source):
    with Ftp(port, source=source, greet=False) as c:
        greeting = c.expect(220)
        login = None
        for row in dialogue:
            reply = c.cmd(row[0])
            assert reply.code == row[column], f"{row}: {reply}\n{c.transcript()}"
            if row[0].startswith("PASS"):
                login = reply
        return greeting, login


CAMERA = [
    ("USER alice", 331, 331),
    ("PASS alice-pw", 230, 230),
    ("SYST", 215, 215),
    ("PWD", 257, 257),
    ("TYPE I", 200, 200),
    ("CWD /", 250, 250),
    ("MKD cam", 550, 257),
    ("CWD cam", 250, 250),
    ("MKD /cam", 550, 257),
    ("MKD /", 550, 257),
    ("MKD /data.csv", 550, 550),  # no directory
    ("MKD 20260101", 257, 257),
    ("MKD 20260101", 550, 257),
    ("CWD 20260101", 250, 250),
    ("CWD nosuch", 550, 550),  # and nothing is made
    ("ALLO 123456", 200, 200),
    ("EPSV", 229, 500),
    ("EPSV ALL", 200, 500),
    ("TYPE I N", 504, 200),
    ("TYPE BINARY", 504, 200),
    ("STRU FILE", 501, 200),
    ("STRU F N", 501, 200),
    ("MODE STREAM", 501, 200),
    ("MODE B", 504, 504),
    ("TYPE E", 504, 504),
    ("NOOP", 200, 200),
    ("QUIT", 221, 221),
]


@pytest.mark.parametrize("column, source", [(1, None), (2, DEVICE)])
def test_a_camera(device, column, source):
    s = device("camera")
    greeting, login = talk(s.port, [row for row in CAMERA if column == 2 or row[0] != "EPSV ALL"], column, source)
    assert (len(greeting.lines) == 1) == (source == DEVICE)
    assert (len(login.lines) == 1) == (source == DEVICE)


def test_pictures_sent_as_text_stay_as_they_are(device):
    s = device("camera")
    picture = b"\xff\xd8\r\n\n\r\x00"
    for source, stored in ((None, picture.replace(b"\r\n", b"\n")), (DEVICE, picture)):
        with Device(s.port, source=source, user="alice") as c:
            c.expect(200, "TYPE A")
            c.write("STOR a.jpg", picture, mode="pasv")
        with open(s.home("alice", "a.jpg"), "rb") as f:
            assert f.read() == stored


def test_what_is_refused_is_not_promised(device):
    s = device("camera")
    for source, there in ((None, True), (DEVICE, False)):
        with Device(s.port, source=source) as c:
            assert (" EPSV" in c.expect(211, "FEAT").lines) == there  # before login
            c.login()
            lines = c.expect(211, "FEAT").lines
            assert (" EPSV" in lines) == there and " EPRT" in lines


def test_who_can_only_use_epsv_keeps_it(start):
    s = start("ClientProfile camera\n", UseIPv6="on", DefaultAddress="::1")
    with Ftp(s.port, host="::1", user="alice") as c:
        assert " EPSV" in c.expect(211, "FEAT").lines
        c.expect(229, "EPSV")


def test_lines_of_any_ending_and_case(device):
    s = device("camera")
    for source in (None, DEVICE):  # for everybody
        with Device(s.port, source=source) as c:
            c.send_raw(b"user alice\npass alice-pw\ntype i\r\nlist -al\n")
            assert [c.reply().code for _ in range(3)] == [331, 230, 200]


SCANNER = [
    ("USER alice", 331, 331),
    ("PASS alice-pw", 230, 230),
    ("TYPE IMAGE", 504, 200),
    ('CWD "cam"', 550, 250),
    ("CDUP", 250, 250),
    ('DELE "nosuch"', 550, 550),
    ("MKD cam", 550, 257),
    ("EPSV", 229, 500),
    ("QUIT", 221, 221),
]


@pytest.mark.parametrize("column, source", [(1, None), (2, DEVICE)])
def test_a_scanner(device, column, source):
    s = device("scanner")
    greeting, login = talk(s.port, SCANNER, column, source)
    assert (len(greeting.lines) == 1) == (source == DEVICE)


def test_a_scanner_names_what_stou_makes_up(device):
    s = device("scanner", AllowStoreRestart="on")
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "STOU Scan 0001.pdf")
    with Device(s.port, user="alice") as c:
        c.binary()
        with c.data("pasv") as data:
            name = re.search(r"FILE: (\S+)", c.expect(150, "STOU Scan 0001.pdf").text).group(1)
            data.sendall(b"%PDF")
        c.expect(226)
        c.write("APPE " + name, b"-1.4", mode="pasv")
        assert c.read("RETR " + name, mode="pasv") == b"%PDF-1.4"


def test_quotes_inside_and_half_quotes_stay(device):
    s = device("scanner")
    with Device(s.port, user="alice") as c:
        c.write('STOR "a b"', b"1", mode="pasv")
        c.write('STOR "half', b"2", mode="pasv")
        c.write('STOR in"side', b"3", mode="pasv")
        c.expect(350, 'RNFR "a b"')
        c.expect(250, 'RNTO ""')  # nothing in them: two quotes
    for name, content in (('""', b"1"), ('"half', b"2"), ('in"side', b"3")):
        with open(s.home("alice", name), "rb") as f:
            assert f.read() == content


def test_a_path_in_quotes_is_asked_about_without_them(device):
    s = device("plc", "<Directory @DIR@/home/alice/cam>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n")
    with Device(s.port, user="alice") as c:
        for line in ('CWD "cam"', 'STOR "cam/x"', 'MKD "/cam/x"', 'MLST "cam"'):
            assert c.cmd(line).code == 550


def test_a_controller_waits_for_a_day(device):
    s = device("plc", TimeoutIdle="1", TimeoutNoTransfer="1")
    with Device(s.port, user="alice") as plc, Ftp(s.port, user="alice") as other:
        other.expect(421)  # which came later
        plc.expect(200, "NOOP")
        assert "at most 86400" in plc.expect(200, "SITE IDLE").text


def test_a_controller_may_name_low_ports_but_only_its_own(device):
    s = device("plc", "AllowForeignAddress on\n")
    with Device(s.port, user="alice") as c:
        c.expect(200, "PORT 127,0,0,2,0,200")
        c.expect(200, "EPRT |1|127.0.0.2|200|")
        c.expect(200, "PORT 127,0,0,1,200,0")  # another address, as far as the configuration lets it
        c.expect(500, "PORT 127,0,0,1,0,200")
        c.expect(501, "PORT 127,0,0,2,0,0")
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "PORT 127,0,0,1,0,200")


MAINFRAME = [
    ("USER alice", 331, 331),
    ("PASS alice-pw", 230, 230),
    ("SITE FIXrecfm 80 LRECL=80 RECFM=FB BLKSIZE=27920", 500, 200),
    ("SITE VARrecfm LRECL=128 RECFM=VB", 500, 200),
    ("SITE PRIMARY=5 SECONDARY=5 TRACKS", 500, 200),
    ("SITE FILETYPE=JES", 500, 500),  # jobs are another matter
    ("SITE LRECL=80 FILETYPE=JES", 500, 500),
    ("SITE EXEC LRECL=80", 500, 500),
    ("SITE UMASK 077", 200, 200),
    ("TYPE E", 504, 504),
    ("TYPE A", 200, 200),
    ("ALLO 8000 R 80", 200, 200),
    ("STRU R", 504, 200),
    ("NLST", 425, 550),
    ("STRU F", 200, 200),
    ("NLST", 425, 425),
    ("MODE B", 504, 200),
    ("STOR x", 425, 550),
    ("MODE S", 200, 200),
    ("MODE C", 504, 504),
    ("MKD cam", 550, 550),
    ("QUIT", 221, 221),
]


@pytest.mark.parametrize("column, source", [(1, None), (2, DEVICE)])
def test_a_mainframe(device, column, source):
    s = device("mainframe", "TimeoutStalled 2\n")
    talk(s.port, MAINFRAME, column, source)


def test_no_file_is_made_while_records_are_asked_for(device):
    s = device("mainframe")
    with Device(s.port, user="alice") as c:
        c.expect(200, "STRU R")
        with c.data("epsv"):
            c.expect(550, "STOR new")
        c.expect(550, "MDTM new")
        c.expect(200, "STRU F")
        c.write("STOR new", b"x")


# --- who gets one

def test_the_first_line_that_fits_counts(start):
    s = start(f"{CLASS}ClientProfile none class devices\nClientProfile camera\n")
    with Device(s.port, user="alice") as c:
        c.expect(229, "EPSV")
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "EPSV")


def test_global_and_conditional_sections(start):
    s = start(f"{CLASS}<Global>\nClientProfile camera\n</Global>\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(500, "EPSV")
    s = start(f"{CLASS}<IfClass devices>\nClientProfile camera\n</IfClass>\n")
    for source, code in ((None, 229), (DEVICE, 500)):
        with Device(s.port, source=source, user="alice") as c:
            c.expect(code, "EPSV")


@pytest.mark.parametrize("line, text", [
    ("ClientProfile toaster", "unknown profile 'toaster'"),
    ("ClientProfile camera user alice", "expected 'class'"),
    ("ClientProfile camera class", "wrong number of parameters"),
    ("<Anonymous /tmp>\nUser ftp\nClientProfile camera\n</Anonymous>", "not allowed in"),
])
def test_mistakes_are_told(start, line, text):
    s = start.prepare()
    s.configure(line)
    done = s.check()
    assert done.returncode != 0 and text in done.stdout + done.stderr
