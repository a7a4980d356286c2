"""Parts of files (RANG) and hashes of files (HASH, MD5, XCRC and their kin): replies, values, rules, and that hours of
work for one client are nothing that another one notices."""
import hashlib
import os
import random
import re
import zlib

import pytest

from ftpclient import Ftp, read_all
from servers import wait_until

LETTERS = bytes(range(65, 91)) * 4  # 104 bytes
HUGE = 1 << 42  # of a file without content: hours of work
LONG = r"takes long"


def ours(*row):
    return pytest.param(*row, marks=pytest.mark.ours)


def crc(data):
    return f"{zlib.crc32(data):08x}"


ALGORITHMS = {
    "CRC32": crc,
    "MD5": lambda data: hashlib.md5(data).hexdigest(),
    "SHA-1": lambda data: hashlib.sha1(data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "SHA-512": lambda data: hashlib.sha512(data).hexdigest(),
}
X_COMMANDS = {"XCRC": "CRC32", "XMD5": "MD5", "XSHA": "SHA-1", "XSHA1": "SHA-1", "XSHA256": "SHA-256", "XSHA512": "SHA-512"}


def fill(server):
    server.put("f.txt", LETTERS)
    server.put("empty", b"")
    server.put("a b.txt", b"hello")
    server.put('q"q', b"quote")
    server.put("unreadable", b"x", mode=0)
    server.put("dir/f", b"x")
    os.mkfifo(server.home("alice", "fifo"))
    server.own(server.home("alice", "fifo"))
    os.symlink("f.txt", server.home("alice", "link"))
    os.symlink("nowhere", server.home("alice", "dangling"))
    os.symlink("/etc/passwd", server.home("alice", "outside"))


def huge(server, name="huge"):
    path = server.put(name)
    os.truncate(path, HUGE)
    return path


@pytest.fixture(scope="module")
def files(module_start, request):
    load = "LoadModule mod_digest.c\n" if request.config.getoption("--server") == "proftpd" else ""
    server = module_start(load + "AllowStoreRestart on\n")
    fill(server)
    return server


@pytest.fixture
def client(files):
    with Ftp(files.port, user="alice") as c:
        yield c.binary()


# --- replies

SHA1 = ALGORITHMS["SHA-1"](LETTERS)
REPLIES = [
    ("RANG", 500, "500 'RANG' not understood"),
    ("RANG 1", 500, None),
    ("RANG 1 2 3", 500, None),
    ("RANG x 1", 501, "501 RANG requires a value greater than or equal to 0"),
    ("RANG 1 x", 501, "501 RANG requires a value greater than or equal to 0"),
    ("RANG -1 5", 501, None),
    ours("RANG 0 99999999999999999999", 501, None),
    ("RANG 9 5", 501, "501 RANG start must be less than end"),
    ("RANG 2 0", 501, None),
    ("RANG 0 0", 350, "350 Transferring byte range of 1 byte starting from 0"),
    ("RANG 5 9", 350, "350 Transferring byte range of 5 bytes starting from 5"),
    ("RANG 1 0", 350, "350 Reset byte transfer range"),
    ("HELP RANG", 214, r"214 Syntax: RANG <sp> start.* <sp> end.*"),
    ("HASH", 501, "501 Invalid number of parameters"),
    ours("HASH f.txt", 213, f"213 SHA-1 0-104 {SHA1} f\\.txt"),
    ours("HASH /f.txt", 213, f"213 SHA-1 0-104 {SHA1} /f\\.txt"),
    ours("HASH link", 213, f"213 SHA-1 0-104 {SHA1} link"),
    ours("HASH a b.txt", 213, r"213 SHA-1 0-5 aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d a b\.txt"),
    ours("HASH empty", 213, "213 SHA-1 0-0 da39a3ee5e6b4b0d3255bfef95601890afd80709 empty"),
    ('HASH "a b.txt"', 550, '550 "a b.txt": No such file or directory'),
    ("HASH nosuch", 550, "550 nosuch: No such file or directory"),
    ("HASH dangling", 550, None),
    ("HASH outside", 550, "550 outside: No such file or directory"),
    ("HASH dir", 553, "553 dir: Not a regular file"),
    ("HASH fifo", 553, "553 fifo: Not a regular file"),
    ("HELP HASH", 214, "214 Syntax: HASH <sp> pathname"),
    ("XCRC", 501, "501 Invalid number of parameters"),
    ours("XCRC f.txt", 213, "213 B5D9984D"),
    ours('XCRC "f.txt"', 213, "213 B5D9984D"),
    ours('XCRC "a b.txt"', 213, "213 3610A686"),
    ours('XCRC q"q', 213, "213 6B71CBF4"),
    ours(r'XCRC "q\"q"', 213, "213 6B71CBF4"),
    ours("XCRC empty", 213, "213 00000000"),
    ours("XCRC f.txt 0 10", 213, "213 321E6D05"),
    ours("XCRC f.txt 0 104", 213, "213 B5D9984D"),
    ours('XCRC "f.txt" 3 7', 213, "213 0DF863ED"),
    ("XCRC a b.txt", 501, "501 Invalid number of parameters"),
    ("XCRC f.txt 5", 501, "501 Invalid number of parameters"),
    ours("XCRC f.txt 1 2 3", 501, "501 Invalid number of parameters"),
    ours('XCRC "f.txt', 501, "501 Invalid number of parameters"),
    ("XCRC f.txt 0 105", 501, "501 XCRC: end exceeds file size"),
    ("XCRC f.txt 10 5", 501, r"501 XCRC requires end \(5\) greater than start \(10\)"),
    ("XCRC f.txt 5 5", 501, r"501 XCRC requires end \(5\) greater than start \(5\)"),
    ("XCRC f.txt x 7", 501, "501 XCRC requires a start greater than or equal to 0"),
    ours("XCRC f.txt -1 7", 501, "501 XCRC requires a start greater than or equal to 0"),
    ours("XCRC f.txt 7 x", 501, "501 XCRC requires an end greater than 0"),
    ("XCRC empty 0 0", 501, None),
    ("XCRC nosuch", 550, "550 nosuch: No such file or directory"),
    ("XCRC dir", 550, "550 dir: Not a regular file"),
    ("XCRC fifo", 550, "550 fifo: Not a regular file"),
    ("XMD5 f.txt 1", 501, "501 Invalid number of parameters"),
    ("HELP XCRC", 214, r"214 Syntax: XCRC <sp> pathname \[<sp> start <sp> end\]"),
    ("MD5", 501, "501 Invalid number of parameters"),
    ours("MD5 f.txt", 251, r"251 f\.txt E00735E98EC66F8353E1AF5D9297B41E"),
    ours("MD5 a b.txt", 251, r"251 a b\.txt 5D41402ABC4B2A76B9719D911017C592"),
    ("MD5 nosuch", 550, "550 nosuch: No such file or directory"),
    ("MD5 f.txt 0 10", 550, "550 f.txt 0 10: No such file or directory"),
    ("MD5 dir", 504, "504 dir: Not a regular file"),
    ("MD5 fifo", 504, "504 fifo: Not a regular file"),
    ("OPTS HASH", 200, "200 SHA-1"),
    ("OPTS HASH SHA-256", 200, "200 SHA-256"),
    ("OPTS HASH sha-1", 200, "(?i)200 SHA-1"),
    ("OPTS HASH CRC-37", 501, "501 CRC-37: Unsupported algorithm"),
]


@pytest.mark.parametrize("request_line, code, pattern", REPLIES)
def test_replies(client, request_line, code, pattern):
    reply = client.expect(code, request_line)
    if pattern is not None:
        assert re.fullmatch(pattern, reply.text), f"{reply} does not match {pattern!r}"
    client.expect(200, "NOOP")


@pytest.mark.root
@pytest.mark.ours
@pytest.mark.parametrize("command, code", [("HASH", 552), ("XCRC", 550), ("MD5", 550)])
def test_an_unreadable_file_is_denied(client, command, code):
    assert client.expect(code, command + " unreadable").text == f"{code} unreadable: Permission denied"


def test_before_login_hashes_are_refused(files):
    with Ftp(files.port) as c:
        for line in ("HASH f.txt", "XCRC f.txt", "MD5 f.txt", "RANG 0 5"):
            c.expect(530, line)


# --- values

def value(client, line):
    """The hex digits of the answer, in lower case."""
    reply = client.expect((213, 250, 251), line)
    return max(reply.last.split()[1:], key=lambda w: len(re.sub("[^0-9a-fA-F]", "", w)) if len(w) >= 8 else 0).lower()


@pytest.fixture(scope="module")
def large(files):
    data = random.Random(5).randbytes(3 * 1024 * 1024 + 17)
    files.put("large", data)
    return data


@pytest.mark.parametrize("command", X_COMMANDS)
def test_x_commands_tell_the_hash(client, large, command):
    expected = ALGORITHMS[X_COMMANDS[command]]
    assert value(client, f"{command} large") == expected(large)
    for start, end in ((0, 1), (1, len(large)), (262143, 262145), (262144, 524288), (len(large) - 1, len(large))):
        assert value(client, f"{command} large {start} {end}") == expected(large[start:end]), (start, end)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hash_tells_the_chosen_hash(client, large, algorithm):
    client.expect(200, "OPTS HASH " + algorithm)
    assert client.expect(200, "OPTS HASH").text == "200 " + algorithm
    reply = client.expect(213, "HASH large")
    assert reply.last == f"213 {algorithm} 0-{len(large)} {ALGORITHMS[algorithm](large)} large"


def test_md5_is_that_of_the_file(client, large):
    assert value(client, "MD5 large") == ALGORITHMS["MD5"](large)


def test_type_a_changes_no_hash(client, files):
    files.put("lines", b"a\nb\r\n")
    client.expect(200, "TYPE A")
    assert value(client, "XSHA1 lines") == ALGORITHMS["SHA-1"](b"a\nb\r\n")


@pytest.mark.ours
def test_hash_honours_a_range_and_leaves_it_for_the_transfer(client, files):
    sha1 = ALGORITHMS["SHA-1"]
    client.expect(350, "RANG 5 9")
    assert client.expect(213, "HASH f.txt").text == f"213 SHA-1 5-10 {sha1(LETTERS[5:10])} f.txt"
    assert value(client, "XSHA1 f.txt") == sha1(LETTERS)  # they have ranges of their own
    assert client.read("RETR f.txt") == LETTERS[5:10]
    assert client.expect(213, "HASH f.txt").text == f"213 SHA-1 0-104 {SHA1} f.txt"
    client.expect(350, "RANG 100 200")
    assert client.expect(213, "HASH f.txt").text == f"213 SHA-1 100-104 {sha1(LETTERS[100:])} f.txt"
    client.expect(350, "RANG 104 200")
    client.expect(554, "HASH f.txt")
    client.expect(350, "RANG 0 5")
    assert client.expect(213, "HASH empty").text == f"213 SHA-1 0-0 {sha1(b'')} empty"
    client.expect(350, "REST 7")
    assert client.expect(213, "HASH f.txt").text == f"213 SHA-1 0-104 {SHA1} f.txt"


@pytest.mark.ours
def test_commands_in_one_packet_are_answered_in_order(client):
    client.send_raw(b"HASH f.txt\r\nNOOP\r\nXMD5 f.txt\r\nMD5 empty\r\nSTAT\r\nXCRC f.txt 0 1\r\nNOOP\r\n")
    assert [client.reply().code for _ in range(7)] == [213, 200, 213, 251, 211, 213, 200]


# --- what is offered

def features(client):
    return [line[1:] for line in client.expect(211, "FEAT").lines[1:-1]]


@pytest.mark.ours
def test_feat_marks_the_chosen_algorithm(client, files):
    with Ftp(files.port) as before_login:
        assert "HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512" in features(before_login)
    lines = features(client)
    assert "HASH CRC32;MD5;SHA-1*;SHA-256;SHA-512" in lines
    assert {"MD5", "RANG STREAM", *X_COMMANDS} <= set(lines)
    client.expect(200, "OPTS HASH SHA-512")
    assert "HASH CRC32;MD5;SHA-1;SHA-256;SHA-512*" in features(client)


@pytest.mark.ours
def test_algorithms_that_are_off_are_not_there(start):
    server = start("DigestAlgorithms md5 sha256\n")
    fill(server)
    with Ftp(server.port, user="alice") as c:
        lines = features(c)
        assert "HASH MD5;SHA-256*" in lines and "MD5" in lines
        assert set(X_COMMANDS) & set(lines) == {"XMD5", "XSHA256"}
        assert c.expect(213, "HASH f.txt").text.startswith("213 SHA-256 ")
        c.expect(501, "OPTS HASH SHA-1")
        c.expect(200, "OPTS HASH MD5")
        for command, algorithm in X_COMMANDS.items():
            c.expect(213 if algorithm in ("MD5", "SHA-256") else 500, command + " f.txt")
        c.expect(251, "MD5 f.txt")


@pytest.mark.ours
def test_the_engine_can_be_off(start):
    server = start("DigestEngine off\n")
    fill(server)
    with Ftp(server.port, user="alice") as c:
        lines = features(c)
        assert not [line for line in lines if line.startswith("HASH") or line in ("MD5", *X_COMMANDS)]
        assert "RANG STREAM" in lines
        for line in ("HASH f.txt", "MD5 f.txt", "XCRC f.txt"):
            assert c.expect(500, line).text == f"500 {line.split()[0]} not understood"
        c.expect(501, "OPTS HASH")


@pytest.mark.ours
def test_the_default_algorithm_is_configured(start):
    server = start("DigestDefaultAlgorithm sha256\n")
    fill(server)
    with Ftp(server.port) as c:
        assert "HASH CRC32;MD5;SHA-1;SHA-256*;SHA-512" in features(c)
        c.login()
        assert c.expect(213, "HASH f.txt").text == f"213 SHA-256 0-104 {ALGORITHMS['SHA-256'](LETTERS)} f.txt"


# --- what is allowed

@pytest.mark.ours
@pytest.mark.parametrize("limit, denied", [
    ("RETR", {"HASH", "XCRC", "MD5"}), ("READ", {"HASH", "XCRC", "MD5"}), ("ALL", {"HASH", "XCRC", "MD5"}), ("HASH", {"HASH"}), ("XCRC MD5", {"XCRC", "MD5"}),
])
def test_limits_hold_for_hashes(start, limit, denied):
    server = start(f"<Directory ~/dir>\n<Limit {limit}>\nDenyAll\n</Limit>\n</Directory>\n", AllowOverride="off")
    fill(server)
    with Ftp(server.port, user="alice") as c:
        for command, good, bad in (("HASH", 213, 552), ("XCRC", 213, 550), ("MD5", 251, 550)):
            c.expect(good, command + " f.txt")
            reply = c.expect(bad if command in denied else good, command + " dir/f")
            if command in denied:
                assert reply.text == f"{bad} dir/f: Operation not permitted"


@pytest.mark.ours
def test_limits_of_rang_and_opts(start):
    server = start("<Limit RANG OPTS_HASH>\nDenyAll\n</Limit>\n")
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.expect(552, "RANG 0 5")
        c.expect(550, "OPTS HASH MD5")
        c.expect(200, "OPTS UTF8 ON")


@pytest.mark.ours
def test_a_directory_can_be_excluded(start):
    server = start("<Directory ~/dir>\nDigestEnable off\n</Directory>\n")
    fill(server)
    server.put("other/f", b"x")
    with Ftp(server.port, user="alice") as c:
        c.expect(552, "HASH dir/f")
        for command in ("MD5", *X_COMMANDS):
            assert c.expect(550, command + " dir/f").text == "550 dir/f: Operation not permitted"
        c.binary()
        assert c.read("RETR dir/f") == b"x"
        c.expect(213, "HASH other/f")
        server.put("other/.ftpaccess", b"DigestEnable off\n")
        c.expect(552, "HASH other/f")
        server.put("other/.ftpaccess", b"DigestEnable on\n")
        c.expect(213, "HASH other/f")


@pytest.mark.ours
def test_the_size_is_limited(start):
    server = start("DigestMaxSize 1 Kb\n")
    server.put("f", bytes(2000))
    server.put("small", bytes(1024))
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.expect(556, "HASH f")
        c.expect(550, "XCRC f")
        c.expect(550, "MD5 f")
        c.expect(550, "XCRC f 0 1025")
        c.expect(213, "XCRC f 976 2000")
        c.expect(213, "HASH small")
        c.expect(350, "RANG 10 1033")
        c.expect(213, "HASH f")
        c.expect(350, "RANG 10 1034")
        c.expect(556, "HASH f")


@pytest.mark.ours
def test_files_made_up_while_they_are_read_are_refused(start):
    server = start(DefaultRoot=None)
    with Ftp(server.port, user="alice") as c:
        c.expect(553, "HASH /proc/version")
        c.expect(550, "XCRC /proc/version")


# --- the cache

def known(server):
    return len(re.findall("the hash is known", server.text("system.log")))


@pytest.mark.ours
def test_a_changed_file_has_another_hash(start):
    server = start("DebugLevel 8\n")
    path = server.put("f", b"first")
    with Ftp(server.port, user="alice") as c:
        def answered_from_the_cache():
            assert value(c, "XMD5 f") == ALGORITHMS["MD5"](b"first")
            return known(server)
        wait_until(answered_from_the_cache, "the hash is remembered")
        before = os.stat(path)
        with open(path, "r+b") as f:
            f.write(b"other")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same inode, size and time of change
        count = known(server)
        assert value(c, "XMD5 f") == ALGORITHMS["MD5"](b"other")
        assert known(server) == count
        assert value(c, "XSHA1 f") == ALGORITHMS["SHA-1"](b"other")
        assert value(c, "XMD5 f 0 2") == ALGORITHMS["MD5"](b"ot")
        with open(path + ".new", "wb") as f:
            f.write(b"third")
        server.own(path + ".new")
        os.replace(path + ".new", path)
        assert value(c, "XMD5 f") == ALGORITHMS["MD5"](b"third")
        c.binary()
        c.write("STOR f", b"fifth")
        assert value(c, "XMD5 f") == ALGORITHMS["MD5"](b"fifth")


@pytest.mark.ours
def test_the_cache_can_be_off(start):
    server = start("DebugLevel 8\nDigestCache off\n")
    server.put("f", b"first", mtime=1)
    with Ftp(server.port, user="alice") as c:
        # its ctime is as good as now at first: that alone would keep it out
        wait_until(lambda: os.stat(server.home("alice", "f")).st_ctime + 0.3 < os.stat(server.put("now", b"x")).st_ctime, "time")
        for _ in range(3):
            assert value(c, "XMD5 f") == ALGORITHMS["MD5"](b"first")
    assert known(server) == 0


# --- long work

def hashing(server, line="XSHA512 huge"):
    """A client whose command takes long."""
    c = Ftp(server.port, user="alice")
    count = len(re.findall(LONG, server.text("system.log")))
    c.send(line)
    wait_until(lambda: len(re.findall(LONG, server.text("system.log"))) > count, "the command takes long")
    return c


@pytest.fixture
def slow_server(start):
    server = start("DebugLevel 5\n")
    huge(server)
    return server


@pytest.mark.ours
def test_a_hash_is_aborted(slow_server):
    with Ftp(slow_server.port, user="alice") as c:
        for _ in range(3):
            c.send_raw(b"HASH huge\r\nABOR\r\n")
            assert c.expect(426).text == "426 HASH aborted"
            c.expect(226)
        c.send("XCRC huge 5 4398046511104")
        c.send_raw(b"\xff\xf4")
        c.send_urgent(b"\xff")
        c.send_raw(b"\xf2ABOR\r\n")
        assert c.expect(426).text == "426 XCRC aborted"
        c.expect(226)
        c.expect(200, "NOOP")
    assert "not in this process's list" not in slow_server.text("system.log")  # of system calls


@pytest.mark.ours
def test_noop_and_stat_are_answered_during_a_long_hash(slow_server):
    with hashing(slow_server) as c:
        c.expect(200, "NOOP")
        reply = c.expect(211, "STAT")
        found = re.search(rf"^ XSHA512 huge \({HUGE}/(\d+)\)$", reply.text, re.M)
        assert found and 0 < int(found.group(1)) < HUGE, reply
        c.send("PWD")  # in its turn
        c.send("ABOR")
        assert [c.reply().code for _ in range(3)] == [426, 257, 226]


@pytest.mark.ours
def test_a_long_hash_is_no_idle_time(start):
    """TimeoutNoTransfer and TimeoutIdle go by what the client lets us do, not only by transfers."""
    server = start("DebugLevel 5\n", TimeoutNoTransfer="2", TimeoutIdle="2")
    huge(server)
    with hashing(server) as c:
        with Ftp(server.port, user="alice") as idle:
            idle.expect(421)  # which had the same limits and came later
        c.expect(211, "STAT")
        c.send("ABOR")
        assert [c.reply().code for _ in range(2)] == [426, 226]
        c.expect(200, "NOOP")


@pytest.mark.ours
def test_quit_ends_a_long_hash(slow_server):
    with hashing(slow_server) as c:
        c.send("QUIT")
        c.expect(426)
        c.expect(221)
        assert c.at_eof()


@pytest.mark.ours
def test_a_lost_client_ends_its_hash(slow_server):
    def sessions():
        return slow_server.tool("ftpcount", "-f", slow_server.path("run", "scoreboard")).stdout
    idle = sessions()
    hashing(slow_server).close()
    wait_until(lambda: sessions() == idle, "the session is gone")


@pytest.mark.ours
def test_many_hashes_hold_nobody_up(slow_server):
    """Each in a slice of a thread: with more of them than threads, others still get theirs."""
    data = random.Random(1).randbytes(1 << 20)
    slow_server.put("data", data)
    clients = [Ftp(slow_server.port, user="alice") for _ in range(20)]
    for c in clients:
        c.send("XSHA1 huge")
    with Ftp(slow_server.port, user="alice") as c:
        c.binary()
        path = slow_server.home("alice", "data")
        with open(path, "rb") as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that it needs a thread
        assert c.read("RETR data") == data
        assert value(c, "XSHA1 data") == ALGORITHMS["SHA-1"](data)
    for c in clients:
        assert c.silent(0)
        c.send("ABOR")
        c.expect(426)
        c.expect(226)
        c.close()


@pytest.mark.ours
def test_a_file_cut_meanwhile_is_told(slow_server):
    path = huge(slow_server, "cut")
    with hashing(slow_server, "HASH cut") as c:
        os.truncate(path, 5)
        assert c.expect(450).text == "450 cut: File changed while it was read"


@pytest.mark.ours
def test_an_appended_file_is_hashed_as_it_was(start):
    """What was there is unchanged: a log that grows can be hashed."""
    server = start("DebugLevel 5\n")
    size = 1 << 30
    path = server.put("log")
    os.truncate(path, size)
    with Ftp(server.port, user="alice") as c:
        c.send("XCRC log")
        with open(path, "ab") as f:
            f.write(b"more")
        reply = c.expect((213, 450))
        whole = zlib.crc32(b"")
        for _ in range(1024):
            whole = zlib.crc32(bytes(1 << 20), whole)
        # the server may have looked at the file before or after it grew
        assert reply.text in (f"213 {whole:08X}", f"213 {zlib.crc32(b'more', whole):08X}"), reply


# --- ranges of transfers

@pytest.fixture
def ranges(start):
    server = start("AllowStoreRestart on\n")
    server.put("f", LETTERS)
    with Ftp(server.port, user="alice") as c:
        yield server, c.binary()


def test_the_150_line_has_the_length_of_the_range(client):
    client.expect(350, "RANG 5 9")
    with client.data() as data:
        assert client.expect(150, "RETR f.txt").text.endswith(" for f.txt (5 bytes)")
        assert read_all(data) == LETTERS[5:10]
    client.expect(226)


@pytest.mark.ours
@pytest.mark.parametrize("start_at, end, expected", [
    (0, 0, LETTERS[:1]), (0, 103, LETTERS), (0, 104, LETTERS), (103, 103, LETTERS[103:]), (100, 5000, LETTERS[100:]),
    (0, 1 << 62, LETTERS), (104, 104, None), (105, 200, None),
])
def test_ranges_are_clipped_to_the_file(client, start_at, end, expected):
    client.expect(350, f"RANG {start_at} {end}")
    if expected is None:
        client.expect(554, "RETR f.txt")
    else:
        with client.start("RETR f.txt") as data:
            assert f"({len(expected)} byte" in client.dialogue[-1]
            assert read_all(data) == expected
        client.expect(226)
    assert client.read("RETR f.txt") == LETTERS  # it counted once


def test_an_empty_file_has_an_empty_range(client):
    client.expect(350, "RANG 0 9")
    assert client.read("RETR empty") == b""
    client.expect(350, "RANG 1 9")
    client.expect(554, "RETR empty")


def test_a_range_survives_other_commands(client):
    client.expect(350, "RANG 2 3")
    client.expect(213, "SIZE f.txt")
    client.expect(257, "PWD")
    client.lines("NLST")
    assert client.read("RETR f.txt") == LETTERS[2:4]


@pytest.mark.ours
@pytest.mark.parametrize("forget", ["RANG 1 0", "RANG 5 2", "REST 0", "ABOR"])
def test_a_range_is_taken_back(client, forget):
    client.expect(350, "RANG 2 3")
    client.cmd(forget)
    assert client.read("RETR f.txt") == LETTERS


def test_rest_and_rang_the_later_counts(client):
    client.expect(350, "RANG 2 3")
    client.expect(350, "REST 100")
    assert client.read("RETR f.txt") == LETTERS[100:]
    client.expect(350, "REST 100")
    client.expect(350, "RANG 2 3")
    assert client.read("RETR f.txt") == LETTERS[2:4]


def test_a_range_is_refused_in_ascii(client):
    client.expect(200, "TYPE A")
    client.expect(551, "RANG 0 5")
    client.expect(350, "RANG 1 0")


def test_a_file_that_fails_consumes_the_range(client):
    client.expect(350, "RANG 2 3")
    client.expect(550, "RETR nosuch")
    assert client.read("RETR f.txt") == LETTERS


@pytest.mark.ours
@pytest.mark.parametrize("content, code, written", [(b"abc", 226, b"abc"), (b"abcd", 550, b"abc"), (b"ab", 426, b"ab"), (b"", 426, b"")])
def test_a_range_is_stored_in_its_place(ranges, content, code, written):
    server, c = ranges
    c.expect(350, "RANG 2 4")
    with c.start("STOR f") as data:
        assert c.dialogue[-1].endswith(" for f (3 bytes)")
        data.sendall(content)
    c.expect(code)
    with open(server.home("alice", "f"), "rb") as f:
        assert f.read() == LETTERS[:2] + written + LETTERS[2 + len(written):]


@pytest.mark.ours
@pytest.mark.parametrize("extra", [0, 1, 3 << 20])
def test_a_large_range_is_stored_in_its_place(ranges, extra):
    server, c = ranges
    old, new = random.Random(2).randbytes(8 << 20), random.Random(3).randbytes(5 << 20)
    server.put("big", old)
    c.expect(350, f"RANG 1000 {1000 + len(new) - 1}")
    with c.start("STOR big") as data:
        try:
            data.sendall(new + bytes(extra))
        except ConnectionError:  # the server has closed it at the end of the range
            assert extra
    c.expect(550 if extra else 226)
    with open(server.home("alice", "big"), "rb") as f:
        assert f.read() == old[:1000] + new + old[1000 + len(new):]


@pytest.mark.ours
def test_a_new_file_begins_with_its_first_range(ranges):
    server, c = ranges
    c.expect(350, "RANG 3 7")
    c.expect(554, "STOR new")
    assert not os.path.exists(server.home("alice", "new"))
    c.expect(350, "RANG 0 4")
    c.write("STOR new", b"abcde")
    c.expect(350, "RANG 5 6")
    c.write("STOR new", b"fg")
    with open(server.home("alice", "new"), "rb") as f:
        assert f.read() == b"abcdefg"


def test_appe_and_stou_take_no_range(client, files):
    client.expect(350, "RANG 0 4")
    assert client.expect(550, "APPE f.txt").text == "550 APPE incompatible with RANG"
    client.expect(350, "RANG 0 4")
    assert client.expect(550, "STOU").text == "550 STOU incompatible with RANG"


def test_restart_must_be_allowed_for_ranges(start):
    server = start("AllowRetrieveRestart off\n")
    server.put("f", LETTERS)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.expect(350, "RANG 0 5")
        assert c.expect(451, "RETR f").text == "451 f: Restart not permitted, try again"
        c.expect(350, "RANG 0 5")
        assert c.expect(451, "STOR f").text == "451 f: Append/Restart not permitted, try again"
        assert c.read("RETR f") == LETTERS


def test_hidden_stores_take_no_range(start):
    server = start("HiddenStores on\nAllowStoreRestart on\n")
    server.put("f", LETTERS)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.expect(350, "RANG 0 5")
        assert c.expect(501, "STOR f").text == "501 RANG not compatible with server configuration"
        assert sorted(os.listdir(server.home("alice"))) == ["f"]


@pytest.mark.ours
def test_a_broken_range_is_cut_back_when_aborted_stores_are_deleted(start):
    server = start("AllowStoreRestart on\nDeleteAbortedStores on\n")
    server.put("f", LETTERS)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.expect(350, "RANG 100 200")
        c.write("STOR f", b"0123456789", code=426)
    with open(server.home("alice", "f"), "rb") as f:
        assert f.read() == LETTERS[:100] + b"0123"


# --- the reference

@pytest.mark.ours
@pytest.mark.root
def test_hashes_are_those_of_the_reference(start):
    """The same codes and hashes as proftpd's mod_digest, but for what is meant to differ."""
    servers = [start("LoadModule mod_digest.c\n", kind=kind) for kind in ("proftpd", "wherry")]
    data = random.Random(9).randbytes(200001)
    clients = []
    for server in servers:
        fill(server)
        server.put("data", data)
        clients.append(Ftp(server.port, user="alice").binary())
    lines = [f"{command} {argument}" for command in ("HASH", "MD5", *X_COMMANDS)
             for argument in ("f.txt", "data", "nosuch", "dir", "fifo", "link", "dangling")]
    lines += [f"{command} {argument}" for command in X_COMMANDS
              for argument in ('"a b.txt"', "data 0 200001", "data 1000 1001", "data 0 200002", "data 5", "data 7 7", "data 9 7", "data x 7")]
    lines += [line for name in ALGORITHMS for line in ("OPTS HASH " + name, "OPTS HASH", "HASH data", "HASH a b.txt")]
    for line in lines:
        theirs, mine = (c.cmd(line) for c in clients)
        code = 213 if theirs.code == 250 else theirs.code  # newer ones say 213 as well
        assert mine.last == f"{code}{theirs.last[3:]}", line
    for c in clients:
        c.close()
