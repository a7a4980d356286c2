"""What ftpwho and ftptop say while transfers run: a percentage, a finite rate and the path, on every path, at any
moment."""
import contextlib
import json
import os
import re
import socket
import threading
import time
import zlib

import pytest

from ftpclient import Ftp, read_all
from servers import PATIENCE_S, wait_until

pytestmark = pytest.mark.ours

MB = 1_000_000
SOURCES = {"sendfile", "copy", "mapped", "ktls", "tls", "deflate", "splice"}


def who(server, *options):
    done = server.tool("ftpwho", "-f", server.path("run", "scoreboard"), *options)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\b(inf|nan)\b", done.stdout, re.I), done.stdout
    return done.stdout


def rows(server):
    return json.loads(who(server, "-o", "json"))["connections"]


def row(server, user="alice"):
    return next((c for c in rows(server) if c.get("user") == user), {})


def top(server, *options, columns="132"):
    done = server.tool("ftptop", "-f", server.path("run", "scoreboard"), "-b", *options,
                       env=dict(os.environ, COLUMNS=columns))
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\b(inf|nan)\b", done.stdout, re.I), done.stdout
    return done.stdout


def sparse(server, name, size):
    os.truncate(server.put(name), size)


def slow_data(c):
    """A data connection whose client's kernel holds little, so that what is read is what is acknowledged."""
    host, port = c.epsv()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.settimeout(PATIENCE_S)
    sock.connect((host, port))
    return sock


def begin(c, line, codes=(150, 125)):
    data = slow_data(c)
    c.expect(codes, line)
    return data


# --- one download from its beginning to its end

def test_a_download_from_0_to_100_percent_in_all_forms(start):
    s = start(TimeoutLinger="60")
    sparse(s, "big.iso", 100 * MB)
    with Ftp(s.port, user="alice") as c, Ftp(s.port) as _early:
        c.binary()
        wait_until(lambda: "idling" in row(s), "the session is idle")
        assert re.search(r"^ *\d+ alice +\[ *\d+m\d+s\] +\d+m\d+s idle$", who(s), re.M)
        assert re.search(r"^ *\d+ \(none\) +\[ *\d+m\d+s\] \(authenticating\)$", who(s), re.M)
        data = slow_data(c)
        c.send("RETR big.iso")
        c.expect(150)
        check_forms(s, 0, 9)
        got = len(read_all(data, 50 * MB))
        wait_until(lambda: 50 <= int(row(s)["transfer_completed"]) <= 59, "half of it")
        check_forms(s, 50, 59)
        while got < 100 * MB:
            got += len(data.recv(1 << 18))
        wait_until(lambda: row(s)["transfer_completed"] == "100", "all of it")
        wait_until(lambda: row(s)["acked_bytes"] == 100 * MB, "and acknowledged")
        check_forms(s, 100, 100)
        data.close()
        c.expect(226)
        last = wait_until(lambda: row(s) if "idling" in row(s) else None, "the session is idle again")
        assert not {"transfer_completed", "transfer_bytes", "rate_bps", "source"} & set(last), last


def check_forms(s, least, most):
    def percent(text, pattern):
        found = re.search(pattern, text, re.M)
        assert found, text
        assert least <= int(found.group(1)) <= most, text
    percent(who(s), r"^ *\d+ alice +\[ *\d+m\d+s\] \( *(\d+)%\) RETR big\.iso$")
    percent(who(s, "-o", "compat"), r"^ *\d+ \d+m\d+s +\((\d+)%\) RETR big\.iso$")
    verbose = who(s, "-v")
    percent(verbose, r"\( *(\d+)%\) RETR big\.iso\n\tKB/s: \d+\.\d\d\n\tclient: ")
    assert re.search(r"^\tsource: sendfile$", verbose, re.M), verbose
    percent(who(s, "-v", "-o", "oneline"), r"\( *(\d+)%\) RETR big\.iso KB/s: \d+\.\d\d client: .* source: sendfile$")
    r = row(s)
    assert least <= int(r["transfer_completed"]) <= most and r["transfer_size"] == 100 * MB
    assert r["downloading"] is True and r["source"] == "sendfile" and r.get("acked_bytes", 0) <= r["transfer_bytes"]
    assert isinstance(r.get("rate_bps", 0), int) and isinstance(r["transfer_duration_ms"], int)
    regular = top(s, "-n", "1")
    percent(regular, r"^ *\d+ D alice .* (?:\d+\.\d\d|-) +\[[#-]{14}\] +(\d+)% sendfile +RETR big\.iso")


# --- a client that stands still

def test_a_client_that_stands_still_is_seen_to(start):
    """No byte moves: the time goes on, the rate sinks, and what the client takes from its kernel shows as acknowledged."""
    s = start(TimeoutStalled="0", TimeoutLinger="60")
    size = 400_000  # all of it fits into the sending socket: no slice runs after the first
    sparse(s, "small", size)
    with Ftp(s.port, user="alice") as c, begin(c.binary(), "RETR small") as data:
        first = wait_until(lambda: row(s) if row(s).get("acked_bytes") else None, "the first record")
        assert first["transfer_bytes"] == size and first["acked_bytes"] < size, first
        later = wait_until(lambda: row(s) if row(s)["transfer_duration_ms"] > first["transfer_duration_ms"] else None,
                           "a record without a byte")
        assert later["transfer_bytes"] == size and later["rate_bps"] < first["rate_bps"], later
        # A tool that polls sees the rate of now.
        assert re.search(r"^ *\d+ D alice .* \[#{14}\] 100% ", top(s, "-n", "2", "-d", "0.3"), re.M)
        read_all(data, size // 2)
        wait_until(lambda: row(s)["acked_bytes"] >= size // 2, "half of it acknowledged")
        assert row(s)["acked_bytes"] < size
        read_all(data, size // 2)
        wait_until(lambda: row(s)["acked_bytes"] == size, "all of it acknowledged")


def test_ftptop_during_a_download_throttled_by_its_client(start):
    """A percentage and a finite rate in each update, both views."""
    s = start()
    sparse(s, "big", 40 * MB)
    stop = threading.Event()

    def read_slowly(data):  # but never to the end: the tool may take its time
        got = 0
        while not stop.is_set():
            got += len(data.recv(40_000)) if got < 30 * MB else 0
            stop.wait(0.02)
    with Ftp(s.port, user="alice") as c, begin(c.binary(), "RETR big") as data:
        wait_until(lambda: row(s).get("rate_bps"), "the first record")  # 250 ms after the start
        reader = threading.Thread(target=read_slowly, args=(data,))
        reader.start()
        try:
            text = top(s, "-n", "12", "-d", "0.2", "-D")
        finally:
            stop.set()
            reader.join()
    found = re.findall(r"^ *\d+ D alice +\S+ +\S+ +\S+ +(\S+) +\[[#-]{14}\] +(\d+)% sendfile +RETR big", text, re.M)
    assert len(found) == 12, text
    percents = [int(p) for _, p in found]
    assert percents == sorted(percents) and percents[-1] > percents[0], percents
    assert min(float(r) for r, _ in found) > 0, found


# --- every path

def watch(server, user, seen, stop):
    """Polls until told to stop; every sample must make sense."""
    while not stop.is_set():
        r = row(server, user)
        if "transfer_bytes" in r:
            assert r["source"] in SOURCES, r
            assert r["transfer_duration_ms"] >= 0 and r.get("rate_bps", 0) < 1e12, r
            if "transfer_size" in r:
                assert r["transfer_bytes"] <= r["transfer_size"], r
                assert 0 <= int(r["transfer_completed"]) <= 100, r
            assert r.get("acked_bytes", 0) <= r["transfer_bytes"], r
            seen.append(r)
        elif "command" in r:
            assert r.get("transfer_completed", "0") == "0", r


class Watcher:
    def __init__(self, server, user="alice"):
        self.seen, self.stop, self.problem = [], threading.Event(), None
        self.thread = threading.Thread(target=self.run, args=(server, user))

    def run(self, server, user):
        try:
            watch(server, user, self.seen, self.stop)
        except AssertionError as problem:
            self.problem = problem

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        assert self.problem is None, self.problem


TEXT = b"a line of text\n" * 400_000
DOWNLOADS = [  # name, configuration, commands before, file, source, does its size show
    ("sendfile", "", (), "big", "sendfile", True),
    ("chunks", "UseSendfile 64 KB\n", (), "big", "sendfile", True),
    ("rate", "TransferRate RETR 4000:0\n", (), "big", "sendfile", True),
    ("copied", "UseSendfile off\n", (), "big", "copy", True),
    ("ascii", "", ("TYPE A",), "text", "copy", True),
    ("rest", "", ("REST 3000000",), "big", "sendfile", True),
    ("mapped", "UseSendfile off\nTransferMMapEngine on\n", (), "big", "mapped", True),
    ("deflate", "DeflateEngine on\n", ("MODE Z",), "noise", "deflate", True),
    ("fifo", "", (), "fifo", "copy", False),
]


@pytest.mark.parametrize("_name, conf, before, file, source, sized", DOWNLOADS, ids=[d[0] for d in DOWNLOADS])
def test_a_download_tells_percent_rate_and_path(start, _name, conf, before, file, source, sized):
    s = start(conf, AllowRetrieveRestart="on")
    s.put("big", b"x" * (6 * MB))
    s.put("text", TEXT)
    s.put("noise", os.urandom(6 * MB))
    os.mkfifo(s.home("alice", "fifo"))
    s.own(s.home("alice", "fifo"))
    size = {"big": 6 * MB, "noise": 6 * MB, "text": len(TEXT)}.get(file, 0) - (3 * MB if before == ("REST 3000000",) else 0)
    with Ftp(s.port, user="alice") as c, Watcher(s) as w:
        c.binary()
        for line in before:
            c.expect((200, 350), line)
        data = slow_data(c)
        c.send(f"RETR {file}")
        if file == "fifo":
            writer = threading.Thread(target=feed, args=(s.home("alice", "fifo"),))
            writer.start()
        c.expect(150)
        read_all(data, MB)
        r = wait_until(lambda: row(s) if row(s).get("transfer_bytes", 0) >= MB else None, "a million bytes")
        assert r["source"] == source and r["downloading"] is True and r["rate_bps"] > 0, r
        assert r.get("transfer_size") == (size if sized else None), r
        assert ("transfer_completed" in r and 0 < int(r["transfer_completed"]) <= 100) == sized, r
        assert 0 < r["acked_bytes"] <= r["transfer_bytes"], r
        assert f"source: {source}" in who(s, "-v")
        wait_until(lambda: w.seen or w.problem, "the other tool has seen it")
        read_all(data)
        data.close()
        c.expect(226)
        if file == "fifo":
            writer.join()
    assert w.seen


def feed(path):
    with open(path, "wb") as f:
        f.write(b"y" * (6 * MB))


UPLOADS = [("binary", "TYPE I", None), ("ascii", "TYPE A", None), ("announced", "TYPE I", 4 * MB), ("deflate", "MODE Z", None)]


@pytest.mark.parametrize("name, kind, size", UPLOADS, ids=[u[0] for u in UPLOADS])
def test_an_upload_tells_rate_and_path_and_percent_if_announced(start, name, kind, size):
    s = start("DeflateEngine on\n")
    packer = zlib.compressobj()
    pack = (lambda data: packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)) if name == "deflate" else bytes
    with Ftp(s.port, user="alice") as c, Watcher(s):
        c.expect(200, kind)
        if size:
            c.expect((200, 202), f"ALLO {size}")
        with c.start("STOR up") as data:
            text = b"line of it\n" * (MB // 11)
            data.sendall(pack(text))
            r = wait_until(lambda: row(s) if row(s).get("transfer_bytes", 0) >= len(text) else None, "a million bytes")
            assert r["uploading"] is True and r["rate_bps"] > 0, r
            assert r["source"] in ({"deflate"} if name == "deflate" else {"copy", "splice"}), r
            assert "acked_bytes" not in r and r.get("transfer_size") == size, r
            assert r.get("transfer_completed") == ("25" if size else None), r
            words = r"\( 25%\)" if size else r"\(n/a\)"
            assert re.search(words + r" STOR up$", who(s), re.M), who(s)
            words = " 25 " if size else r"\(n/a\) "
            assert re.search(rf"^ *\d+ U.*{words}", rates_view(s), re.M), rates_view(s)
            data.sendall(packer.flush() if name == "deflate" else b"")
        c.expect(226)
        c.expect(200, "MODE S")
        # ALLO was for that one.
        with c.start("STOR other") as data:
            data.sendall(b"x" * 1000)
            r = wait_until(lambda: row(s) if row(s).get("transfer_bytes", 0) else None, "bytes")
            assert "transfer_size" not in r and "transfer_completed" not in r, r
        c.expect(226)


def rates_view(s):
    """ftptop has no option for it: the unit tests read its lines; here the regular view has the same numbers."""
    text = top(s, "-n", "1")
    return re.sub(r"\[[#-]{14}\] +(\d+)%", r" \1 ", text) if "%" in text else re.sub(r"(\d+\.\d\d) ", r"\1 (n/a) ", text)


def test_a_listing_tells_rate_and_path(start):
    s = start()
    for i in range(20_000):
        with open(s.home("alice", f"a file with a long name {i:090}"), "w", encoding="ascii"):
            pass
    with Ftp(s.port, user="alice") as c, Watcher(s), begin(c, "MLSD") as data:
        read_all(data, 100_000)
        r = wait_until(lambda: row(s) if row(s).get("rate_bps") else None, "a rate")
        assert r["source"] == "copy" and r["command"] == "MLSD" and "transfer_completed" not in r, r
        assert re.search(r"\(n/a\) MLSD$", who(s), re.M)
        assert re.search(r"^ *\d+ L alice ", top(s, "-n", "1"), re.M)
        read_all(data)
        data.close()
        c.expect(226)


# --- nothing of the transfer before

def test_a_transfer_shows_nothing_of_the_one_before(start):
    s = start()
    s.put("big", b"x" * (5 * MB))
    sparse(s, "huge", 1000 * MB)
    with Ftp(s.port, user="alice") as c:
        c.binary()
        assert len(c.read("RETR big")) == 5 * MB
        listener = c.listen()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        c.expect(350, "REST 1000000000")
        c.expect(200, "NOOP")
        # The command runs, its data connection is not open: an address that answers nobody.
        c.expect(229, "EPSV")
        c.send("RETR huge")
        r = wait_until(lambda: row(s) if row(s).get("command") == "RETR" else None, "the command")
        assert not {"transfer_bytes", "rate_bps", "acked_bytes", "source", "transfer_size"} & set(r), r
        assert re.search(r"\( +0%\) RETR huge$", who(s), re.M)
        listener.close()


def test_one_transfer_after_the_other_at_full_speed(start):
    """Many short ones of different sizes: no sample has the bytes of one with the size of another."""
    s = start()
    for i in range(1, 9):
        s.put(f"f{i}", b"x" * (i * 30_000))
    sizes = {f"f{i}": i * 30_000 for i in range(1, 9)}
    with Ftp(s.port, user="alice") as c, Watcher(s) as w:
        c.binary()
        for turn in range(200):
            name = f"f{1 + turn * 5 % 8}"
            assert len(c.read(f"RETR {name}")) == sizes[name]
    wrong = [r for r in w.seen if r.get("command") == "RETR" and r["transfer_size"] != sizes[r["command_args"]]]
    assert not wrong, wrong[0]


def test_noop_and_stat_leave_the_transfer_in_sight(start):
    s = start()
    sparse(s, "big", 100 * MB)
    with Ftp(s.port, user="alice") as c, begin(c.binary(), "RETR big") as data:
        read_all(data, MB)
        before = wait_until(lambda: row(s) if row(s).get("transfer_bytes", 0) >= MB else None, "bytes")
        c.expect(200, "NOOP")
        c.expect(211, "STAT")
        after = row(s)
        assert after["command"] == "RETR" and after["command_args"] == "big", after
        assert after["transfer_bytes"] >= before["transfer_bytes"] and after["source"] == "sendfile", after


# --- how often

def drain(sock):
    with contextlib.suppress(ConnectionError):
        while sock.recv(1 << 20):
            pass


def test_records_are_250_ms_apart_or_more(start):
    """A record costs a system call: not one a slice."""
    s = start(TransferRate="RETR 4000:0")
    sparse(s, "f", 400 * MB)
    times = set()
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR f") as data:
            reader = threading.Thread(target=drain, args=(data,))
            reader.start()
            while len(times) < 6 and reader.is_alive():
                times.add(row(s).get("transfer_duration_ms", 0))
                time.sleep(0.01)
            c.send("ABOR")
            reader.join()
            c.expect(426)
            c.expect(226)
    times = sorted(times - {0})
    assert len(times) >= 5, times
    assert all(b - a >= 250 for a, b in zip(times, times[1:])), times
