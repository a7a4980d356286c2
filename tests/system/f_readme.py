"""DisplayReadme: files that clients are asked to read, after login and CWD; beside the reference."""
import os
import re
import time

import pytest

from ftpclient import Ftp

DAY = 86400


def modules(s):
    return "LoadModule mod_readme.c\n" if s.kind == "proftpd" else ""


def fill(s):
    now = int(time.time())
    s.put("README", b"x", mtime=now - 2515 * DAY - DAY // 4)
    s.put("README.first", b"x", mtime=now - DAY - DAY // 4)
    s.put("sub/README", b"x", mtime=now)
    s.put("sub/READMEdir/x")
    os.symlink("README", s.home("alice", "READMElink"))


def replies(s, *commands):
    with Ftp(s.port, user=None) as c:
        c.expect(331, "USER alice")
        found = [c.cmd("PASS alice-pw").text] + [c.cmd(line).text for line in commands]
    # The reference forgets the date where it is confined to the root of the session, rounds the days its own way, and
    # goes on with a blank where another text was shown before.
    return [re.sub(r"\n(\d\d\d)-", "\n ", re.sub(r"modified on .* - \d+ days?", "modified on DATE - DAYS", text)) for text in found]


CONFS = ["DisplayReadme README*", "DisplayReadme README\nDisplayReadme README.first", "DisplayReadme nosuch",
         "DisplayReadme /sub/README", "DisplayReadme [", "DisplayReadme README\nDisplayChdir README",
         "DisplayReadme README\n<Anonymous ~alice>\nUser alice\nGroup galice\nDisplayReadme README.first\n</Anonymous>",
         "DisplayReadme README\n<Anonymous ~alice>\nUser alice\nGroup galice\n</Anonymous>"]


@pytest.mark.ours
@pytest.mark.root
@pytest.mark.parametrize("conf", CONFS)
def test_the_lines_are_those_of_the_reference(start, conf):
    found = {}
    for kind in ("wherry", "proftpd"):
        s = start.prepare(kind)
        fill(s)
        s.configure(modules(s) + conf)
        s.start()
        found[kind] = replies(s, "CWD sub", "CDUP", "XCWD /", "CWD nosuch")
    assert found["wherry"] == found["proftpd"]


@pytest.mark.ours
def test_the_time_of_the_last_change_is_told(start):
    s = start("DisplayReadme README\n")
    s.put("README", b"x", mtime=1577934245)
    with Ftp(s.port, user="alice") as c:
        text = c.cmd("CWD /").text
    days = int((time.time() - 1577934245) // DAY)
    os.utime(s.home("alice", "README"), (time.time() - DAY - 100,) * 2)
    with Ftp(s.port, user="alice") as c:
        assert c.cmd("CWD /").text.endswith(" - 1 day ago")
    stamp = time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(1577934245))
    assert text.endswith(f" Please read the file README\n250    it was last modified on {stamp} - {days} days ago"), text


@pytest.mark.ours
def test_what_is_hidden_is_not_announced_and_a_name_is_one_line(start):
    s = start("DisplayReadme *\n<Directory ~/a>\nHideFiles ^secret\n</Directory>\n<Directory ~/b>\n<Limit CWD>\nDenyAll\n</Limit>\n</Directory>\n")
    s.put("a/secret")
    s.put("a/README\n230 no")
    s.put("b/x")
    with Ftp(s.port, user="alice") as c:
        lines = c.cmd("CWD a").lines
        assert len(lines) == 3 and lines[1] == " Please read the file README_230 no", lines
        assert c.cmd("CWD /b").text == "550 /b: Operation not permitted"


@pytest.mark.ours
def test_more_files_than_fit_are_left_out(start):
    s = start("DisplayReadme *\n")
    for i in range(100):
        s.put(f"many/{i:03}")
    with Ftp(s.port, user="alice") as c:
        assert len(c.cmd("CWD many").lines) == 1 + 2 * 64
        c.expect(257, "PWD")


@pytest.mark.ours
def test_who_wants_no_long_greeting_gets_none(start):
    s = start("DisplayReadme *\n<Anonymous ~alice>\nUser alice\n</Anonymous>\n")
    s.put("README")
    for password, lines in (("me@example.org", 4), ("-me@example.org", 1)):
        with Ftp(s.port, user=None) as c:
            c.expect(331, "USER alice")
            assert len(c.cmd(f"PASS {password}").lines) == lines


def test_mistakes_are_named(start):
    s = start.prepare()
    for line in ("DisplayReadme a b", "DisplayReadme"):
        s.configure(modules(s) + line)
        done = s.check()
        assert done.returncode == 1 and "fatal: DisplayReadme: " in done.stderr and "server.conf'" in done.stderr, done.stderr
