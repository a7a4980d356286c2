"""Data connections and transfers: PORT EPRT PASV EPSV, ABOR, REST, ASCII, STOR APPE STOU, hidden and aborted stores,
timeouts, full disks."""
import contextlib
import os
import re
import socket
import subprocess
import time

import pytest

from ftpclient import Closed, Ftp, read_all
from servers import PATIENCE_S, claim, free_ports, wait_until

BIG = 50_000_000


def port_arg(addr, port):
    return "%s,%d,%d" % (addr.replace(".", ","), port >> 8, port & 255)


@pytest.fixture
def c(shared):
    name = f"data{len(shared.users)}"
    shared.add_user(name)
    with Ftp(shared.port, user=name) as client:
        client.name, client.home, client.server = name, shared.home(name), shared
        yield client.binary()


def put(c, name, content=b"x"):
    return c.server.put(name, content, c.name)


def stored(c, name):
    with open(os.path.join(c.home, name), "rb") as f:
        return f.read()


# --- negotiation

PORT_ROWS = [
    ("PORT", 501, "Invalid number of parameters"),
    ("PORT 1 2", 501, None),
    ("PORT 127,0,0,1,200", 501, "Illegal PORT command"),
    ("PORT 127,0,0,1,200,1,7", (501, 200), None),
    ("PORT a,b,c,d,e,f", 501, "Illegal PORT command"),
    ("PORT 256,0,0,1,200,1", 501, "Illegal PORT command"),
    ("PORT 127,0,0,1,256,1", 501, "Illegal PORT command"),
    ("PORT 0,0,0,0,200,1", 501, "Illegal PORT command"),
    ("PORT 127,0,0,1,0,0", 501, "Illegal PORT command"),
    ("PORT 127,0,0,1,0,25", 500, "Illegal PORT command"),
    ("PORT 127,0,0,1,3,255", 500, "Illegal PORT command"),
    ("PORT 127,0,0,2,200,1", 500, "Illegal PORT command"),
    ("PORT 8,8,8,8,200,1", 500, "Illegal PORT command"),
    ("PORT 127,0,0,1,4,0", 200, "PORT command successful"),
    ("EPRT", 501, None),
    ("EPRT |1|127.0.0.1|51201|", 200, "EPRT command successful"),
    ("EPRT !1!127.0.0.1!51201!", 200, "EPRT command successful"),
    ("EPRT |3|127.0.0.1|51201|", 522, r"Network protocol not supported, use \(1(,2)?\)"),
    ("EPRT |1|127.0.0.1|51201", 501, "Illegal EPRT command"),
    ("EPRT 127.0.0.1", (500, 501, 522), None),
    ("EPRT |1|127.0.0.x|51201|", 501, "Illegal EPRT command"),
    pytest.param("EPRT |1|127.0.0.1|99999|", 501, "Illegal EPRT command", marks=pytest.mark.ours),
    ("EPRT |1|127.0.0.1|0|", 500, "Illegal EPRT command"),
    ("EPRT |1|127.0.0.1|1023|", 500, "Illegal EPRT command"),
    ("EPRT |1|127.0.0.2|51201|", 500, "Illegal EPRT command"),
    ("PASV", 227, r"Entering Passive Mode \(127,0,0,1,\d+,\d+\)\."),
    ("EPSV", 229, r"Entering Extended Passive Mode \(\|\|\|\d+\|\)"),
    ("EPSV 1", 229, r"Entering Extended Passive Mode \(\|\|\|\d+\|\)"),
    ("EPSV ALL", 200, "EPSV ALL command successful"),
]


@pytest.mark.parametrize("line, code, words", PORT_ROWS)
def test_negotiation(c, line, code, words):
    reply = c.cmd(line)
    assert reply.code in (code if isinstance(code, tuple) else (code,)), reply
    assert words is None or re.fullmatch(words, reply.text[4:]), reply
    c.expect(200, "NOOP")


@pytest.mark.ours
def test_a_refused_port_leaves_the_old_address(c):
    put(c, "f", b"old address")
    with c.listen() as listener:
        c.expect(501, "PORT 1,2,3")
        c.expect(150, "RETR f")
        with listener.accept()[0] as data:
            assert read_all(data) == b"old address"
        c.expect(226)


def test_epsv_all_is_for_good(c):
    put(c, "f", b"abc")
    c.expect(200, "EPSV ALL")
    for _ in range(2):
        assert "EPSV ALL in effect" in c.expect(500, "PORT 127,0,0,1,200,1").text
        assert "EPSV ALL in effect" in c.expect(500, "PASV").text
        c.expect(500, "EPRT |1|127.0.0.1|51201|")
        assert c.read("RETR f") == b"abc"


@pytest.mark.parametrize("eprt", [False, True], ids=["PORT", "EPRT"])
def test_active_transfers(c, eprt):
    put(c, "f", b"active")
    for _ in range(2):
        with c.listen(eprt) as listener:
            c.expect(150, "RETR f")
            with listener.accept()[0] as data:
                assert data.getpeername()[0] == "127.0.0.1"
                assert read_all(data) == b"active"
            c.expect(226)


def test_port_address_is_kept_for_the_next_transfer(c):
    put(c, "f", b"again")
    with c.listen() as listener:
        for _ in range(3):
            c.expect(150, "RETR f")
            with listener.accept()[0] as data:
                assert read_all(data) == b"again"
            c.expect(226)


def test_active_connection_refused(c):
    put(c, "f", b"x")
    with c.listen() as listener:
        pass
    c.expect(425, "RETR f")
    c.expect(200, "NOOP")


def test_second_pasv_replaces_the_first(c):
    put(c, "f", b"second")
    first, second = c.pasv(), c.pasv()
    assert first[1] != second[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(first, PATIENCE_S)
    with socket.create_connection(second, PATIENCE_S) as data:
        c.expect(150, "RETR f")
        assert read_all(data) == b"second"
    c.expect(226)


def test_passive_is_gone_after_a_transfer(c):
    put(c, "f", b"once")
    c.read("RETR f", "pasv")
    c.expect(425, "RETR f")


def test_abor_drops_a_pending_listener(c):
    addr = c.pasv()
    c.expect(226, "ABOR")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(addr, PATIENCE_S)


@pytest.mark.ours
def test_client_that_connects_after_150(c):
    """Some clients connect only once they saw 150: it is sent early if nobody connects within half a second."""
    put(c, "f", b"late")
    addr = c.pasv()
    c.expect(150, "RETR f")
    with socket.create_connection(addr, PATIENCE_S) as data:
        assert read_all(data) == b"late"
    c.expect(226)
    assert c.silent(0.1)


def test_passive_ports_range(start):
    first = free_ports(4)
    s = start(PassivePorts=f"{first} {first + 3}")
    with contextlib.ExitStack() as stack:
        seen = set()
        for _ in range(4):
            c = stack.enter_context(Ftp(s.port, user="alice"))
            seen.add(c.pasv()[1])
        assert seen == set(range(first, first + 4))
        fifth = stack.enter_context(Ftp(s.port, user="alice"))
        assert fifth.pasv()[1] not in seen


def test_masquerade_address_is_for_pasv_only(start):
    s = start(MasqueradeAddress="192.0.2.7")
    s.put("f", b"x")
    with Ftp(s.port, user="alice") as c:
        assert c.pasv()[0] == "192.0.2.7"
        assert c.read("RETR f", "epsv") == b"x"


def foreign_connect(addr):
    sock = socket.socket()
    sock.settimeout(PATIENCE_S)
    sock.bind(("127.0.0.9", 0))
    sock.connect(addr)
    return sock


@pytest.mark.ours
def test_a_foreign_peer_cannot_take_the_passive_port(c):
    put(c, "f", b"mine")
    addr = c.pasv()
    with foreign_connect(addr) as thief:
        with socket.create_connection(addr, PATIENCE_S) as data:
            c.expect(150, "RETR f")
            assert read_all(data) == b"mine"
        c.expect(226)
        try:
            assert thief.recv(10) == b""
        except ConnectionError:
            pass


def test_allow_foreign_address(start):
    s = start(AllowForeignAddress="on")
    s.put("f", b"x")
    with Ftp(s.port, user="alice") as c:
        with foreign_connect(c.pasv()) as data:
            c.expect(150, "RETR f")
            assert read_all(data) == b"x"
        c.expect(226)
        with socket.socket() as listener:
            listener.bind(("127.0.0.9", 0))
            listener.listen()
            listener.settimeout(PATIENCE_S)
            c.expect(200, "PORT " + port_arg(*listener.getsockname()))
            c.expect(150, "RETR f")
            with listener.accept()[0] as data:
                assert read_all(data) == b"x"
            c.expect(226)


@pytest.mark.root
@pytest.mark.ours
def test_root_revoke_off_uses_the_port_below(start):
    """RootRevoke off: the source port of active connections is the control port less one, through master."""
    s = start.prepare()
    s.port = next(p for p in range(921, 1000, 2) if claim(p) and claim(p - 1))
    s.configure("RootRevoke off\n")
    s.start()
    s.put("f", b"x")
    with Ftp(s.port, user="alice") as c:
        for _ in range(3):
            with c.listen() as listener:
                c.expect(150, "RETR f")
                with listener.accept()[0] as data:
                    assert data.getpeername()[1] == s.port - 1
                    read_all(data)
                c.expect(226)


@pytest.mark.ours
def test_the_port_below_serves_one_address_again_and_again(start):
    """The connection before is in TIME_WAIT on the same four numbers; the server waits for it, or says 425, and goes on."""
    s = start.prepare()
    s.port = free_ports(2) + 1
    s.configure("RootRevoke on\n")
    s.start()
    s.put("f", b"x")
    with Ftp(s.port, user="alice") as c, c.listen() as listener:
        for _ in range(4):
            c.expect(150, "RETR f")
            with listener.accept()[0] as data:
                assert data.getpeername()[1] == s.port - 1
                assert read_all(data) == b"x"
            c.expect(226)


# --- content

@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_001])
@pytest.mark.parametrize("mode", ["pasv", "epsv"])
def test_sizes_both_ways(c, size, mode):
    content = os.urandom(size)
    c.write("STOR f", content, mode)
    assert stored(c, "f") == content
    assert c.read("RETR f", mode) == content


ASCII = [b"", b"a", b"a\n", b"a\nb\n", b"\n", b"\n\n", b"a\r\nb\r\n", b"\r", b"a\r", b"a\rb", b"\r\r\n", b"a" * 65535 + b"\n",
         b"a" * 65535 + b"\r\n", b"\n" * 70000, b"x\n" * 200_000]


@pytest.mark.parametrize("content", ASCII, ids=[repr(x[:10]) + f"-{len(x)}" for x in ASCII])
def test_ascii_download(c, content):
    put(c, "f", content)
    c.expect(200, "TYPE A")
    expected = re.sub(rb"(?<!\r)\n", b"\r\n", content)
    assert c.read("RETR f") == expected


@pytest.mark.parametrize("content", ASCII, ids=[repr(x[:10]) + f"-{len(x)}" for x in ASCII])
def test_ascii_upload(c, content):
    c.expect(200, "TYPE A")
    c.write("STOR f", content)
    assert stored(c, "f") == content.replace(b"\r\n", b"\n")


def test_ascii_upload_in_awkward_pieces(c):
    c.expect(200, "TYPE A")
    with c.start("STOR f") as data:
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"one\r", b"\ntwo\r\n", b"\r", b"\r", b"\n", b"end\r"):
            data.sendall(piece)
    c.expect(226)
    assert stored(c, "f") == b"one\ntwo\n\r\nend\r"


def test_type_survives_login(shared):
    shared.put("text", b"a\nb\n")
    with Ftp(shared.port) as c:
        c.expect(200, "TYPE I")
        c.login("alice")
        assert c.read("RETR text") == b"a\nb\n"
    with Ftp(shared.port, user="alice") as c:
        assert c.read("RETR text") == b"a\r\nb\r\n"


# --- REST

def test_rest_retr(c):
    content = os.urandom(100_000)
    put(c, "f", content)
    for offset in (0, 1, 65536, 99_999, 100_000):
        c.expect(350, f"REST {offset}")
        with c.data() as data:
            reply = c.expect(150, "RETR f")
            left = 100_000 - offset
            assert (f"({left} byte" in reply.text) == (left > 0)
            assert read_all(data) == content[offset:]
        c.expect(226)
    assert c.read("RETR f") == content


def test_rest_beyond_the_end(c):
    put(c, "f", b"12345")
    c.expect(350, "REST 6")
    with c.data():
        c.expect(554, "RETR f")
    assert c.read("RETR f") == b"12345"


def test_rest_survives_other_commands(c):
    put(c, "f", b"0123456789")
    c.expect(350, "REST 4")
    c.expect(213, "SIZE f")
    c.expect(200, "TYPE I")
    assert c.read("RETR f") == b"456789"


@pytest.mark.ours
def test_rest_survives_a_listing(c):
    put(c, "f", b"0123456789")
    c.expect(350, "REST 4")
    assert len(c.lines("LIST")) == 1
    assert c.read("RETR f") == b"456789"


def test_rest_is_used_up_by_a_failed_transfer(c):
    put(c, "f", b"0123456789")
    c.expect(350, "REST 4")
    c.expect(550, "RETR nosuch")
    assert c.read("RETR f") == b"0123456789"


@pytest.fixture
def restart_server(start):
    return start(AllowStoreRestart="on")


def test_rest_stor_writes_in_place(restart_server):
    s = restart_server
    s.put("f", b"0123456789")
    with Ftp(s.port, user="alice") as c:
        c.binary().expect(350, "REST 3")
        c.write("STOR f", b"abc")
        with open(s.home("alice", "f"), "rb") as f:
            assert f.read() == b"012abc6789"
        c.expect(350, "REST 11")
        with c.data():
            c.expect(554, "STOR f")
        c.write("APPE f", b"+end")
        with open(s.home("alice", "f"), "rb") as f:
            assert f.read() == b"012abc6789+end"


def test_restart_permissions(start):
    s = start(AllowRetrieveRestart="off", AllowStoreRestart="off")
    s.put("f", b"0123456789")
    with Ftp(s.port, user="alice") as c:
        c.binary()
        c.expect(350, "REST 3")
        with c.data():
            assert c.expect(451, "RETR f").text == "451 f: Restart not permitted, try again"
        assert c.read("RETR f") == b"0123456789"
        c.expect(350, "REST 3")
        with c.data():
            assert c.expect(451, "STOR f").text == "451 f: Append/Restart not permitted, try again"
        with c.data():
            c.expect(451, "APPE f")
        c.write("APPE new", b"fine")


# --- STOR APPE STOU

def test_stor_truncates(c):
    put(c, "f", b"0123456789")
    c.write("STOR f", b"abc")
    assert stored(c, "f") == b"abc"


def test_stor_never_makes_executables(c):
    c.write("STOR f", b"#!/bin/sh\n")
    assert os.stat(os.path.join(c.home, "f")).st_mode & 0o7777 == 0o644


def test_stou(c):
    names = set()
    for n in range(3):
        with c.data() as data:
            reply = c.expect(150, "STOU")
            assert re.fullmatch(r"150 FILE: ftp\w{6}", reply.text), reply
            data.sendall(b"unique %d" % n)
        c.expect(226)
        names.add(reply.text[10:])
    assert len(names) == 3 and set(os.listdir(c.home)) == names
    assert all(os.stat(os.path.join(c.home, n)).st_mode & 0o777 == 0o644 for n in names)


def test_store_unique_prefix(start):
    s = start(StoreUniquePrefix="up-")
    with Ftp(s.port, user="alice") as c, c.data() as data:
        assert c.expect(150, "STOU").text.startswith("150 FILE: up-")
        data.close()
        c.expect(226)


def test_a_special_file_is_no_target(c):
    os.mkfifo(os.path.join(c.home, "fifo"))
    os.mkdir(os.path.join(c.home, "dir"))
    with c.data():
        c.expect(550, "STOR dir")
    c.expect(200, "NOOP")


def test_overwrite_denied_by_default(start):
    s = start(AllowOverwrite=None)
    s.put("f", b"old")
    with Ftp(s.port, user="alice") as c:
        with c.data():
            assert c.expect(550, "STOR f").text == "550 f: Overwrite permission denied"
        c.write("STOR g", b"new")


# --- HiddenStores, DeleteAbortedStores

def wait_for_files(home, test):
    return wait_until(lambda: test(sorted(os.listdir(home))), f"files in {home}")


HIDDEN = [("on", ".in.f."), ("tmp", ".tmp.f."), ('"" .part', "f.part"), (".up. .now", ".up.f.now")]


@pytest.mark.parametrize("value, temp", HIDDEN)
def test_hidden_stores(start, value, temp):
    s = start(HiddenStores=value, AllowStoreRestart="on")
    s.put("f", b"old content")
    home = s.home()
    with Ftp(s.port, user="alice") as c:
        c.binary()
        with c.start("STOR f") as data:
            data.sendall(b"new ")
            wait_for_files(home, lambda names: temp in names)
            assert open(os.path.join(home, "f"), "rb").read() == b"old content"
            data.sendall(b"content!")
        c.expect(226)
        assert os.listdir(home) == ["f"]
        assert open(os.path.join(home, "f"), "rb").read() == b"new content!"
        with c.start("STOR f") as data:
            data.sendall(b"never")
            wait_for_files(home, lambda names: temp in names)
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
        wait_for_files(home, lambda names: names == ["f"])
        assert open(os.path.join(home, "f"), "rb").read() == b"new content!"
        c.expect(350, "REST 3")
        with c.data():
            assert c.expect(501, "STOR f").text == "501 REST not compatible with server configuration"


def test_hidden_temp_that_exists_blocks(start):
    s = start(HiddenStores="on")
    s.put(".in.f.", b"crash leftover")
    with Ftp(s.port, user="alice") as c:
        with c.data():
            assert "already exists" in c.expect(550, "STOR f").text
        c.write("STOR g", b"x")


@pytest.mark.ours
@pytest.mark.parametrize("how", ["ABOR", "disconnect"])
@pytest.mark.parametrize("delete", ["on", "off", None])
def test_delete_aborted_stores(start, delete, how):
    s = start(DeleteAbortedStores=delete)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        data = c.start("STOR f")
        data.sendall(b"partial")
        wait_until(lambda: os.path.exists(s.home("alice", "f")), "the file is there")
        wait_until(lambda: os.path.getsize(s.home("alice", "f")) > 0 or None, "a byte of the file is there")
        if how == "ABOR":
            c.send("ABOR")
            c.expect(426)
            c.expect(226)
        else:
            c.close()
        wait_until(lambda: re.search(r"/f b _ i r alice ftp 0 \* i$", s.text("xferlog"), re.M), "the log line")
        assert os.listdir(s.home()) == ([] if delete == "on" else ["f"])
        data.close()


@pytest.mark.ours
def test_aborted_append_keeps_the_old_content(start):
    s = start(DeleteAbortedStores="on", AllowStoreRestart="on")
    s.put("f", b"0123456789")
    for command in ("APPE f", "REST 10"):
        with Ftp(s.port, user="alice") as c:
            c.binary()
            if command.startswith("REST"):
                c.expect(350, command)
                command = "STOR f"
            with c.start(command) as data:
                data.sendall(b"new bytes")
                wait_until(lambda: os.path.getsize(s.home("alice", "f")) > 10, "bytes were appended")
                c.send("ABOR")
                c.expect(426)
                c.expect(226)
        assert open(s.home("alice", "f"), "rb").read() == b"0123456789"


# --- ABOR

URGENT = [
    ("plain", lambda c: c.send("ABOR")),
    ("telnet inline", lambda c: c.send_raw(b"\xff\xf4\xff\xf2ABOR\r\n")),
    ("urgent DM", lambda c: (c.send_raw(b"\xff\xf4\xff"), c.send_urgent(b"\xf2"), c.send_raw(b"ABOR\r\n"))),
    ("urgent IAC DM", lambda c: (c.send_raw(b"\xff\xf4"), c.send_urgent(b"\xff"), c.send_raw(b"\xf2ABOR\r\n"))),
    ("split", lambda c: [c.send_raw(bytes([b])) for b in b"ABOR\r\n"]),
]
urgent = pytest.mark.parametrize("abort", [u[1] for u in URGENT], ids=[u[0] for u in URGENT])


def two_replies(c):
    """After an abort: 426, then 226, and nothing else; the session goes on."""
    c.expect(426)
    c.expect(226)
    assert c.silent(0.1)
    c.expect(200, "NOOP")


@pytest.fixture
def sparse(c):
    path = put(c, "big", b"")
    os.truncate(path, 4_000_000_000)
    return "big"


@pytest.mark.ours
@urgent
def test_abor_of_a_download(c, sparse, abort):
    with c.start("RETR big") as data:
        data.recv(1000)
        abort(c)
        two_replies(c)
    assert c.read("LIST") != b""


@pytest.mark.ours
@urgent
def test_abor_of_an_upload(c, abort):
    with c.start("STOR up") as data:
        data.sendall(b"x" * 100_000)
        abort(c)
        two_replies(c)
    c.write("STOR up", b"whole")
    assert stored(c, "up") == b"whole"


@pytest.mark.ours
@urgent
def test_abor_while_waiting_for_the_data_connection(c, abort):
    put(c, "f", b"x")
    c.pasv()
    c.send("RETR f")
    abort(c)
    codes = [c.reply().code]
    if codes == [150]:
        codes = [c.reply().code]
    assert codes[0] in (425, 426)
    c.expect(226)
    assert c.silent(0.1)
    c.expect(200, "NOOP")


@pytest.mark.ours
def test_abor_of_an_active_connection_attempt(c):
    put(c, "f", b"x")
    with c.listen() as listener:
        c.send("RETR f\r\nABOR")
        codes = [c.reply().code, c.reply().code]
        if codes[0] == 150:
            codes = [codes[1], c.reply().code]
        assert codes[0] in (226, 425, 426) and codes[1] == 226
        assert c.silent(0.1)
        listener.close()
    c.expect(200, "NOOP")


def test_data_closed_by_the_client_then_abor(c, sparse):
    data = c.start("RETR big")
    data.recv(1000)
    data.close()
    c.expect(426)
    c.expect(226, "ABOR")
    assert c.silent(0.1)


def test_abor_of_a_listing(c):
    for n in range(3000):
        open(os.path.join(c.home, "name-%05d-%s" % (n, "x" * 200)), "w").close()
    host, port = c.epsv()
    with socket.socket() as data:
        data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        data.connect((host, port))
        c.expect(150, "LIST")
        c.send("ABOR")
        first = c.expect((426, 226))
        c.expect(226)
        if first.code == 226:  # the whole listing fitted into the socket buffers: then ABOR had nothing to abort
            assert len(read_all(data)) > 3000 * 200
        assert c.silent(0.1)


@pytest.mark.ours
def test_abor_at_random_moments(c):
    """Whatever the moment: the transfer has exactly one final reply and ABOR has one."""
    put(c, "f", os.urandom(2_000_000))
    for n in range(60):
        with c.data() as data:
            c.send("RETR f" if n % 2 else "STOR g")
            if n % 2 == 0:
                data.sendall(b"y" * (n * 1000))
            if n % 3 == 0:
                data.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    data.recv(n * 10_000 + 1)
            c.send("ABOR")
            codes = []
            while not codes or codes[-1] not in (226,) or len(codes) < 2:
                codes.append(c.reply().code)
                if codes[0] == 150:
                    codes.pop(0)
            assert codes in ([426, 226], [425, 226], [226, 226]), codes
    assert c.silent(0.1)


# --- commands during a transfer

@pytest.mark.ours
def test_stat_and_noop_answer_during_a_transfer(c, sparse):
    with c.start("RETR big") as data:
        data.recv(1000)
        c.expect(200, "NOOP")
        reply = c.expect((211, 213), "STAT")
        assert re.search(r"RETR .*big", reply.text) and re.search(r"\d+", reply.text)
        c.send("ABOR")
        two_replies(c)


def test_other_commands_wait_for_the_end_of_the_transfer(c):
    put(c, "f", os.urandom(20_000_000))
    with c.start("RETR f") as data:
        c.send_raw(b"PWD\r\nMKD after\r\nTYPE I\r\n")
        assert len(read_all(data)) == 20_000_000
    assert [c.reply().code for _ in range(4)] == [226, 257, 257, 200]


@pytest.mark.ours
def test_quit_during_a_transfer(c, sparse):
    with c.start("RETR big") as data:
        data.recv(1000)
        c.send("QUIT")
        codes = []
        with contextlib.suppress(Closed):
            while True:
                codes.append(c.reply().code)
        assert codes in ([426, 221], [221]), codes


@pytest.mark.ours
def test_control_connection_lost_during_a_transfer(c, sparse):
    data = c.start("RETR big")
    data.recv(1000)
    c.close()
    with contextlib.suppress(ConnectionError):
        while data.recv(1 << 20):
            pass
    wait_until(lambda: re.search(r"/%s/big b _ o r %s ftp 0 \* i$" % (c.name, c.name), c.server.text("xferlog"), re.M),
               "an incomplete line in the xferlog")


# --- timeouts

def expect_421(c, words):
    try:
        while True:
            reply = c.reply()
            if reply.code == 421:
                assert re.fullmatch("421 " + words, reply.text), reply
                break
    except Closed:
        pytest.fail("closed without a 421\n" + c.transcript())
    assert c.at_eof()


def test_timeout_login(start):
    s = start(TimeoutLogin="1")
    with Ftp(s.port) as c:
        expect_421(c, r"Login timeout \(1 seconds?\): closing control connection")


def test_timeout_idle(start):
    s = start(TimeoutIdle="1")
    with Ftp(s.port, user="alice") as c:
        expect_421(c, r"Idle timeout \(1 seconds?\): closing control connection")


def test_idle_is_put_off_by_a_command(start):
    s = start(TimeoutIdle="4")
    with Ftp(s.port, user="alice") as c:
        began = time.monotonic()
        while time.monotonic() - began < 5:
            c.expect(200, "NOOP")
            time.sleep(0.3)
        expect_421(c, r"Idle timeout \(4 seconds\): closing control connection")


def test_timeout_no_transfer(start):
    s = start(TimeoutNoTransfer="1")
    with Ftp(s.port, user="alice") as c:
        expect_421(c, r"No transfer timeout \(1 seconds?\): closing control connection")


def test_timeout_session(start):
    s = start(TimeoutSession="1")
    with Ftp(s.port, user="alice") as c:
        expect_421(c, r"Session Timeout \(1 seconds?\): closing control connection")


@pytest.mark.ours
def test_a_shorter_idle_time_of_the_client_counts_at_once(server):
    with Ftp(server.port, user="alice") as c:
        c.expect(200, "SITE IDLE 1")
        expect_421(c, r"Idle timeout \(1 seconds?\): closing control connection")


@pytest.mark.ours
def test_a_transfer_is_no_idle_time(start):
    s = start("TransferRate RETR 20\n", TimeoutIdle="2", TimeoutNoTransfer="2")
    os.truncate(s.put("big"), 1_000_000_000)
    with Ftp(s.port, user="alice") as c, c.binary().start("RETR big"):
        with Ftp(s.port, user="alice") as idle:
            idle.expect(421)  # which had the same limits and came later
        c.send("ABOR")
        two_replies(c)
        c.expect(257, "PWD")


def keep_alive_timers(s):
    """Seconds to the next probe of each control connection of the server, None where there is none."""
    shown = subprocess.run(["ss", "-Htno", "state", "established", f"( sport = :{s.port} )"], capture_output=True, text=True, check=True).stdout
    times = [re.search(r"keepalive,(?:(\d+)min)?(?:([\d.]+)sec)?", line) for line in shown.splitlines()]
    return [found and int(found.group(1) or 0) * 60 + float(found.group(2) or 0) for found in times]


@pytest.mark.ours
@pytest.mark.needs("ss")
@pytest.mark.parametrize("user", [None, "alice"], ids=["before login", "after login"])
def test_control_connections_are_kept_alive(start, user):
    """A firewall that forgets silent connections after five minutes is not to end a long transfer."""
    s = start()
    with Ftp(s.port, user=user):
        wait_until(lambda: (t := keep_alive_timers(s)) and all(x is not None and x <= 60 for x in t), "the keep-alive timer")
    s = start(SocketOptions="keepalive 40:3:10")
    with Ftp(s.port, user=user):
        wait_until(lambda: (t := keep_alive_timers(s)) and all(x is not None and x <= 40 for x in t), "the timer as configured")
    s = start(SocketOptions="keepalive off")
    with Ftp(s.port, user=user):
        wait_until(lambda: keep_alive_timers(s) == [None], "no timer")


@pytest.mark.parametrize("command", ["RETR big", "STOR up"])
def test_timeout_stalled(start, command):
    s = start(TimeoutStalled="1")
    os.truncate(s.put("big"), 1_000_000_000)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start(command):
            with contextlib.suppress(Closed):
                while c.reply().code not in (421, 426):
                    pass
    wait_until(lambda: re.search(r" i$", s.text("xferlog"), re.M), "an incomplete line in the xferlog")


def test_timeout_stalled_in_the_accept(start):
    s = start(TimeoutStalled="1")
    s.put("f", b"x")
    with Ftp(s.port, user="alice") as c:
        c.pasv()
        c.send("RETR f")
        try:
            while c.reply().code not in (421, 425):
                pass
        except Closed:
            pass


# --- a full disk

@pytest.fixture
def small_disk(start):
    """A server whose alice lives on a file system of 1 MiB."""
    s = start.prepare()
    mount = s.home()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "none", mount], capture_output=True).returncode:
        pytest.skip("cannot mount a small file system here")
    yield s
    subprocess.run(["umount", "-l", mount], check=True)


@pytest.mark.ours
@pytest.mark.root
def test_disk_full(small_disk):
    s = small_disk
    s.configure()
    s.start()
    with Ftp(s.port, user="alice") as c:
        c.binary()
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(b"x" * 3_000_000)
        assert c.reply().text == "452 Transfer aborted. No space left on device"
        c.expect(200, "NOOP")
        c.expect(250, "DELE f")
        c.write("STOR f", b"small")


@pytest.mark.ours
@pytest.mark.root
def test_disk_full_keeps_the_old_file_with_hidden_stores(small_disk):
    s = small_disk
    s.configure("HiddenStores on\n")
    s.start()
    with Ftp(s.port, user="alice") as c:
        c.binary()
        c.write("STOR f", b"old content")
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(b"x" * 3_000_000)
        c.expect(452)
        assert c.read("RETR f") == b"old content"
        assert os.listdir(s.home()) == ["f"]


# --- limits and rates

def test_max_store_file_size(start):
    s = start(MaxStoreFileSize="100 Kb")
    with Ftp(s.port, user="alice") as c:
        c.binary()
        with c.start("STOR f") as data, contextlib.suppress(ConnectionError):
            data.sendall(b"x" * 1_000_000)
        c.expect((552, 550))
        c.write("STOR g", b"x" * 50_000)


@pytest.mark.ours
def test_max_retrieve_file_size(start):
    s = start(MaxRetrieveFileSize="100 Kb")
    s.put("big", b"x" * 200_000)
    s.put("small", b"x" * 50_000)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        with c.data():
            assert c.cmd("RETR big").text == "550 big: File size exceeds limit"
        assert len(c.read("RETR small")) == 50_000


@pytest.mark.alone
@pytest.mark.parametrize("command", ["RETR", "STOR"])
def test_transfer_rate(start, command):
    s = start(TransferRate=f"{command} 400")
    content = os.urandom(1_000_000)
    s.put("f", content)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        began = time.monotonic()
        if command == "RETR":
            assert c.read("RETR f") == content
        else:
            c.write("STOR g", content)
        seconds = time.monotonic() - began
    assert 1_000_000 / 409_600 * 0.85 < seconds < 1_000_000 / 409_600 * 4


@pytest.mark.ours
def test_abor_is_quick_at_a_low_rate(start):
    s = start(TransferRate="RETR 1")
    s.put("f", b"x" * 1_000_000)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR f") as data:
            data.recv(10)
            began = time.monotonic()
            c.send("ABOR")
            two_replies(c)
            assert time.monotonic() - began < PATIENCE_S  # not after the transfer: a quarter of an hour


@pytest.mark.ours
def test_max_transfers_per_user(start):
    s = start(MaxTransfersPerUser='RETR 1 "only %m"')
    os.truncate(s.put("big"), 1_000_000_000)
    with Ftp(s.port, user="alice") as a, Ftp(s.port, user="alice") as b:
        with a.binary().start("RETR big") as data:
            data.recv(10)
            with b.binary().data():
                reply = b.cmd("RETR big")
                assert reply.code == 451 and "only 1" in reply.text
            a.send("ABOR")
            a.expect(426)
            a.expect(226)
