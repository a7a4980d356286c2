"""What the server shows: xferlog, ExtendedLog, and the tools that read the scoreboard."""
import json
import os
import re
import socket
import subprocess
import time

import pytest

import servers
from ftpclient import Ftp
from servers import PATIENCE_S, listening, wait_until

CTIME = r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"


def xferlog(server, count=1):
    """The last `count` lines once there are at least as many."""
    return wait_until(lambda: (lambda x: x[-count:] if len(x) >= count else None)(server.text("xferlog").splitlines()),
                      f"{count} lines in the xferlog:\n{server.text('xferlog')}")


def test_xferlog_of_complete_transfers(server):
    content = b"x" * 12345
    with Ftp(server.port, user="alice") as c:
        c.binary()
        c.write("STOR up.bin", content)
        c.read("RETR up.bin")
        c.expect(200, "TYPE A")
        c.read("RETR up.bin")
        c.expect(250, "DELE up.bin")
    up, down, ascii_down, deleted = xferlog(server, 4)
    path = re.escape(server.home("alice", "up.bin"))
    host = r"(127\.0\.0\.1|localhost)"
    assert re.fullmatch(rf"{CTIME} \d+ {host} 12345 {path} b _ i r alice ftp 0 \* c", up), up
    assert re.fullmatch(rf"{CTIME} \d+ {host} 12345 {path} b _ o r alice ftp 0 \* c", down), down
    assert re.fullmatch(rf"{CTIME} \d+ {host} 12345 {path} a _ o r alice ftp 0 \* c", ascii_down), ascii_down
    assert re.fullmatch(rf"{CTIME} \d+ {host} 12345 {path} [ab] _ d r alice ftp 0 \* c", deleted), deleted


def test_xferlog_time_is_local(start):
    s = start.prepare()
    s.configure()
    s.start(env={"TZ": "JST-9"})
    with Ftp(s.port, user="alice") as c:
        c.write("STOR f", b"x")
    stamp = re.match(CTIME, xferlog(s)[0]).group(0)
    when = time.mktime(time.strptime(stamp))
    assert abs(when - time.time() - 9 * 3600 + time.localtime().tm_gmtoff) < 120


@pytest.mark.ours
def test_xferlog_of_incomplete_transfers(server):
    os.truncate(server.put("big"), 1_000_000_000)
    with Ftp(server.port, user="alice") as c:
        c.binary()
        for line in ("RETR big", "STOR part"):
            with c.start(line) as data:
                data.recv(1000) if line.startswith("RETR") else data.sendall(b"y" * 1000)
                c.send("ABOR")
                c.expect(426)
                c.expect(226)
    down, up = xferlog(server, 2)
    assert re.search(rf" \d+ {re.escape(server.home('alice', 'big'))} b _ o r alice ftp 0 \* i$", down), down
    assert re.search(rf" \d+ {re.escape(server.home('alice', 'part'))} b _ i r alice ftp 0 \* i$", up), up


def test_xferlog_names_are_one_word(server):
    with Ftp(server.port, user="alice") as c:
        c.write("STOR two words\tand a tab", b"x")
        c.write("STOR dir-\u00e4", b"x")
    one, two = xferlog(server, 2)
    assert server.home("alice", "two_words_and_a_tab") + " " in one
    assert "dir-\u00e4 " in two or "dir-__ " in two
    assert len(one.split()) == len(two.split()) == 18


def test_listings_are_not_in_the_xferlog(server):
    with Ftp(server.port, user="alice") as c:
        c.lines("LIST")
        c.lines("MLSD")
        c.lines("NLST")
        c.write("STOR f", b"")
    assert len(xferlog(server)) == 1 and len(server.text("xferlog").splitlines()) == 1


def test_no_transfer_log(start):
    s = start(TransferLog="none")
    with Ftp(s.port, user="alice") as c:
        c.write("STOR f", b"x")
    assert not os.path.exists(s.path("xferlog"))


@pytest.mark.root
def test_anonymous_xferlog(start):
    s = start.prepare()
    s.add_user("ftpuser", home=s.path("home", "ftp"))
    s.configure("<Anonymous @DIR@/home/ftp>\nUser ftpuser\nGroup gftpuser\nUserAlias anonymous ftpuser\n"
                "RequireValidShell off\n</Anonymous>\n")
    with open(s.path("home", "ftp", "f"), "w") as f:
        f.write("abc")
    s.start()
    with Ftp(s.port) as c:
        c.expect(331, "USER anonymous")
        c.expect(230, "PASS me@example.org")
        c.binary().read("RETR f")
    assert re.search(r" 3 \S+/home/ftp/f b _ o a me@example\.org ftp 0 \* c$", xferlog(s)[0])


# --- ExtendedLog

GOLDEN = [
    # (format, request, expected line)
    ("%m|%J|%r|%s", "SIZE f", r"SIZE\|f\|SIZE f\|213"),
    ("%u %a %h %l", "NOOP", r"alice 127\.0\.0\.1 (127\.0\.0\.1|localhost) UNKNOWN"),
    ("%s %S", "NOOP", r"200 NOOP command successful"),
    ("%t", "NOOP", r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"),
    ("%{%Y-%m}t", "NOOP", r"\d{4}-\d\d"),
    ("%v %V %p %L", "NOOP", r"Test \S+ \d+ 127\.0\.0\.1"),
    ("%{iso8601}", "NOOP", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"),
    ("%{uid} %{gid} %U", "NOOP", r"\d+ \d+ alice"),
    pytest.param("%P %%", "NOOP", r"\d+ %", marks=pytest.mark.ours),
    ("%{protocol} %c %b", "NOOP", r"ftp \S+ -"),
    ("%f|%F", "DELE f", r"/\S+/home/alice/f\|/f"),
    ("%R", "NOOP", r"\d+"),
]


@pytest.mark.parametrize("form, line, expected", GOLDEN, ids=lambda x: x if "%" in x else "")
def test_extended_log(start, form, line, expected):
    s = start(f'LogFormat own "{form}"\nExtendedLog @DIR@/ext.log ALL own\n')
    s.put("f", b"12345")
    with Ftp(s.port, user="alice") as c:
        c.binary()
        before = len(wait_until(lambda: (lambda x: x if len(x) >= 3 else None)(s.text("ext.log").splitlines()), "USER, PASS and TYPE"))
        c.cmd(line)
        found = wait_until(lambda: s.text("ext.log").splitlines()[before:] or None, "one more line")
    assert re.fullmatch(expected, found[-1]), found


def test_extended_log_of_a_transfer(start):
    s = start('LogFormat x "%m %b %{transfer-status} %{transfer-type} %{file-size} %{file-offset} %{file-modified} %s"\n'
              "ExtendedLog @DIR@/ext.log READ,WRITE x\n")
    s.put("f", b"12345")
    with Ftp(s.port, user="alice") as c:
        c.binary()
        c.read("RETR f")
        c.expect(350, "REST 2")
        c.read("RETR f")
        c.write("STOR g", b"1234567")
        c.expect(550, "RETR nosuch")
    wait_until(lambda: len(s.text("ext.log").splitlines()) >= 4, "four lines")
    lines = [x for x in s.text("ext.log").splitlines() if x.split()[0] in ("RETR", "STOR")]
    assert re.fullmatch(r"RETR 5 success binary 5 \S+ false 226", lines[0]), lines
    assert re.fullmatch(r"RETR 3 success binary 5 2 false 226", lines[1]), lines
    assert re.fullmatch(r"STOR 7 success binary 7 \S+ (true|false) 226", lines[2]), lines
    assert re.match(r"RETR - ", lines[3]) and lines[3].endswith(" 550"), lines


def test_extended_log_never_has_a_password(start):
    s = start("ExtendedLog @DIR@/ext.log ALL default\n", DebugLevel="10")
    with Ftp(s.port, user="alice") as c:
        c.quit()
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        c.expect(530, "PASS wrong-secret")
    wait_until(lambda: "(hidden)" in s.text("ext.log"), "a line for PASS")
    for name in ("ext.log", "system.log", "stderr"):
        assert "alice-pw" not in s.text(name) and "wrong-secret" not in s.text(name), name


def test_extended_log_classes(start):
    s = start('LogFormat m "%m"\nExtendedLog @DIR@/auth.log AUTH m\nExtendedLog @DIR@/write.log WRITE m\n'
              "ExtendedLog @DIR@/not.log ALL,!INFO m\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(257, "MKD d")
        c.expect(211, "FEAT")
        c.expect(250, "RMD d")
        c.quit()
    wait_until(lambda: s.text("write.log").split() == ["MKD", "RMD"], "two lines of WRITE")
    wait_until(lambda: s.text("auth.log").split() == ["USER", "PASS"], "two lines of AUTH")
    assert "FEAT" not in s.text("not.log").split() and "MKD" in s.text("not.log").split()


# --- tools

def board(server):
    return server.path("run", "scoreboard")


def ftpwho(server, *options):
    done = server.tool("ftpwho", "-f", board(server), *options)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\b(inf|nan|Inf)\b", done.stdout), done.stdout
    return done.stdout


@pytest.fixture
def busy(start):
    """A server with one download at a low rate, one upload, one idle session and one before login."""
    s = start(TransferRate="RETR,STOR 100")
    s.put("slow.bin", os.urandom(12_000_000))  # two minutes
    down, up, idle, early = (Ftp(s.port, user=u) for u in ("alice", "bob", "carol", None))
    down_data = down.binary().start("RETR slow.bin")
    assert down_data.recv(1000)
    up_data = up.binary().start("STOR up.bin")
    up_data.sendall(b"x" * 50_000)
    yield s
    for x in (down_data, up_data, down, up, idle, early):
        x.close()


def test_ftpwho_during_transfers(busy):
    def text():
        found = ftpwho(busy)
        return found if re.search(r"\( *[1-9]\d*%\) RETR slow\.bin", found) else None
    text = wait_until(text, "progress in ftpwho: " + ftpwho(busy))
    assert re.match(rf"standalone FTP daemon \[{busy.proc.pid}\], up for +\d+ min", text)
    assert re.search(r"^ *\d+ alice +\[ *\d+m\d+s\] +(\d+m\d+s )?.*\( *\d+%\) RETR slow\.bin$", text, re.M), text
    assert re.search(r"^ *\d+ bob +\[.*\(n/a\) STOR up\.bin$", text, re.M), text
    assert re.search(r"^ *\d+ carol +\[.* idle$", text, re.M), text
    assert re.search(r"\(authenticating\)$", text, re.M), text
    assert re.search(r"^Service class +.* - +\d+ users?$", text, re.M), text


@pytest.mark.ours  # the reference shows -nan in the first second
def test_ftpwho_verbose(busy):
    text = ftpwho(busy, "-v")
    assert re.search(r"^\tclient: \S+ \[127\.0\.0\.1\]$", text, re.M)
    assert re.search(rf"^\tserver: 127\.0\.0\.1:{busy.port} \(Test\)$", text, re.M)
    assert re.search(r"^\tprotocol: ftp$", text, re.M)
    assert re.search(r"^\tlocation: /", text, re.M)
    assert re.search(r"KB/s: \d+\.\d\d$", text, re.M)


def test_ftpwho_json(busy):
    def progressing():
        data = json.loads(ftpwho(busy, "-o", "json"))
        rows = {c.get("user"): c for c in data["connections"]}
        return (data, rows) if rows.get("alice", {}).get("transfer_bytes", 0) else None
    data, rows = wait_until(progressing, "progress in the JSON form")
    assert data["server"]["server_type"] == "standalone" and data["server"]["pid"] == busy.proc.pid
    assert len(data["connections"]) == 4
    assert rows["alice"]["downloading"] is True and isinstance(rows["alice"]["transfer_completed"], str)
    assert rows["alice"]["command"] == "RETR" and rows["bob"]["uploading"] is True and rows["carol"]["idling"] is True
    assert any(c.get("authenticating") for c in data["connections"])
    assert rows["alice"]["remote_address"] == "127.0.0.1"


@pytest.mark.ours
def test_progress_is_live(busy):
    """The bytes shown grow while the transfer runs: sendfile included."""
    def done():
        data = json.loads(ftpwho(busy, "-o", "json"))
        return next(c for c in data["connections"] if c.get("user") == "alice").get("transfer_bytes", 0)
    first = done()
    wait_until(lambda: done() > first, "more bytes")


def test_ftpcount(busy):
    done = busy.tool("ftpcount", "-f", board(busy))
    assert done.returncode == 0
    assert re.search(rf"^Master \S+ process {busy.proc.pid}:$", done.stdout, re.M), done.stdout
    assert re.search(r"^Service class +.* - +[34] users$", done.stdout, re.M), done.stdout


@pytest.mark.ours
def test_ftptop_in_batch_mode(busy):
    done = busy.tool("ftptop", "-f", board(busy), "-b", "-n", "2", "-d", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Total FTP Sessions: 1 downloading, 1 uploading, 1 idle") == 2, done.stdout
    assert re.search(r"^ *\d+ D +alice +", done.stdout, re.M) and re.search(r"^ *\d+ U +bob +", done.stdout, re.M)
    assert not re.search(r"\b(inf|nan|Inf)\b", done.stdout)


@pytest.mark.ours
def test_ftptop_on_a_terminal(busy):
    """In a pseudo terminal it draws, answers to q, and puts the terminal back."""
    import pty
    import select
    master, slave = pty.openpty()
    program = os.path.join(os.path.dirname(os.path.dirname(busy.program)), "tools", "ftptop")
    with subprocess.Popen([program, "-f", board(busy), "-d", "1"], stdin=slave, stdout=slave, stderr=slave,
                          env=dict(os.environ, TERM="xterm")) as p:
        os.close(slave)
        shown = b""
        while b"alice" not in shown:
            assert select.select([master], [], [], PATIENCE_S)[0], shown
            shown += os.read(master, 65536)
        os.write(master, b"q")
        while select.select([master], [], [], PATIENCE_S)[0]:  # also what it wrote last, when it is gone
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
        assert p.wait(PATIENCE_S) == 0
    os.close(master)
    assert b"Total FTP Sessions" in shown and b"\x1b[?1049l" in shown


def test_tools_without_sessions(server):
    wait_until(lambda: "no users connected" in ftpwho(server), "an empty table")
    done = server.tool("ftpcount", "-f", board(server))
    assert done.returncode == 0


@pytest.mark.ours
def test_tools_find_the_scoreboard_through_the_configuration(server):
    done = server.tool("ftpwho", "-c", server.path("server.conf"))
    assert done.returncode == 0 and "no users connected" in done.stdout


@pytest.mark.ours
def test_tools_without_a_scoreboard(start):
    s = start.prepare()
    for tool in ("ftpwho", "ftpcount"):
        done = s.tool(tool, "-f", s.path("nosuch"))
        assert done.returncode == 1 and "nosuch" in done.stderr
        with open(s.path("junk"), "wb") as f:
            f.write(os.urandom(100_000))
        done = s.tool(tool, "-f", s.path("junk"))
        assert done.returncode == 1 and done.stderr


@pytest.mark.ours
@pytest.mark.root
def test_a_killed_session_disappears(start):
    s = start(ScoreboardScrub="1")
    with Ftp(s.port, user="alice"):
        wait_until(lambda: "alice" in ftpwho(s), "the session is shown")
        for pid in s.processes():
            with open(f"/proc/{pid}/status") as f:
                if re.search(r"^Uid:\t20001\b", f.read(), re.M):
                    os.kill(pid, 9)
        wait_until(lambda: "alice" not in ftpwho(s), "the session is gone from the table")


# --- wherryctl

def ctl(server, *words):
    return server.tool("wherryctl", "-s", server.path("run", "ctl.sock"), *words)


@pytest.mark.ours
def test_wherryctl_status(busy):
    done = ctl(busy, "status")
    assert done.returncode == 0 and str(busy.proc.pid) in done.stdout
    assert json.loads(ctl(busy, "status", "--json").stdout)


@pytest.mark.ours
def test_wherryctl_kick(busy):
    done = ctl(busy, "kick", "user", "carol")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "carol" not in ftpwho(busy), "carol is gone")
    assert "alice" in ftpwho(busy) and "bob" in ftpwho(busy)
    assert ctl(busy, "kick", "user", "nosuch").returncode != 0


@pytest.mark.ours
def test_wherryctl_reload_and_shutdown(start):
    s = start('AccessGrantMsg "old"\n')
    s.configure('AccessGrantMsg "new"\n')
    assert ctl(s, "reload").returncode == 0
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        assert c.expect(230, "PASS alice-pw").text == "230 new"
        assert ctl(s, "shutdown", "now").returncode == 0
        assert s.proc.wait(PATIENCE_S) == 0
    s.proc = None


@pytest.mark.ours
def test_wherryctl_shutdown_graceful_lets_transfers_end(start):
    s = start(TransferRate="RETR 2000")
    content = os.urandom(3_000_000)
    s.put("f", content)
    with Ftp(s.port, user="alice") as c:
        with c.binary().start("RETR f") as data:
            got = data.recv(1000)
            assert ctl(s, "shutdown", "graceful").returncode == 0
            while part := data.recv(1 << 18):
                got += part
        c.expect(226)
        assert got == content
        assert s.proc.wait(PATIENCE_S) == 0
    s.proc = None


@pytest.mark.ours
def test_names_of_clients_are_resolved_and_verified(start):
    try:
        name = socket.gethostbyaddr("127.0.0.1")[0]
        if "127.0.0.1" not in socket.gethostbyname_ex(name)[2]:
            raise OSError
    except OSError:
        pytest.skip("127.0.0.1 has no name here that leads back to it")
    s = start(f'<Class named>\n  From {name}\n</Class>\n', UseReverseDNS="on")
    with Ftp(s.port, user="alice") as c:
        c.write("STOR f", b"x")
        assert re.match(rf"{CTIME} \d+ {re.escape(name)} 1 ", xferlog(s)[0])
        shown = ftpwho(s, "-v")
        assert f"client: {name} [127.0.0.1]" in shown and "class: named" in shown


@pytest.mark.ours
@pytest.mark.parametrize("abstract", [False, True])
def test_when_the_port_is_open_everything_else_is_there(start, abstract):
    """And who asked for it by NOTIFY_SOCKET (sd_notify) is told then."""
    s = start.prepare()
    s.configure()
    address = "\0wherry-test-" + str(s.port) if abstract else s.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE_S)
        for _ in range(5):
            s.start(wait=False, env={"NOTIFY_SOCKET": address.replace("\0", "@")})
            while not listening(s.port):
                assert s.proc.poll() is None, s.output()
            there = [os.path.exists(s.path("run", name)) for name in ("pid", "scoreboard", "ctl.sock")]
            assert there == [True, True, True]
            assert manager.recv(100) == b"READY=1"
            assert ctl(s, "status").returncode == 0
            s.stop()
            assert not listening(s.port)


@pytest.mark.ours
def test_the_port_is_opened_last(start):
    s = start.prepare()
    s.configure()
    with socket.socket(socket.AF_UNIX) as old, socket.socket(socket.AF_UNIX) as waits:
        old.bind(s.path("run", "ctl.sock"))
        old.listen(0)
        waits.connect(s.path("run", "ctl.sock"))  # the next one, the daemon asking who is there, has to wait
        s.start(wait=False)
        wait_until(lambda: os.path.exists(s.path("run", "scoreboard")), "the scoreboard")
        assert not listening(s.port)
    s.wait_ready()


@pytest.mark.ours
def test_a_stopping_daemon_leaves_the_files_of_the_next_one(start):
    first = start(TransferRate="RETR 1000")
    os.truncate(first.put("f"), 300_000_000)
    with Ftp(first.port, user="alice") as c:
        with c.binary().start("RETR f"):
            assert ctl(first, "shutdown", "graceful").returncode == 0
            second = subprocess.Popen(first.argv(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                wait_until(lambda: first.text("run/pid").strip() == str(second.pid), "the pid of the second daemon")
                c.send("QUIT")
                assert first.proc.wait(PATIENCE_S) == 0
                assert first.text("run/pid").strip() == str(second.pid)
                assert f"[{second.pid}]" in ftpwho(first)
                assert str(second.pid) in ctl(first, "status").stdout
            finally:
                second.terminate()
                assert second.wait(PATIENCE_S) == 0
    first.proc = None
    assert not os.path.exists(first.path("run", "pid"))


@pytest.mark.ours
def test_a_start_waits_for_a_port_that_is_about_to_be_free(start):
    s = start.prepare()
    s.configure()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", s.port))
        other.listen()
        s.start(wait=False)
        time.sleep(0.5)
        assert s.proc.poll() is None
    s.wait_ready()


def vhost(s, port, extra):
    """A further server with the accounts of the first."""
    names = ("AuthUserFile", "AuthGroupFile", "AuthOrder", "RequireValidShell", "UseFtpUsers", "DefaultRoot")
    same = "".join(f"{k} {v}\n" for k, v in s.defaults().items() if k in names)
    return f"<VirtualHost 127.0.0.1>\nPort {port}\nServerName other\n{same}{extra}</VirtualHost>\n"


def failed_and_good_login(port):
    with Ftp(port) as c:
        c.expect(331, "USER alice")
        c.expect(530, "PASS wrong")
        c.login("alice")
        c.expect(221, "QUIT")


@pytest.mark.ours  # what the reference writes there differs
def test_ServerLog_takes_the_lines_about_a_server_s_clients(start):
    s = start.prepare()
    other = servers.free_port()
    s.configure("SyslogLevel info\n" + vhost(s, other, f"ServerLog {s.path('other.log')}\n"))
    s.start()
    failed_and_good_login(other)
    wait_until(lambda: "session closed" in s.text("other.log") and "Login failed" in s.text("other.log"), "lines in the ServerLog")
    assert "sid=" not in s.text("system.log") and "alice" not in s.text("system.log")
    assert "serving" in s.text("system.log") and "serving" not in s.text("other.log")
    failed_and_good_login(s.port)
    wait_until(lambda: "session closed" in s.text("system.log") and "Login failed" in s.text("system.log"), "lines in the SystemLog")
    own = s.text("other.log")
    assert own.count("Login failed") == 1


@pytest.mark.ours
def test_ServerLog_is_reopened_for_a_new_file(start):
    s = start.prepare()
    s.configure(f"SyslogLevel info\nServerLog {s.path('server.log')}\n")
    s.start()
    failed_and_good_login(s.port)
    wait_until(lambda: "session closed" in s.text("server.log"), "lines in the ServerLog")
    os.rename(s.path("server.log"), s.path("server.log.1"))
    s.reload()
    wait_until(lambda: os.path.exists(s.path("server.log")), "a new ServerLog")
    wait_until(lambda: "configuration 2 is in force" in s.text("system.log"), "the reload")
    failed_and_good_login(s.port)
    wait_until(lambda: "session closed" in s.text("server.log"), "lines in the new ServerLog")


@pytest.mark.ours
def test_ServerLog_none_logs_nothing_about_clients(start):
    s = start.prepare()
    other = servers.free_port()
    s.configure("SyslogLevel info\n" + vhost(s, other, "ServerLog none\n"))
    s.start()
    failed_and_good_login(other)
    failed_and_good_login(s.port)
    wait_until(lambda: "session closed" in s.text("system.log"), "lines of the main server")
    assert s.text("system.log").count("Login failed") == 1


CLASSES = ["AUTH", "INFO", "DIRS", "READ", "WRITE", "MISC"]
CLASSES_OF = [  # in an order in which each is carried out
    ("AUTH", "USER alice"), ("AUTH", "PASS (hidden)"), ("AUTH", "ACCT x"), ("AUTH", "HOST x"),
    ("INFO", "HELP"), ("INFO", "FEAT"), ("INFO", "SYST"), ("INFO", "STAT"), ("INFO", "STAT f"), ("INFO", "SIZE f"),
    ("INFO", "CLNT x"), ("INFO", "CSID x"), ("INFO DIRS", "PWD"), ("INFO DIRS", "MDTM f"), ("DIRS", "CWD /"), ("DIRS", "MLST f"),
    ("MISC", "NOOP"), ("MISC", "TYPE I"), ("MISC", "MODE S"), ("MISC", "STRU F"), ("MISC", "REST 0"), ("MISC", "ALLO 10"),
    ("MISC", "PASV"), ("MISC", "EPSV"), ("MISC", "RANG 1 0"), ("MISC", "OPTS UTF8 ON"), ("MISC", "ABOR"),
    ("WRITE", "MFMT 20200101000000 f"), ("WRITE", "MFF modify=20200101000000; f"),
    ("WRITE MISC", "RNFR f"), ("WRITE MISC", "RNTO g"), ("DIRS WRITE", "MKD d"), ("DIRS WRITE", "RMD d"),
    ("MISC", "SITE HELP"), ("MISC", "SITE CHMOD 600 g"), ("MISC", "SITE CHGRP 20001 g"), ("MISC", "SITE UTIME 202302030405 g"),
    ("MISC", "SITE MKDIR d/e"), ("MISC", "SITE RMDIR d"), ("MISC", "SITE SYMLINK g l"), ("MISC", "SITE CPFR g"),
    ("MISC", "SITE CPTO h"), ("MISC", "SITE NOSUCH"), ("WRITE", "DELE g"), ("INFO", "QUIT")]


@pytest.mark.ours
def test_ExtendedLog_takes_subcommands_by_their_names(start):
    s = start.prepare()
    s.put("f", b"12345")
    masks = {"chmod": "NONE,SITE_CHMOD", "other": "MISC,!SITE_CHMOD", "opts": "NONE,OPTS_MLST", "both": "NONE,SITE,OPTS"}
    s.configure('LogFormat line "%r"\n' + "".join(f"ExtendedLog {s.path(name)} {mask} line\n" for name, mask in masks.items()))
    s.start()
    with Ftp(s.port) as c:
        c.cmd("OPTS MLST type;")  # login writes that one
        c.login()
        for line in ("SITE chmod 600 f", "SITE UMASK", "OPTS mlst size;", "OPTS UTF8 ON"):
            c.cmd(line)
        c.quit()
    wait_until(lambda: "UTF8" in s.text("other"), "the last command in the ExtendedLog")
    assert s.text("chmod").splitlines() == ["SITE chmod 600 f"]
    assert "SITE UMASK" in s.text("other").splitlines() and "SITE chmod" not in s.text("other")
    assert len(s.text("both").splitlines()) == 5
    assert s.text("opts").splitlines() == ["OPTS MLST type;", "OPTS mlst size;"]


def test_ExtendedLog_has_each_command_in_its_classes(start):
    """Holds for the reference as well (--server proftpd): SITE is MISC, whatever its subcommand does."""
    s = start.prepare()
    s.put("f", b"12345")
    s.configure('LogFormat line "%r"\n' + "".join(f"ExtendedLog {s.path(c)} {c} line\n" for c in CLASSES))
    s.start()
    with Ftp(s.port, user="alice") as c:
        for _, line in CLASSES_OF[2:]:
            c.cmd(line)
    wait_until(lambda: "QUIT" in s.text("INFO"), "QUIT in the ExtendedLog")
    logged = {c: s.text(c).splitlines() for c in CLASSES}
    found = [(" ".join(c for c in CLASSES if line in logged[c]), line) for _, line in CLASSES_OF]
    assert found == CLASSES_OF
