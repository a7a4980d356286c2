"""Edge cases of the command line and of names: blanks, quotes, bytes, Telnet, packets, sizes."""
import os
import socket

import pytest

from ftpclient import Ftp, text

IAC = b"\xff"


@pytest.fixture
def c(shared):
    """A client of an account of its own."""
    name = f"edge{len(shared.users)}"
    shared.add_user(name)
    with Ftp(shared.port, user=name) as client:
        client.home = shared.home(name)
        yield client


def put(c, name, content=b"x"):
    path = os.path.join(os.fsencode(c.home), name)
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o666)


NAMES = [b'"', b"'", b"*", b"[", b"a[b]", b"-x", pytest.param(b"~x", marks=pytest.mark.ours), b" lead", b"trail ", b"two  blanks", b"#hash", b"100%", b"%s%n",
         b"back\\slash", b"n" * 255, b"\xc3\xa4", b"\xf0\x9f\x90\x9f", b"123 digits", b"{a,b}", b"?", b"$HOME", b"`x`"]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: repr(n[:12]))
def test_names_survive(c, name):
    c.binary()
    c.write(b"STOR " + name, b"content of " + name)
    assert os.listdir(os.fsencode(c.home)) == [name]
    assert c.read(b"RETR " + name) == b"content of " + name
    assert c.expect(213, b"SIZE " + name).text == f"213 {11 + len(name)}"
    assert text(name) in "\n".join(c.lines("LIST"))
    assert [text(name)] == [line.split("; ", 1)[1] for line in c.lines("MLSD") if "type=file;" in line]
    c.expect(350, b"RNFR " + name)
    c.expect(250, "RNTO plain")
    c.expect(350, "RNFR plain")
    c.expect(250, b"RNTO " + name)
    c.expect(250, b"DELE " + name)
    assert os.listdir(c.home) == []


def test_a_name_of_256_bytes(c):
    assert "File name too long" in c.expect(550, "RETR " + "n" * 256).text
    with c.data():
        c.expect(550, "STOR " + "n" * 256)


@pytest.mark.ours
def test_bytes_that_are_no_utf8_pass_through(c):
    c.binary()
    c.write(b"STOR a\xff\xff\xfeb", b"x")  # IAC IAC is one 0xFF, IAC 0xFE ... would be a Telnet DONT
    names = os.listdir(os.fsencode(c.home))
    assert len(names) == 1
    put(c, b"\x80\xc3", b"y")
    assert c.read(b"RETR \x80\xc3") == b"y"


def test_iac_iac_is_one_byte(c):
    put(c, b"n\xffm", b"found")
    c.binary()
    assert c.read(b"RETR n\xff\xffm") == b"found"


@pytest.mark.ours
def test_cr_nul_is_a_carriage_return(c):
    c.write(b"STOR with\r\0cr", b"x")
    assert os.listdir(c.home) == ["with\rcr"]
    assert any("with?cr" in line for line in c.lines("LIST"))


@pytest.mark.ours
def test_nul_in_an_argument_is_refused(c):
    c.expect((500, 501, 550), b"RETR a\0b")
    c.expect(200, "NOOP")


@pytest.mark.parametrize("line", [b"CWD trail ", b"CWD  lead"])
def test_blanks_belong_to_the_name(c, line):
    c.expect(257, b"MKD " + line[4:])
    c.expect(250, line)
    c.expect(550, b"CWD ../" + line[4:].strip())


@pytest.mark.ours
def test_bare_lf_ends_a_line(c):
    c.send_raw(b"NOOP\n")
    c.expect(200)
    c.send_raw(b"PWD\nNOOP\r\n")
    c.expect(257)
    c.expect(200)


@pytest.mark.ours
def test_empty_lines_are_ignored(c):
    c.send_raw(b"\r\n\r\nNOOP\r\n")
    c.expect(200)
    assert c.silent(0.1)


def test_one_byte_at_a_time(c):
    for byte in b"MKD one at a time\r\n":
        c.send_raw(bytes([byte]))
    c.expect(257)


def test_pipelined_commands_answer_in_order(c):
    c.send_raw(b"".join(b"NOOP\r\n" for _ in range(500)) + b"PWD\r\n" + b"TYPE I\r\n" * 499)
    for _ in range(500):
        c.expect(200)
    c.expect(257)
    for _ in range(499):
        assert c.reply().text == "200 Type set to I"


@pytest.mark.ours
def test_an_oversized_line_costs_one_500(c):
    c.send_raw(b"NOOP " + b"x" * 200_000 + b"\r\nPWD\r\n")
    c.expect(500)
    c.expect(257)
    assert c.silent(0.1)


@pytest.mark.ours
def test_the_cut_part_is_not_executed(c):
    c.send_raw(b"NOOP " + b"x" * 8192 + b"\nMKD visible\r\n")
    c.expect(500)
    c.expect(257)
    c.send_raw(b"CWD " + b"MKD evil" * 2000 + b"\r\n")
    c.expect((500, 550))
    assert os.listdir(c.home) == ["visible"]


def test_telnet_negotiation_is_declined(shared):
    with Ftp(shared.port) as c:
        c.send_raw(IAC + b"\xfb\x01" + IAC + b"\xfd\x03" + b"NOOP\r\n")
        raw = b""
        while b"\n" not in raw:
            raw += c.sock.recv(100)
        assert IAC + b"\xfe\x01" in raw and IAC + b"\xfc\x03" in raw and b"200 NOOP" in raw


@pytest.mark.ours
def test_telnet_state_survives_packet_borders(shared):
    with Ftp(shared.port) as c:
        for piece in (b"NO" + IAC, b"\xf4", b"OP" + IAC, b"\xf2\r", b"\n"):
            c.send_raw(piece)
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.expect(200)


@pytest.mark.parametrize("password", ["with blanks in it", " lead", "trail ", "p" * 200, "ümläut", "-dash"])
def test_passwords(start, password):
    s = start(users={"pw": {"password": password}})
    with Ftp(s.port) as c:
        c.expect(331, "USER pw")
        c.expect(230, "PASS " + password)


def test_a_password_of_1025_bytes_is_refused(shared):
    with Ftp(shared.port) as c:
        c.expect(331, "USER alice")
        c.expect((500, 501, 530), "PASS " + "p" * 1025)


def test_an_empty_password_is_refused(shared):
    for line in ("PASS", "PASS "):
        with Ftp(shared.port) as c:
            c.expect(331, "USER alice")
            c.expect((500, 501, 530), line)


@pytest.mark.ours
def test_rnfr_tolerates_commands_between(c):
    put(c, b"a")
    c.expect(350, "RNFR a")
    c.expect(200, "NOOP")
    c.expect(257, "PWD")
    c.expect(250, "RNTO b")


def test_rename_edges(c):
    put(c, b"a")
    os.mkdir(os.path.join(c.home, "d"))
    os.chmod(os.path.join(c.home, "d"), 0o777)
    c.expect(350, "RNFR a")
    c.expect(250, "RNTO a")
    c.expect(350, "RNFR a")
    c.expect(550, "RNTO d")
    c.expect(350, "RNFR d")
    c.expect(550, "RNTO d/inside")
    assert sorted(os.listdir(c.home)) == ["a", "d"]


def test_path_forms(c):
    c.expect(257, "MKD a")
    assert c.expect(257, "MKD a//b/").text.startswith('257 "/a/b')
    c.expect(550, "MKD .")
    c.expect(250, "CWD a/b")
    c.expect((250, 550), "RMD ../b")
    c.expect(250, "CWD /")
    c.expect(250, "CWD ///a///")
    assert c.expect(257, "PWD").text == '257 "/a" is the current directory'


def test_deleting_an_open_file_does_not_stop_its_download(c):
    content = os.urandom(20_000_000)
    put(c, b"big", content)
    c.binary()
    with c.start("RETR big") as data:
        first = data.recv(1000)
        with Ftp(c.port) as other:
            other.login(os.path.basename(c.home))
            other.expect(250, "DELE big")
        rest = b""
        parts = [first]
        while rest := data.recv(1 << 20):
            parts.append(rest)
    c.expect(226)
    assert b"".join(parts) == content


def test_mdtm_and_size_of_odd_things(c):
    put(c, b"file", b"12345")
    os.symlink("file", os.path.join(c.home, "link"))
    os.symlink("nowhere", os.path.join(c.home, "dangling"))
    os.mkfifo(os.path.join(c.home, "fifo"))
    c.binary()
    assert c.expect(213, "SIZE link").text == "213 5"
    c.expect(213, "MDTM link")
    for name in ("dangling", "fifo", "nosuch"):
        c.expect(550, "SIZE " + name)
        c.expect(550, "MDTM " + name)
    os.utime(os.path.join(c.home, "file"), (4102444800, 4102444800))
    assert c.expect(213, "MDTM file").text == "213 21000101000000"
    os.utime(os.path.join(c.home, "file"), (-86400, -86400))
    assert c.expect(213, "MDTM file").text == "213 19691231000000"


def test_stat_of_a_name_that_starts_like_a_reply(c):
    put(c, b"213 End of status")
    put(c, b"212 x")
    reply = c.expect((211, 212, 213), "STAT /")
    assert all(line.startswith(" ") for line in reply.lines[1:-1])
    assert sum("End of status" in line for line in reply.lines) == 2


def test_symlinks_do_not_leave_the_root(c):
    for name, target in (("abs", "/etc/passwd"), ("up", "../../passwd"), ("loop", "loop"), ("dir", "/etc")):
        os.symlink(target, os.path.join(c.home, name))
    c.binary()
    for name in ("abs", "up", "dir/passwd"):
        c.expect(550, "RETR " + name)
    c.expect(550, "RETR loop")
    c.expect(550, "CWD dir")


def test_dot_dot_stays_in_the_root(c):
    c.binary()
    c.expect(550, "RETR ../../passwd")
    c.expect(550, "RETR /../../passwd")
    c.expect(550, "RETR " + "../" * 40 + "etc/passwd")
