"""A file system that hangs holds up those who use it, and nobody else, even in the same session process."""
import contextlib
import json
import os
import time

import pytest

import holdfs
from ftpclient import Ftp, read_all

pytestmark = [pytest.mark.ours, pytest.mark.root, pytest.mark.alone]

SLOW = 24        # sessions that hang: more than there are pool threads to start with
OTHERS = 12
BOUND_S = 0.5    # more than ten times what it takes when nothing hangs; on an idle machine that is a few milliseconds
CONTENT = bytes(range(256)) * 1200


@pytest.fixture
def mounted(start):
    """mounted(remember) gives a server whose /slow (of alice) is a file system that can hang."""
    why = holdfs.reason()
    if why:
        pytest.skip(why)
    made = []

    def mount(remember=0):
        server = start("MaxInstances none")
        files = {f"f{i}": CONTENT + b"%d" % i for i in range(SLOW)}
        files.update({"dir/a": b"a", "dir/b": b"b", "link": holdfs.Link("f0"), "dirlink": holdfs.Link("dir")})
        fs = holdfs.HoldFs(server.mkdir("slow"), files, remember)
        made.append(fs)
        return server, fs
    yield mount
    for fs in made:
        fs.unmount()


class Timed:
    """Times of actions: how long the longest took while nothing hung, then that none takes much longer."""

    def __init__(self):
        self.usual, self.hangs = 0, False

    def __call__(self, action):
        begin = time.monotonic()
        result = action()
        took = time.monotonic() - begin
        if self.hangs:
            assert took < BOUND_S + 10 * self.usual, f"took {took:.3f} s, usually {self.usual:.3f} s"
        else:
            self.usual = max(self.usual, took)
        return result


def sessions(stack, server, n):
    clients = [stack.enter_context(Ftp(server.port, user="alice")) for _ in range(n)]
    for c in clients:
        c.binary()
    return clients


def others_go_on(server, clients, timed):
    """Everything that does not touch the file system that hangs works as ever."""
    for c in clients:
        timed(lambda: c.expect(200, "NOOP"))
    c = clients[0]
    assert timed(lambda: c.read("RETR normal")) == CONTENT  # in memory
    assert b" normal\r\n" in timed(lambda: c.read("LIST dir"))
    timed(lambda: c.write("STOR up", CONTENT))
    assert timed(lambda: c.expect(213, "SIZE up")).text == f"213 {len(CONTENT)}"
    timed(lambda: c.expect(250, "CWD dir"))
    timed(lambda: c.expect(250, "CDUP"))
    timed(lambda: c.expect(250, "DELE up"))
    assert b"normal" in timed(lambda: c.read("MLSD dir"))
    timed(lambda: Ftp(server.port, user="alice").quit())  # and new sessions come


def measured(server, clients):
    """What that takes before anything hangs."""
    timed = Timed()
    others_go_on(server, clients, timed)
    timed.hangs = True
    return timed


def prepare(server):
    server.put("normal", CONTENT)
    server.put("dir/normal", CONTENT)


@pytest.mark.parametrize("mode", ["I", "A"])
def test_downloads_that_hang(mounted, mode):
    server, fs = mounted()
    prepare(server)
    for i in range(SLOW):
        fs.hold(f"f{i}", "read")
    with contextlib.ExitStack() as stack:
        slow, others = sessions(stack, server, SLOW), sessions(stack, server, OTHERS)
        timed = measured(server, others)
        data = []
        for i, c in enumerate(slow):
            c.expect(200, "TYPE " + mode)
            data.append(stack.enter_context(c.data()))
            c.send(f"RETR slow/f{i}")
        fs.wait_held(4)
        others_go_on(server, others, timed)
        for c in slow[:4]:
            timed(lambda: c.send("NOOP"))
        fs.release()
        for i, c in enumerate(slow):
            c.expect(150)
            got = read_all(data[i])
            data[i].close()
            expected = CONTENT + b"%d" % i
            assert got == (expected if mode == "I" else expected.replace(b"\n", b"\r\n")), i
            codes = [c.reply().code]
            if i < 4:
                codes.append(c.reply().code)
            assert sorted(codes) == [200, 226][-len(codes):], codes


# What hangs, and commands that meet it.
META = [
    ("lookup", ["RETR /slow/f0", "SIZE /slow/f0", "MDTM /slow/f0", "MLST /slow/f0", "LIST /slow/f0"]),
    ("getattr", ["RETR /slow/f0", "SIZE /slow/f0", "MDTM /slow/f0", "MLST /slow/f0", "STAT /slow/f0"]),
    ("open", ["RETR /slow/f0"]),
    ("opendir", ["LIST /slow/dir", "NLST /slow/dir", "MLSD /slow/dir", "STAT /slow/dir"]),
    ("readdir", ["LIST /slow/dir", "NLST /slow/dir", "MLSD /slow/dir", "STAT /slow/dir"]),
    ("readlink", ["RETR /slow/link", "SIZE /slow/link", "CWD /slow/dirlink", "LIST /slow/dirlink"]),
]


@pytest.mark.parametrize("remember", [0, 3600], ids=["forgotten", "remembered"])
@pytest.mark.parametrize("operation, commands", META, ids=[op for op, _ in META])
def test_looking_at_files_hangs(mounted, operation, commands, remember):
    server, fs = mounted(remember)
    prepare(server)
    with contextlib.ExitStack() as stack:
        slow, others = sessions(stack, server, SLOW), sessions(stack, server, OTHERS)
        timed = measured(server, others)
        for c in slow[:2]:  # the kernel gets to know the paths
            for line in commands:
                if line.split()[0] in ("RETR", "LIST", "NLST", "MLSD"):
                    c.read(line)
                else:
                    c.expect((211, 212, 213, 250), line)
            c.expect(250, "CWD /")
        for path in ("f0", "dir", "link", "dirlink", ""):
            fs.hold(path, operation)
        data = []
        for i, c in enumerate(slow):
            line = commands[i % len(commands)]
            if line.split()[0] in ("RETR", "LIST", "NLST", "MLSD"):
                data.append(stack.enter_context(c.data()))
            c.send(line)
        if not (remember and operation in ("getattr", "lookup")):  # the kernel knows those then
            fs.wait_held(4)
        others_go_on(server, others, timed)
        fs.release()
        for c in slow:
            c.expect((150, 211, 212, 213, 250))


def test_closing_a_file_hangs(mounted):
    server, fs = mounted(3600)
    prepare(server)
    with contextlib.ExitStack() as stack:
        slow, others = sessions(stack, server, SLOW), sessions(stack, server, OTHERS)
        timed = measured(server, others)
        for i in range(SLOW):
            fs.hold(f"f{i}", "flush")
        for i, c in enumerate(slow[:4]):  # as many as there are threads, at least
            with c.start(f"RETR slow/f{i}") as data:
                assert read_all(data) == CONTENT + b"%d" % i
        fs.wait_held(4)
        others_go_on(server, others, timed)
        fs.release()
        for c in slow[:4]:
            c.expect(226)


# Commands that open a file and end without a transfer, and what they answer.
CLOSED = {"hash": ["XCRC slow/f{}", "213"], "beyond the end": ["REST 999999999", "350", "RETR slow/f{}", "554"]}


@pytest.mark.parametrize("lines", CLOSED.values(), ids=CLOSED.keys())
def test_closing_a_file_without_a_transfer_hangs(mounted, lines):
    server, fs = mounted(3600)
    prepare(server)
    with contextlib.ExitStack() as stack:
        slow, others = sessions(stack, server, SLOW), sessions(stack, server, OTHERS)
        timed = measured(server, others)
        for i, c in enumerate(slow):
            fs.hold(f"f{i}", "flush")
        for i, c in enumerate(slow[:4]):
            for line, code in zip(lines[::2], lines[1::2]):
                timed(lambda: c.expect(int(code), line.format(i)))
        fs.wait_held(4)
        others_go_on(server, others, timed)
        for c in slow[4:8]:
            c.expect(200, "NOOP")
        slow[0].quit()
        fs.release()
        for c in slow[1:4]:
            c.expect(200, "NOOP")


def test_asking_for_the_room_of_the_root_hangs(start):
    """DisplayLogin, DisplayQuit with %F, and the root itself is the file system that hangs."""
    if holdfs.reason():
        pytest.skip(holdfs.reason())
    server = start.prepare()
    fs = holdfs.HoldFs(server.home("alice"), {"hello": b"room %f\n", "f": CONTENT})
    try:
        with open(server.path("bye"), "w") as f:
            f.write("left %F KB\n")
        server.configure("DisplayLogin hello\nDisplayQuit @DIR@/bye\n")
        server.start()
        with Ftp(server.port) as one, Ftp(server.port) as two, Ftp(server.port, user="alice") as other:
            one.expect(331, "USER alice")
            assert "room 4.00GB" in one.expect(230, "PASS alice-pw").text
            two.expect(331, "USER alice")
            timed = Timed()
            timed(lambda: other.expect(257, "PWD"))
            timed.hangs = True
            fs.hold("", "statfs")
            two.send("PASS alice-pw")
            one.send("QUIT")
            fs.wait_held(2)
            timed(lambda: other.expect(200, "NOOP"))
            assert timed(lambda: other.expect(257, "PWD"))
            fs.release()
            assert "room 4.00GB" in two.expect(230).text
            assert "left 4194304 KB" in one.expect(221).text
    finally:
        fs.release()
        server.stop()
        fs.unmount()


def test_a_client_goes_back_to_login_while_a_file_is_closed(mounted):
    """What is left of its session has nothing to do with it any more."""
    def shown():
        return json.loads(server.tool("ftpwho", "-o", "json", "-f", server.path("run", "scoreboard")).stdout)["connections"]
    server, fs = mounted(3600)
    with Ftp(server.port, user="alice") as c:
        fs.hold("f0", "flush")
        c.expect(213, "XCRC slow/f0")
        fs.wait_held(1)
        c.expect(220, "REIN")
        assert len(shown()) == 1
        c.login("alice")
        assert len(shown()) == 1
        fs.release()
        time.sleep(0.3)  # the session before ends now
        c.expect(200, "NOOP")
        c.expect(220, "REIN")
        c.login("alice")


def test_a_working_directory_that_hangs(mounted):
    """<Limit> and .ftpaccess of the current directory are asked for each command."""
    server, fs = mounted()
    prepare(server)
    with contextlib.ExitStack() as stack:
        slow, others = sessions(stack, server, SLOW), sessions(stack, server, OTHERS)
        timed = measured(server, others)
        for c in slow:
            c.expect(250, "CWD slow/dir")
        fs.hold("dir", "lookup", "getattr", "opendir")
        fs.hold("", "lookup", "getattr", "opendir")
        for c in slow:
            c.send("PWD")
            c.send("NOOP")
        others_go_on(server, others, timed)
        fs.release()
        for c in slow:
            c.expect(257)
            c.expect(200)
            c.expect(200, "NOOP")


def test_a_session_that_hangs_can_be_left(mounted):
    """ABOR is answered when the read is over; the session lives on."""
    server, fs = mounted()
    fs.hold("f0", "read")
    with Ftp(server.port, user="alice") as c:
        c.binary()
        with c.start("RETR slow/f0"):
            fs.wait_held(1)
            c.send("ABOR")
            fs.release()
            assert c.expect((426, 226)).code == 426
            c.expect(226)
        assert c.read("RETR slow/f1") == CONTENT + b"1"
    assert os.path.isdir(server.home("alice", "slow"))


@pytest.mark.parametrize("verb", ["LIST", "NLST", "MLSD"])
def test_a_kick_while_a_listing_is_being_opened_ends_the_session(mounted, verb):
    """It must not wait for a client that never comes for the data, with no timeout left to end it."""
    server, fs = mounted()
    with contextlib.ExitStack() as stack:
        before, c, after = sessions(stack, server, 3)
        stack.enter_context(c.data())
        fs.hold("dir", "opendir")
        c.send(f"{verb} slow/dir")
        fs.wait_held(1)
        server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), "kick", "user", "alice")
        before.expect(421)  # and so the process has been told of the one between them
        after.expect(421)
        fs.release()
        c.expect(426)
        assert c.reply().code == 421
        assert c.at_eof()
