"""Directives of other modules: each has its effect, or is accepted or refused with the reason."""
import os
import re
import resource
import shutil
import socket
import time

import pytest

from ftpclient import Ftp
from servers import wait_until

pytestmark = pytest.mark.ours

REFUSED = [
    ("ExecOnConnect /bin/true", "the server never starts another program"),
    ("Protocols ftp sftp", "protocol 'sftp' is not spoken by this server"),
    ("Protocols ftps", "use TLSRequired on"),
    ("AuthUnixOptions MagicTokenChroot", "use DefaultRoot"),
    ("BanCache redis", "not shared"),
    ("ExecEngine on", "programs are never started"),
]


@pytest.mark.parametrize("line, reason", REFUSED)
def test_a_directive_that_cannot_be_obeyed_is_refused_with_its_reason(start, line, reason):
    s = start.prepare()
    s.configure(line)
    done = s.check()
    assert done.returncode == 1
    assert f"fatal: {line.split()[0]}: " in done.stderr and reason in done.stderr, done.stderr
    assert f"{line.split()[0]}: refused (" in done.stdout or line.split()[0] in ("Protocols", "AuthUnixOptions")


def test_directives_without_effect_say_why(start):
    s = start.prepare()
    lines = ["Protocols ftp ftps", "AuthUnixOptions NoGetgrset", "DelayControlsACLs all allow user root", "FSOptions IgnoreExtendedAttributes",
             "LogOptions +ConnectionID", "TraceOptions -Timestamp", "ScoreboardOptions AllowMissing",
             "StatCacheEngine on", "LoadFile /x.so", "LangPath /usr/share/locale", "FACLEngine on", "AuthPAMOptions NoTTY"]
    s.configure("\n".join(lines))
    done = s.check()
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert f": {line.split()[0]}: accepted without effect (" in done.stdout, done.stdout


# --- effects

@pytest.mark.root
def test_UserOwner_and_GroupOwner_give_new_files_and_directories_away(start):
    s = start("<Directory ~/drop>\nUserOwner 23456\nGroupOwner 34567\nHiddenStores on\n</Directory>\n"
              "<Directory ~/group>\nGroupOwner 34567\n</Directory>\n")
    for name in ("drop", "group", "plain"):
        s.mkdir(name)
    uid, gid = s.users["alice"][:2]

    def owner(path):
        st = os.stat(s.home("alice", path))
        return st.st_uid, st.st_gid
    with Ftp(s.port, user="alice") as c:
        for name in ("drop", "group", "plain"):
            c.write(f"STOR {name}/f", b"x" * 1000)
            c.expect(257, f"MKD {name}/d")
        wait_until(lambda: owner("drop/f") == (23456, 34567), "file given away")
        wait_until(lambda: owner("drop/d") == (23456, 34567), "directory given away")
        wait_until(lambda: owner("group/f") == (uid, 34567), "group of a file")
        wait_until(lambda: owner("group/d") == (uid, 34567), "group of a directory")
        assert owner("plain/f") == owner("plain/d") == (uid, gid)
        # what has another owner by now is not given away again, and the session goes on
        c.expect(200, "NOOP")
    assert "it asked for what it may not" not in s.text("system.log")


@pytest.mark.root
def test_a_file_that_no_process_can_give_away_keeps_its_owner(start):
    s = start("<Directory ~/drop>\nUserOwner 23456\n</Directory>\n")
    s.mkdir("drop")
    master = s.proc.pid

    def given(name):
        return os.stat(s.home("alice", name)).st_uid == 23456

    def kept():
        return "a new file keeps its owner: Too many open files" in s.text("system.log")
    with Ftp(s.port, user="alice") as c:
        limits = resource.prlimit(master, resource.RLIMIT_NOFILE)
        for turn in range(100):  # until nothing was open there that the login or the turn before closes later
            used = {int(n) for n in os.listdir(f"/proc/{master}/fd")}
            free = [n for n in range(len(used) + 2) if n not in used]  # the file takes one, a pipe needs two
            resource.prlimit(master, resource.RLIMIT_NOFILE, (free[1] + 1, limits[1]))
            c.write(f"STOR drop/b{turn}", b"x")
            wait_until(lambda: kept() or given(f"drop/b{turn}"), "the warning")
            resource.prlimit(master, resource.RLIMIT_NOFILE, limits)
            if kept():
                break
        c.write("STOR drop/c", b"x")
        wait_until(lambda: given("drop/c"), "the next file is given away")
        assert kept() and os.stat(s.home("alice", f"drop/b{turn}")).st_uid == s.users["alice"][0]


@pytest.mark.root
def test_owners_hold_for_SITE_MKDIR_and_copied_files(start):
    s = start("<Directory ~/drop>\nUserOwner 23456\nGroupOwner 34567\n</Directory>\n")
    s.mkdir("drop", mode=0o777)
    s.put("f", b"12345")
    s.put("tree/in", b"1")

    def owner(path):
        st = os.stat(s.home("alice", path))
        return st.st_uid, st.st_gid
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "SITE MKDIR drop/a/b/c")
        c.expect(200, "SITE COPY f drop/g")
        c.expect(350, "SITE CPFR f")
        c.expect(250, "SITE CPTO drop/h")
        c.expect(200, "SITE COPY f own")
        for path in ("drop/a", "drop/a/b", "drop/a/b/c", "drop/g", "drop/h"):
            wait_until(lambda: owner(path) == (23456, 34567), f"the owner of {path}")
        assert owner("own") == s.users["alice"][:2]
        assert owner("drop") == s.users["alice"][:2]
        c.expect(200, "SITE COPY tree drop/tree")
        c.expect(200, "SITE MKDIR drop/tree/later")
        assert owner("drop/tree/in") == s.users["alice"][:2]
    assert "it asked for what it may not" not in s.text("system.log")


def test_unknown_owners_and_bad_limits_are_errors(start):
    s = start.prepare()
    for line, words in (("<Directory /x>\nUserOwner no-such-user\n</Directory>", "unknown user 'no-such-user'"),
                        ("<Directory /x>\nGroupOwner no-such-group\n</Directory>", "unknown group 'no-such-group'"),
                        ("MaxLoad high", "'high' is no load"),
                        ("RLimitMemory session 5X", "'5X' is no limit"),
                        ("RLimitCPU daemon 5", "limits of the daemon"),
                        ("RLimitOpenFiles 5", "fewer than 64"),
                        ("RLimitCPU session 9 5", "above the hard one")):
        s.configure(line)
        done = s.check()
        assert done.returncode == 1 and words in done.stderr, done.stderr


def test_MaxLoad_turns_new_connections_away(start):
    if os.getloadavg()[0] == 0:
        pytest.skip("the machine has no load at all")
    s = start('MaxLoad 0.0000001 "too busy here"\n')
    with socket.create_connection(("127.0.0.1", s.port)) as c:
        assert c.recv(1000) == b"421 too busy here\r\n"


def test_RLimits_hold_for_session_processes(start):
    s = start("RLimitOpenFiles session 300 400\nRLimitCPU 100 max\nRLimitMemory max\n")
    with Ftp(s.port, user="alice"):
        found = [p for p in s.processes() if open(f"/proc/{p}/comm").read().strip() == "wherryd-session"]
        assert len(found) == 1
        with open(f"/proc/{found[0]}/limits") as f:
            limits = f.read()
        assert re.search(r"Max cpu time +100 ", limits), limits
        if "Max open files" in limits:  # some kernels do not list them all
            assert re.search(r"Max open files +\d+ +400 ", limits), limits


@pytest.mark.root
def test_CreateHome_makes_the_home_at_the_login(start):
    s = start.prepare()
    os.makedirs(s.path("skel", "in"))
    with open(s.path("skel", "in", "welcome"), "w") as f:
        f.write("hello")
    home = s.path("new", "deep", "carl")
    s.add_user("carl", home=home)
    shutil.rmtree(s.path("new"))
    s.configure(f"CreateHome on 750 skel {s.path('skel')} dirmode 755\n")
    s.start()
    with Ftp(s.port, user="carl") as c:
        assert c.read("RETR in/welcome") == b"hello"
        c.expect(257, "MKD mine")
    st = os.stat(home)
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (*s.users["carl"][:2], 0o750)
    assert os.stat(s.path("new")).st_mode & 0o777 == 0o755
    assert "CreateHome: made" in s.text("system.log")


def test_FactsDefault_chooses_the_facts_of_a_new_session(start):
    s = start("FactsDefault size type\n")
    s.put("f", b"12345")
    with Ftp(s.port, user="alice") as c:
        assert c.cmd("MLST f").lines[1].strip().lower() == "size=5;type=file; f"
        assert "size*;type*;" in c.cmd("FEAT").text and "modify;" in c.cmd("FEAT").text
        c.expect(200, "OPTS MLST type;modify;")
        assert "modify=" in c.cmd("MLST f").lines[1]
