"""Access tables (WrapTables and its like, TCPAccessFiles): who is let in, when, and what is said; beside the reference."""
import os
import re

import pytest

from ftpclient import Closed, Ftp
from servers import wait_until

pytestmark = pytest.mark.root

ON = "WrapEngine on\n"
ALL = ON + "WrapTables file:@DIR@/allow file:@DIR@/deny\n"
MESSAGES = 'WrapDenyMsg "User %u denied"\nWrapAllowMsg "ok %u"\n'


def modules(s):
    return "LoadModule mod_wrap2.c\nLoadModule mod_wrap2_file.c\n" if s.kind == "proftpd" else ""


def tables(s, allow, deny):
    for name, text in (("allow", allow), ("deny", deny)):
        if text is not None:
            with open(s.path(name), "w") as f:
                f.write(text.replace("@DIR@", s.dir))


def login(s, user="alice", password=None):
    """All that is said until the login is decided, and whether the connection is still there."""
    said = []
    with Ftp(s.port, user=None, greet=False) as c:
        said.append(re.sub(r"^220 .*", "220", c.reply().text))
        try:
            for line in (f"USER {user}", f"PASS {password or user + '-pw'}", "NOOP"):
                said.append(c.cmd(line).text)
        except Closed:
            said.append("(closed)")
    return said


CASES = [
    # configuration, allow table, deny table
    (ALL, "", "ALL: ALL\n"),
    (ALL + MESSAGES, "", "ALL: ALL\n"),
    (ALL + MESSAGES, "proftpd: 127.0.0.1\n", "ALL: ALL\n"),
    (ALL + MESSAGES, "", ""),
    (ALL, None, None),
    (ALL, "", "ALL: ALL EXCEPT 127.0.0.1\n"),
    (ALL, "", "ALL: ALL EXCEPT 10.\n"),
    (ALL, "", "ALL: 127.\n"),
    (ALL, "", "ALL: 127.0.0.0/255.0.0.0\n"),
    (ALL, "", "ALL: 10.0.0.1, 127.0.0.1\n"),
    (ALL, "", "ALL: ALL@ALL\n"),
    (ALL, "", "ALL: LOCAL\n"),
    (ALL, "", "ALL: PARANOID\n"),
    (ALL, "", "ALL: /@DIR@/pats\n"),
    (ALL, "", "PROFTPD: ALL\n"),
    (ALL, "", "ftpd: ALL\n"),
    (ALL, "", "ALL EXCEPT proftpd: ALL\n"),
    (ALL, "", "proftpd ALL\n"),
    (ALL + "WrapServiceName ftpd\n", "", "ftpd: ALL\n"),
    (ON + "WrapTables file:@DIR@/allow builtin:all\n", "", None),
    (ALL + "WrapOptions CheckOnConnect\n" + MESSAGES, "", "ALL: ALL\n"),
    (ALL + "WrapOptions CheckOnConnect\n" + MESSAGES, "ALL: ALL\n", "ALL: ALL\n"),
    (ON + "WrapUserTables alice file:@DIR@/allow file:@DIR@/deny\n", "", "ALL: ALL\n"),
    (ON + "WrapUserTables bob file:@DIR@/allow file:@DIR@/deny\n" + MESSAGES, "", "ALL: ALL\n"),
    (ON + "WrapUserTables !bob file:@DIR@/allow file:@DIR@/deny\n", "", "ALL: ALL\n"),
    (ON + "WrapGroupTables galice file:@DIR@/allow file:@DIR@/deny\n", "", "ALL: ALL\n"),
    (ON + "WrapGroupTables gbob file:@DIR@/allow file:@DIR@/deny\n", "", "ALL: ALL\n"),
    (ON + "WrapTables file:~/allow file:~/deny\n", None, None),
    (ON + "WrapTables file:@DIR@/%U.allow file:@DIR@/%U.deny\n", None, None),
    (ALL + "<Anonymous ~alice>\nUser alice\nGroup galice\nWrapTables file:@DIR@/allow file:@DIR@/none\n</Anonymous>\n", "", "ALL: ALL\n"),
    (ALL.replace("on", "off", 1), "", "ALL: ALL\n"),
]


@pytest.mark.ours
@pytest.mark.parametrize("number", range(len(CASES)))
def test_clients_are_told_what_the_reference_tells_them(start, number):
    conf, allow, deny = CASES[number]
    found = {}
    for kind in ("wherry", "proftpd"):
        s = start.prepare(kind)
        tables(s, allow, deny)
        with open(s.path("pats"), "w") as f:
            f.write("10.1. 10.2.\n127.0.0.1\n")
        with open(s.path("alice.deny"), "w") as f:
            f.write("ALL: ALL\n")
        s.put("deny", b"ALL: ALL\n")
        s.configure(modules(s) + conf)
        s.start()
        found[kind] = login(s)
    assert found["wherry"] == found["proftpd"], conf


# The reference takes none of these for what hosts_access(5) says of them, or knows no options.
DENIED = ["ALL: 127.0.0.0/8", "ALL: UNKNOWN", "ALL: 127.*", "ALL: UNKNOWN@127.0.0.1", "ALL: @netgroup", "ALL: 127.0.0.0/99",
          "proftpd@127.0.0.1: ALL", "ftpd, proftpd: ALL", "  proftpd : ALL", "proftpd : \\\n ALL", "ALL: /nosuch/file"]
LET_IN = ["ALL: ALL: ALLOW", "ALL: KNOWN", "ALL: root@ALL"]


@pytest.mark.ours
def test_tables_say_what_hosts_access_says(start):
    s = start(ALL)
    for rules, refused in [(line, True) for line in DENIED] + [(line, False) for line in LET_IN]:
        tables(s, "", rules + "\n")  # read anew at each login
        assert ("530 Access denied" in login(s)) == refused, rules


@pytest.mark.ours
def test_a_refusal_does_not_depend_on_the_password_or_on_the_user(start):
    s = start(ALL)
    tables(s, "", "ALL: ALL\n")
    for user, password in (("alice", "wrong"), ("alice", None), ("nosuch", "x")):
        assert login(s, user, password)[2:] == ["530 Access denied", "(closed)"]
    assert "line 1 of" in s.text("system.log")


@pytest.mark.ours
def test_what_cannot_be_read_refuses(start):
    s = start(ON + "WrapTables file:~/allow file:~/deny\n")
    assert "230 User alice logged in" in login(s)
    s.put("deny", b"# no rule\n")
    assert "230 User alice logged in" in login(s)
    os.chmod(s.home("alice", "deny"), 0o666)  # anybody could have written it
    assert "530 Access denied" in login(s)
    os.unlink(s.home("alice", "deny"))
    os.symlink("/etc/hostname", s.home("alice", "deny"))
    assert "530 Access denied" in login(s)
    os.unlink(s.home("alice", "deny"))
    os.mkfifo(s.home("alice", "deny"))
    assert "530 Access denied" in login(s)
    assert s.text("system.log").count("cannot use access table") == 3
    os.unlink(s.home("alice", "deny"))
    with open(s.path("pats"), "w") as f:
        f.write("10.0.0.1\n")
    s.put("deny", f"ALL: {s.path('pats')}\n".encode())  # not opened: the table is the user's own
    assert "530 Access denied" in login(s)


@pytest.mark.ours
def test_a_name_that_is_no_part_of_a_path_is_refused(start):
    s = start(ON + "WrapTables file:@DIR@/%U.allow file:@DIR@/%U.deny\n")
    for user in ("../x", ".x", "a/b"):
        assert "530 Access denied" in login(s, user)
    assert "530 Login incorrect." in login(s, "nosuch")


@pytest.mark.ours
def test_WrapLog_has_the_rule(start):
    s = start(ALL + "WrapLog @DIR@/wrap.log\nWrapOptions CheckOnConnect\n")
    tables(s, "ALL: 10.\nproftpd: 127.0.0.1\n", "ALL: ALL\n")
    login(s)
    lines = s.text("wrap.log").splitlines()
    assert len(lines) == 2 and " connect " in lines[0] and " login " in lines[1]
    for line in lines:
        assert line.endswith(f": allowed connection (line 2 of '{s.path('allow')}')"), line
    assert "user=alice" in lines[1]
    tables(s, "", "ALL: ALL\n")
    login(s)
    assert s.text("wrap.log").splitlines()[2].endswith(f": refused connection (line 1 of '{s.path('deny')}')")


@pytest.mark.ours
def test_names_of_clients_count_with_UseReverseDNS(start):
    import socket
    try:
        name = socket.gethostbyaddr("127.0.0.1")[0]
    except OSError:
        pytest.skip("the loopback address has no name here")
    s = start(ALL + "WrapOptions CheckOnConnect\n", UseReverseDNS="on")
    tables(s, "", f"ALL: {name}\n")
    assert login(s)[0] == "530 Access denied"
    tables(s, f"ALL: {name}\n", "ALL: ALL\n")
    assert "230 User alice logged in" in login(s)


@pytest.mark.ours
def test_files_of_tcp_wrappers_are_asked_at_the_login(start):
    s = start("TCPUserAccessFiles !bob @DIR@/allow @DIR@/deny\nTCPServiceName ftpd\nTCPAccessSyslogLevels notice warn\n")
    tables(s, "", "ftpd: ALL\n")
    assert login(s)[2:] == ["530 Access denied", "(closed)"]
    assert "230 User bob logged in" in login(s, "bob")
    tables(s, "ftpd: 127.\n", "ftpd: ALL\n")
    assert "230 User alice logged in" in login(s)
    wait_until(lambda: "allowed connection by access files (line 1 of" in s.text("system.log"), "log line")
    assert "refused connection by access files" in s.text("system.log")


@pytest.mark.ours
def test_the_engine_works_for_explain_too(start):
    s = start(ALL)
    tables(s, "", "ALL: 192.0.2.\n")
    done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "explain", "alice@192.0.2.5", "/x", "RETR")
    assert "line 1 of" in done.stdout + done.stderr and s.path("deny") in done.stdout + done.stderr, done.stdout + done.stderr


MISTAKES = [("WrapOptions Foo", "unknown option 'Foo'"), ("WrapTables foo:/a file:/b", "neither file:<path> nor builtin:all"),
            ("WrapTables file:/a", ""), ("WrapTables /a /b", "neither file:<path>"), ("WrapTables file:a file:/b", "not an absolute path"),
            ("WrapTables sql:/x sql:/y", "databases"), ("WrapTables file:~bob/a file:/b", "write the path itself"),
            ("WrapLog x", "not an absolute path"), ("TCPAccessFiles a /b", "not an absolute path"), ("TCPAccessSyslogLevels x y", "x"),
            ("WrapUserTables alice file:/a file:/b sql:/c", ""), ("WrapEngine maybe", "")]


@pytest.mark.ours
@pytest.mark.parametrize("line, words", MISTAKES)
def test_mistakes_are_named(start, line, words):
    s = start.prepare()
    s.configure(line)
    done = s.check()
    assert done.returncode == 1 and f"fatal: {line.split()[0]}: " in done.stderr and "server.conf'" in done.stderr, done.stderr
    assert words in done.stderr, done.stderr


@pytest.mark.ours
def test_the_configuration_test_looks_into_the_tables(start):
    s = start.prepare()
    s.configure(ALL + "WrapOptions CheckAllNames\n")
    tables(s, None, "ALL: 10.\nproftpd: @friends: spawn /bin/true\nsshd: @x\nproftpd ALL\n")
    done = s.check()
    assert done.returncode == 0
    for words in (f"'{s.path('allow')}' does not exist", "netgroups are not looked up; the rule counts where it refuses on line 2 of "
                  f"'{s.path('deny')}'", "programs are never started", f"the line is not used on line 4 of '{s.path('deny')}'",
                  "CheckAllNames has no effect"):
        assert words in done.stderr, done.stderr
    assert "WrapTables: supported" in done.stdout
    os.unlink(s.path("deny"))
    os.mkdir(s.path("deny"))
    done = s.check()
    assert done.returncode == 1 and f"fatal: WrapTables: cannot read '{s.path('deny')}'" in done.stderr
