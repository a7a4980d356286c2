"""RewriteRule and its like: what becomes of the arguments of commands; beside the reference."""
import os
import re

import pytest

from ftpclient import Closed, Ftp

pytestmark = pytest.mark.root

ON = "RewriteEngine on\n"
REPLACE = 'RewriteMap r int:replaceall\nRewriteCondition %m XRMD\nRewriteRule (.*) "${r:!$1!%20!_}"\n'


def modules(s):
    return "LoadModule mod_rewrite.c\n" if s.kind == "proftpd" else ""


def prepare(start, conf, kind=None):
    s = start.prepare(kind)
    s.put("f.txt", b"content")
    s.mkdir("d")
    s.mkdir("e")
    with open(s.path("map"), "w") as f:
        f.write("# c\nkey  value # more\n\none two three\nk\tv\nusr alice\n")
    s.configure(modules(s) + ON + conf)
    return s.start()


def talk(s, *commands, user="alice"):
    found = []
    with Ftp(s.port, user=None) as c:
        try:
            for line in (f"USER {user}", "PASS alice-pw") + commands:
                reply = c.cmd(line).text
                reply = re.sub(r"(?<=\|)\d{4,}(?=\])", "N", reply.replace(s.dir, "DIR").replace(str(s.port), "PORT"))
                found.append((line, reply))
        except Closed:
            found.append("(closed)")
    return found


X = "RewriteCondition %m XRMD\n"
CASES = [
    (X + 'RewriteRule ^(.*)$ "[$0|$1|$2|%a|%m|%f|%F|%u|%U|%v|%p|%c|%g|%h|%z|%P]"\n', ["XRMD f.txt", "xrmd f.txt", "MDTM nosuch"]),
    (X + 'RewriteRule f(.) "[$0|$1]"\n', ["XRMD xxf.txt", "XRMD g"]),
    ('RewriteCondition %m (X)(R)MD\nRewriteRule f(.) "[%1|%2|%0]"\n', ["XRMD xxf.txt"]),
    ("RewriteRule (.*) X$1\n", ["NOOP"]),
    (X + "RewriteRule !txt f.txt\n", ["XRMD a.txt", "XRMD b"]),
    ('RewriteMap m txt:@DIR@/map\n' + X + 'RewriteRule (.*) "${m:$1|def}"\n', ["XRMD key", "XRMD one", "XRMD k", "XRMD zz", "XRMD #"]),
    ("RewriteMap u int:toupper\n" + X + "RewriteRule (.*) ${u:$1}\n", ["XRMD key"]),
    ("RewriteMap u int:unescape\n" + X + "RewriteRule (.*) ${u:$1}\n", ["XRMD a%20b", "XRMD %zz%4"]),
    (REPLACE, ["XRMD a%20b%20c", "XRMD " + "%20" * 8, "XRMD " + "%20" * 9]),
    (X + "RewriteRule (.*) 1$1\n" + X + 'RewriteRule (.*) 2$1\nRewriteRule ^(12|21)(.*) "no cond $2"\n', ["XRMD x"]),
    ("RewriteCondition %m MDTM [OR]\nRewriteCondition %m xrmd [NC]\nRewriteRule (.*) Z$1\n", ["XRMD x", "MDTM x", "DELE x"]),
    ('RewriteMap m txt:@DIR@/map\nRewriteCondition %m USER\nRewriteRule (.*) ${m:$1}\n', ["PWD"]),
    ('RewriteCondition %m "^SITE CHMOD$"\nRewriteRule "^(.*) +(.*)$" "$1 X$2"\n',
     ["SITE CHMOD 644 f.txt", "SITE chmod 644 f.txt"]),
    (X + "RewriteCondition %f =f.txt\nRewriteRule (.*) eq\n", ["XRMD f.txt", "XRMD g"]),
    (X + "RewriteCondition %f <b\nRewriteRule (.*) lt\n", ["XRMD a", "XRMD b", "XRMD c"]),
    (X + "RewriteCondition %f >b\nRewriteRule (.*) gt\n", ["XRMD a", "XRMD b", "XRMD c"]),
    (X + "RewriteCondition $1 !^d\nRewriteRule (.*) n-$1\n", ["XRMD dx", "XRMD g"]),
    (X + 'RewriteRule (.*) ""\n', ["XRMD f.txt"]),
    ("<Directory ~/d>\n" + X + 'RewriteRule (.*) "D$1"\n</Directory>\n' + X + 'RewriteRule (.*) "S$1"\n',
     ["XRMD f", "CWD d", "XRMD f", "XRMD g", "CWD /e", "XRMD q", "XRMD /d/x"]),
    (X + "RewriteRule (.*) d/$1\nDenyFilter ^d/\n", ["XRMD x"]),
    ('RewriteCondition %m PWD\nRewriteRule (.*) "x"\n', ["PWD"]),
    (X + 'RewriteRule (.*) "%{TIME_YEAR}%{TIME_MON}%{TIME_DAY}|%{TIME_WDAY}|%{ENV:NOSUCH}|%{FOO}"\n', ["XRMD f.txt"]),
]


@pytest.mark.ours
@pytest.mark.parametrize("number", range(len(CASES)))
def test_arguments_become_what_the_reference_makes_of_them(start, number):
    conf, commands = CASES[number]
    user = "usr" if "m USER" in conf else "alice"
    found = [talk(prepare(start, conf, kind), *commands, user=user) for kind in ("wherry", "proftpd")]
    assert found[0] == found[1], conf


@pytest.mark.ours
def test_access_rules_are_asked_about_the_rewritten_path(start):
    s = prepare(start, "RewriteCondition %m ^(RETR|STOR)$\nRewriteRule ^secret/(.*) d/$1\nRewriteCondition %m RETR\n"
                "RewriteRule ^go$ d/closed\n<Directory ~/d>\n<Limit READ>\nDenyAll\n</Limit>\n</Directory>\n")
    s.put("d/closed", b"x")
    with Ftp(s.port, user="alice") as c:
        assert c.cmd("RETR go").code == 550
        assert c.cmd("RETR secret/closed").code == 550
        c.write("STOR secret/new", b"abc")
    with open(s.home("alice", "d/new"), "rb") as f:
        assert f.read() == b"abc"
    assert "/d/new" in s.text("xferlog")


@pytest.mark.ours
def test_a_client_cannot_write_templates(start):
    s = prepare(start, "RewriteMap u int:toupper\n" + X + "RewriteRule (.*) x$1\n")
    assert talk(s, "XRMD ${u:abc}%a")[-1][1] == "550 x${u:abc}%a: No such file or directory"


@pytest.mark.ours
def test_a_result_that_ends_a_line_refuses_the_command(start):
    s = prepare(start, "RewriteMap u int:unescape\n" + X + "RewriteRule (.*) ${u:$1}\n")
    found = talk(s, "XRMD x%0d%0aDELE f.txt", "XRMD x%00", "XRMD d%2fnosuch", "NOOP")
    assert [reply for _, reply in found[2:]] == ["550 x%0d%0aDELE f.txt: Forbidden command argument", "550 x%00: Forbidden command argument",
                                                "550 d/nosuch: No such file or directory", "200 NOOP command successful"]


@pytest.mark.ours
def test_RewriteLog_tells_what_was_rewritten_but_no_password(start):
    s = prepare(start, "RewriteLog @DIR@/rewrite.log\nRewriteRule ^old(.*) new$1\nRewriteCondition %m PASS\nRewriteRule ^wrong$ alice-pw\n")
    with Ftp(s.port, user=None) as c:
        c.expect(331, "USER alice")
        c.expect(230, "PASS wrong")
        c.expect(550, "XRMD old1")
    lines = s.text("rewrite.log").splitlines()
    assert len(lines) == 2 and lines[0].endswith(": PASS (hidden)") and lines[1].endswith(": XRMD 'old1' -> 'new1'"), lines
    assert "alice-pw" not in s.text("rewrite.log") + s.text("system.log")


@pytest.mark.ours
def test_RewriteHome_moves_the_home(start):
    s = prepare(start, "RewriteHome on\nRewriteCondition %m REWRITE_HOME\nRewriteRule ^(.*)/alice$ $1/bob\n")
    s.put("of-bob", b"x", user="bob")
    with Ftp(s.port, user="alice") as c:
        assert c.cmd("SIZE of-bob").code in (213, 550)
        c.expect(213, "MDTM of-bob")
        assert c.cmd("MDTM f.txt").code == 550


@pytest.mark.ours
def test_RewriteHome_does_not_lead_upwards(start):
    s = prepare(start, "RewriteHome on\nRewriteCondition %m REWRITE_HOME\nRewriteRule ^(.*)/alice$ $1/bob/../bob\n")
    with Ftp(s.port) as c:
        c.expect(331, "USER alice")
        c.expect(530, "PASS alice-pw")
    assert "RewriteHome does not make a path" in s.text("system.log") + s.output()


@pytest.mark.ours
def test_maps_are_read_again_with_the_configuration(start):
    s = prepare(start, "RewriteMap m txt:@DIR@/map\n" + X + "RewriteRule (.*) ${m:$1|none}\n")
    with open(s.path("map"), "w") as f:
        f.write("new entry\n")
    assert talk(s, "XRMD new")[-1][1].startswith("550 none:")
    s.reload()
    from servers import wait_until
    wait_until(lambda: talk(s, "XRMD new")[-1][1].startswith("550 entry:"), "map read again")


MISTAKES = ["RewriteCondition %m", "RewriteRule ( x", "RewriteRule x", "RewriteMap m foo:bar", "RewriteMap m txt:relative", "RewriteMap m int:foo",
            "RewriteMap m fifo:/nosuch", "RewriteRule x y NC", "RewriteMaxReplace 0", "RewriteMaxReplace x", "RewriteLog x"]


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_named(start, line):
    s = start.prepare()
    s.configure(modules(s) + line)
    done = s.check()
    assert done.returncode == 1 and f"fatal: {line.split()[0]}: " in done.stderr and "server.conf'" in done.stderr, done.stderr


@pytest.mark.ours
def test_what_is_not_done_is_said(start):
    s = start.prepare()
    s.configure(ON + "RewriteLock /var/lock/x\nRewriteCondition %f <b\nRewriteRule (.*) x\n")
    done = s.check()
    assert done.returncode == 0 and "RewriteLock: accepted without effect (" in done.stdout
    assert "its manual says the opposite" in done.stderr and "RewriteRule: supported" in done.stdout
    s.configure(ON + "RewriteCondition $1 -f\nRewriteRule (.*) x\n")
    assert "before any file is looked at" in s.check().stderr


@pytest.mark.ours
@pytest.mark.parametrize("directive", ["RewriteLog", "WrapLog"])
def test_a_log_is_a_link_only_with_AllowLogSymlinks(start, directive):
    s = start.prepare()
    os.symlink(s.path("real.log"), s.path("link.log"))
    for extra, status in (("", 1), ("AllowLogSymlinks on\n", 0)):
        s.configure(f"{extra}{directive} @DIR@/link.log\n")
        done = s.check()
        assert done.returncode == status and (status == 0 or f"fatal: {directive}: " in done.stderr), done.stderr
