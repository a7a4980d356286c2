"""SITE COPY, SITE CPFR and SITE CPTO: what is copied, for whom, and that it holds nobody up.

The historic hole of these commands was that nobody asked whether who copies may read and write (CVE-2015-3306,
CVE-2019-12815). Tests without the mark `ours` pass with the reference server too (pytest --reference).
"""
import os
import re

import pytest

from ftpclient import Ftp
from servers import AM_ROOT, wait_until

EXISTS = "350 File or directory exists, ready for destination name"
MANY = 100000  # files of a tree whose copying takes a while


@pytest.fixture
def site(start):
    """site(extra configuration, prepare) -> server with a.txt (6 bytes) and tree/{x,sub/y} of alice."""
    def make(extra="", prepare=None, **values):
        server = start.prepare()
        server.put("a.txt", b"a text")
        server.put("tree/x", b"x")
        server.put("tree/sub/y", b"yy")
        if prepare:
            prepare(server)
        server.configure(extra, **values)
        return server.start()
    return make


def content(server, name, user="alice"):
    with open(server.home(user, name), "rb") as f:
        return f.read()


def listing(server, name=""):
    found = []
    for directory, _, files in os.walk(server.home("alice", name)):
        found += [os.path.relpath(os.path.join(directory, f), server.home()) for f in files]
    return sorted(found)


def left_over(server):
    return [n for n in os.listdir(server.home()) if n.startswith(".wherry-")]


# --- what it does

def test_a_file_is_copied_in_two_steps(site):
    s = site()
    with Ftp(s.port, user="alice") as c:
        assert c.expect(350, "SITE CPFR a.txt").text == EXISTS
        assert c.expect(250, "SITE CPTO b.txt").text == "250 Copy successful"
        assert content(s, "b.txt") == b"a text"
        c.expect(503, "SITE CPTO c.txt")
        c.expect(550, "SITE CPFR nosuch")
        c.expect(503, "SITE CPTO c.txt")
        c.expect(500, "SITE CPFR")


def test_a_file_is_copied_in_one_step(site):
    s = site()
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "site copy a.txt b.txt")
        assert content(s, "b.txt") == b"a text"
        assert " SITE COPY" in c.expect(211, "FEAT").lines


@pytest.mark.ours
def test_names_with_blanks_may_be_quoted_or_absolute(site):
    s = site()
    with Ftp(s.port, user="alice") as c:
        assert c.expect(200, 'SITE COPY "a.txt" "b c.txt"').text == "200 SITE COPY command successful"
        c.expect(200, "SITE COPY /b c.txt /d e.txt")
        c.expect(501, "SITE COPY a.txt")
        c.expect(501, "SITE COPY a b c")
        c.expect(350, "SITE CPFR b c.txt")
        c.expect(250, "SITE CPTO  f")
    assert listing(s) == sorted(["a.txt", "b c.txt", "d e.txt", " f", "tree/x", "tree/sub/y"])


def test_a_tree_is_copied(site):
    s = site()
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "SITE CPFR tree")
        c.expect(250, "SITE CPTO new")
    assert content(s, "new/x") == b"x" and content(s, "new/sub/y") == b"yy"


@pytest.mark.ours
@pytest.mark.parametrize("target", ["tree", "tree/new", "tree/sub/new"])
def test_nothing_is_copied_into_itself(site, target):
    s = site()
    before = listing(s)
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "SITE CPFR tree")
        assert c.expect(550, "SITE CPTO " + target).text.startswith(f"550 {target}: ")
        c.expect(550, "SITE COPY / x")
        c.expect(550, "SITE COPY a.txt a.txt")
    assert listing(s) == before


@pytest.mark.parametrize("allowed", [True, pytest.param(False, marks=pytest.mark.ours)])
def test_existing_files_are_replaced_as_by_rnto(site, allowed):
    s = site(AllowOverwrite="on" if allowed else "off")
    s.put("b.txt", b"old")
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "SITE CPFR a.txt")
        c.expect(250 if allowed else 550, "SITE CPTO b.txt")
    assert content(s, "b.txt") == (b"a text" if allowed else b"old")


@pytest.mark.ours
def test_existing_directories_are_never_replaced(site):
    s = site()
    s.mkdir("empty")
    with Ftp(s.port, user="alice") as c:
        for line in ("tree empty", "a.txt empty", "tree a.txt"):
            assert c.cmd("SITE COPY " + line).code == 550
    assert os.listdir(s.home("alice", "empty")) == [] and not left_over(s)


@pytest.mark.ours
def test_copies_have_the_modes_of_new_files(site):
    def prepare(s):
        s.put("a.txt", b"run", mode=0o4777)
        os.chmod(s.home("alice", "tree"), 0o700)
    s = site("Umask 027 022\n", prepare)
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "SITE COPY a.txt b.txt")
        c.expect(200, "SITE COPY tree new")
        c.expect(200, "SITE UMASK 077")
        c.expect(200, "SITE COPY a.txt c.txt")
    assert os.stat(s.home("alice", "b.txt")).st_mode & 0o7777 == 0o750
    assert os.stat(s.home("alice", "new")).st_mode & 0o7777 == 0o755
    assert os.stat(s.home("alice", "c.txt")).st_mode & 0o7777 == 0o700
    if AM_ROOT:
        assert os.stat(s.home("alice", "new/sub/y")).st_uid == s.users["alice"][0]


@pytest.mark.ours
def test_links_in_a_tree_stay_links_and_lead_nowhere_new(site):
    s = site(f"<Directory @DIR@/home/alice/secret>\n<Limit ALL>\nDenyAll\n</Limit>\n</Directory>\n", lambda s: s.put("secret/s", b"s"))
    os.symlink("../a.txt", s.home("alice", "tree/link"))
    with Ftp(s.port, user="alice") as c:
        c.expect(200, "SITE COPY tree new")
        assert os.readlink(s.home("alice", "new/link")) == "../a.txt"
        c.expect(200, "SITE COPY tree/link plain")  # by itself it is what it leads to
        assert not os.path.islink(s.home("alice", "plain")) and content(s, "plain") == b"a text"
        os.symlink("/secret/s", s.home("alice", "tree/spy"))
        c.expect(550, "SITE COPY tree/spy stolen")
        c.expect(550, "SITE COPY tree more")  # the link would be a new one
        assert not os.path.exists(s.home("alice", "more")) and not left_over(s)


@pytest.mark.ours
def test_a_link_out_of_the_root_does_not_lead_out(site):
    s = site()
    os.symlink(s.path("passwd"), s.home("alice", "out"))
    os.symlink("../bob", s.home("alice", "bob"))
    s.put("theirs", b"bob's", "bob", 0o644)
    with Ftp(s.port, user="alice") as c:
        c.expect(550, "SITE COPY out stolen")
        c.expect(550, "SITE CPFR out")
        c.expect(550, "SITE CPFR bob/theirs")
        c.expect(550, "SITE CPFR ../bob/theirs")
        c.expect(550, "SITE COPY a.txt bob/mine")
        c.expect(550, "SITE COPY a.txt ../bob/mine")
    assert not os.path.exists(s.home("bob", "mine"))


# --- the historic hole: who may

def test_nothing_before_login(site):
    s = site()
    with Ftp(s.port) as c:
        for line in ("SITE CPFR a.txt", "SITE CPTO b.txt", "SITE CPFR /etc/passwd", "SITE COPY a.txt b.txt"):
            c.expect(530, line)
        c.expect(331, "USER alice")
        c.expect(530, "SITE CPFR /proc/self/cmdline")
        c.expect(530, "SITE CPTO /tmp/x")
    assert listing(s) == ["a.txt", "tree/sub/y", "tree/x"]


def test_what_was_named_is_forgotten_with_the_login(site):
    s = site()
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "SITE CPFR a.txt")
    with Ftp(s.port, user="alice") as c:
        c.expect(503, "SITE CPTO b.txt")


HOME = "@DIR@/home/alice"
RULES = [  # rules, is copying a.txt to b.txt allowed, a.txt to drop/b, tree to new
    ("<Limit READ>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit WRITE>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit SITE_COPY>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit SITE_CPFR>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit SITE_CPTO>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit ALL>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit RETR>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit STOR>\nDenyAll\n</Limit>", False, False, False),
    ("<Limit MKD>\nDenyAll\n</Limit>", True, True, False),
    (f"<Directory {HOME}/drop>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>", True, False, True),
    (f"<Directory {HOME}/drop>\n<Limit SITE_COPY>\nDenyAll\n</Limit>\n</Directory>", True, False, True),
    (f"<Directory {HOME}/drop>\n<Limit READ>\nDenyAll\n</Limit>\n</Directory>", True, True, True),
    (f"<Directory {HOME}/tree/sub>\n<Limit READ>\nDenyAll\n</Limit>\n</Directory>", True, True, False),
    (f"<Directory {HOME}/tree/sub/y>\n<Limit RETR>\nDenyAll\n</Limit>\n</Directory>", True, True, False),
    (f"<Directory {HOME}/tree/sub>\n<Limit SITE_COPY>\nDenyAll\n</Limit>\n</Directory>", True, True, False),
    (f"<Directory {HOME}/new/sub>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>", True, True, False),
    (f"<Directory {HOME}/*>\n<Limit WRITE>\nDenyAll\n</Limit>\n</Directory>", False, False, False),
    ("<Limit SITE_COPY>\nOrder deny,allow\nAllowUser bob\n</Limit>", False, False, False),
    ("<Limit SITE_COPY>\nOrder deny,allow\nAllowUser alice\n</Limit>", True, True, True),
    ('PathDenyFilter "sub"', True, True, False),
    ('PathDenyFilter "p/b$"', True, False, True),
    ('PathAllowFilter "txt$"', True, False, False),
    ('DenyFilter "b\\.txt"', False, True, True),
    ("MaxStoreFileSize 5 B", False, False, True),
    (f"<Directory {HOME}/new/sub>\nMaxStoreFileSize 1 B\n</Directory>", True, True, False),
    ("CopyEngine off", None, None, None),
]


@pytest.mark.ours
@pytest.mark.parametrize("rules, file, drop, tree", RULES)
def test_rules_hold_at_both_ends_and_for_all_of_a_tree(site, rules, file, drop, tree):
    s = site(rules, lambda s: s.mkdir("drop"))
    with Ftp(s.port, user="alice") as c:
        for allowed, source, target in ((file, "a.txt", "b.txt"), (drop, "a.txt", "drop/b"), (tree, "tree", "new")):
            first = c.cmd("SITE CPFR " + source)
            second = c.cmd("SITE CPTO " + target)
            one = c.cmd(f"SITE COPY {source} {target}.2" if allowed else f"SITE COPY {source} {target}")
            if allowed:
                assert [first.code, second.code, one.code][:2] == [350, 250]
                assert os.path.exists(s.home("alice", target))
            else:
                assert second.code in (500, 503, 550, 552) and one.code in (500, 550, 552), (first, second, one)
                assert not os.path.exists(s.home("alice", target)), (first, second, one)
        assert not left_over(s)


@pytest.mark.ours
def test_the_source_is_asked_about_again_when_it_is_copied(site):
    s = site("AllowOverride on\n")
    with Ftp(s.port, user="alice") as c:
        c.expect(350, "SITE CPFR tree/x")
        s.put("tree/.ftpaccess", b"<Limit READ>\nDenyAll\n</Limit>\n")
        c.expect(550, "SITE CPTO x")
        os.unlink(s.home("alice", "tree/.ftpaccess"))
        c.expect(350, "SITE CPFR tree/x")
        os.unlink(s.home("alice", "tree/x"))
        s.put("secret", b"")
        os.symlink("../secret", s.home("alice", "tree/x"))
        c.expect(250, "SITE CPTO x")  # a link of today is looked at today
        assert content(s, "x") == b""


@pytest.mark.skipif(not AM_ROOT, reason="needs several users")
def test_the_kernel_has_the_last_word(site):
    s = site(DefaultRoot=None)
    theirs = s.put("private", b"bob's", "bob", 0o600)
    with Ftp(s.port, user="alice") as c:
        if c.cmd("SITE CPFR " + theirs).code == 350:
            c.expect(550, f"SITE CPTO {s.home()}/stolen")
        c.expect(350, f"SITE CPFR {s.home()}/a.txt")
        c.expect(550, f"SITE CPTO {s.home('bob')}/mine")
    assert not os.path.exists(s.home("bob", "mine")) and not os.path.getsize(s.home("alice", "a.txt")) == 0


@pytest.mark.ours
@pytest.mark.skipif(not AM_ROOT, reason="needs several users")
def test_an_unreadable_file_in_a_tree_ends_the_copy(site):
    s = site(prepare=lambda s: s.own(s.put("tree/sub/z", b"bob's", mode=0o600), "bob"))
    with Ftp(s.port, user="alice") as c:
        c.expect(550, "SITE COPY tree new")
    assert not os.path.exists(s.home("alice", "new")) and not left_over(s)


@pytest.mark.ours
def test_hidden_entries_do_not_exist_for_ignore_hidden(site):
    rules = "<Directory @DIR@/home>\nHideFiles ^y$\n%s</Directory>\n"
    for ignore, there in (("", True), ("<Limit READ>\nIgnoreHidden on\n</Limit>\n", False)):
        s = site(rules % ignore)
        with Ftp(s.port, user="alice") as c:
            c.expect(200, "SITE COPY tree new")
            c.expect(200 if there else 550, "SITE COPY tree/sub/y y")
        assert os.path.exists(s.home("alice", "new/sub/y")) == there
        assert os.path.exists(s.home("alice", "new/x"))


@pytest.mark.ours
def test_the_option_keeps_what_there_is_of_a_failed_copy(site):
    s = site("CopyOptions NoDeleteOnFailure\nMaxStoreFileSize 10 B\n", lambda s: s.put("tree/sub/zz", b"larger than that"))
    with Ftp(s.port, user="alice") as c:
        c.expect(552, "SITE COPY tree new")
        c.expect(200, "SITE RMDIR new")
    assert not left_over(s)


@pytest.mark.ours
def test_if_module_and_the_engine(site):
    s = site("<IfModule mod_copy.c>\nCopyEngine off\n</IfModule>\n")
    with Ftp(s.port, user="alice") as c:
        assert c.expect(500, "SITE COPY a.txt b.txt").text == "500 'SITE COPY a.txt b.txt' not understood"
        assert " SITE COPY" not in c.expect(211, "FEAT").lines


# --- long copies

@pytest.fixture(scope="module")
def many(module_start):
    """A server with a directory `many` whose copying takes a while, and a.txt."""
    server = module_start("DebugLevel 5\n")
    server.put("a.txt", b"a text")
    server.mkdir("many")
    for i in range(MANY):
        if i % 50000 == 0:  # no more links than a file may have
            first = server.put(f"many/{i}")
        else:
            os.link(first, server.home("alice", f"many/{i}"))
    return server


def copying(server):
    c = Ftp(server.port, user="alice")
    count = server.text("system.log").count("takes long")
    c.expect(350, "SITE CPFR many")
    c.send("SITE CPTO new")
    wait_until(lambda: server.text("system.log").count("takes long") > count, "the copy takes long")
    return c


def gone(server):
    return not left_over(server) and not os.path.exists(server.home("alice", "new"))


@pytest.mark.ours
def test_a_copy_is_aborted_and_leaves_nothing(many):
    with copying(many) as c:
        c.expect(200, "NOOP")
        assert re.search(r"^ SITE CPTO new \(0/0\)$", c.expect(211, "STAT").text, re.M)
        c.send("ABOR")
        assert c.expect(426).text == "426 SITE CPTO aborted"
        c.expect(226)
        assert gone(many)
        c.send_raw(b"SITE COPY many new\r\nABOR\r\n")
        c.expect(426)
        c.expect(226)
    assert gone(many)
    assert "not in this process's list" not in many.text("system.log")  # of system calls


@pytest.mark.ours
def test_a_lost_client_ends_its_copy(many):
    copying(many).close()
    wait_until(lambda: gone(many), "nothing of it is left")


@pytest.mark.ours
def test_copies_hold_nobody_up(many):
    """Each in a slice of a thread: with more of them than threads, others still get theirs."""
    clients = [Ftp(many.port, user="alice") for _ in range(10)]
    for i, c in enumerate(clients):
        c.send(f"SITE COPY many new{i}")
    with Ftp(many.port, user="alice") as c:
        c.expect(200, "SITE COPY a.txt b.txt")
        assert c.read("RETR b.txt") == b"a text"
    assert all(c.silent(0) for c in clients)
    for c in clients:
        c.send("ABOR")
        c.expect(426)
        c.close()
    assert not left_over(many)
