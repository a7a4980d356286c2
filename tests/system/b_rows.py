"""Rows of the command table that no other file looks at: what is refused, and AVBL, CSID, LANG, OPTS, MFCT."""
import os
import re

import pytest

from ftpclient import Ftp
from servers import AM_ROOT

pytestmark = pytest.mark.ours

REFUSED = ["COMB a b", "THMB jpg 1 1 a", "DSIZ sub", "MDHM x", "LPRT 6", "LPSV", "XSEM a", "XSND a", "MSND a", "MLFL a", "MRSQ a", "ESTA",
           "ESTP", "TVFS"]
SITE_REFUSED = ["EXEC ls", "INDEX x", "GROUP wheel", "GPASS x", "WHO", "QUOTA", "CPTX x", "SHELL x", "PSWD a b"]
ROWS = [
    ("CSID name=x;version=1;", 200, r"200 name=Wherry;version=[0-9.]+;casesensitive=1;"),
    ("CSID =;;x", 200, r"200 name=Wherry;version=[0-9.]+;casesensitive=1;"),
    ("CSID", 501, None),
    ("LANG", 200, "200 Using default language en-US"),
    ("LANG en-us", 200, "200 Using language en-us"),
    ("LANG xx", 504, "504 Language xx not supported"),
    ("LANG en de", 501, None),
    ("OPTS", 501, None),
    ("OPTS a b c d e f g h i", 550, None),
    ("OPTS UTF-8 ON", 200, "200 UTF8 set to on"),
    ("OPTS UTF8 NLST", 200, "200 UTF8 set to on"),
    ("OPTS REST RETR", 200, "200 REST RETR allowed"),
    ("OPTS REST STOR", 451, "451 REST STOR not allowed"),
    ("MFCT 20200101000000 sub", (504, 550), None),
    ("MFCT 20200101000000 nosuch", 550, "550 nosuch: No such file or directory"),
    ("MFCT 2020 sub", 501, "501 2020: Invalid argument"),
    ("MFCT sub", 501, None),
    ("AVBL nosuch", 550, "550 nosuch: No such file or directory"),
    ("AVBL file", 550, "550 file: Not a directory"),
    ("HELP AVBL", 214, r"214 Syntax: AVBL \[<sp> pathname\]"),
    ("HELP COMB", 502, "502 Unknown command 'COMB'"),
    ("SITE HELP CPFR", 214, "214 Syntax: SITE CPFR <sp> pathname"),
]


@pytest.fixture
def alice(shared):
    shared.mkdir("sub")
    shared.put("file")
    with Ftp(shared.port, user="alice") as c:
        yield c


@pytest.mark.parametrize("line", REFUSED + ["SITE " + line for line in SITE_REFUSED])
def test_what_is_not_there_is_refused(alice, line):
    reply = alice.expect(500, line)
    name = " ".join(line.split()[:2]) if line.startswith("SITE ") else line.split()[0]
    assert reply.text in (f"500 {name} not understood", f"500 '{name}' not understood")
    assert name.split()[-1] not in alice.expect(214, "SITE HELP" if line.startswith("SITE ") else "HELP").text.split()
    alice.expect(200, "NOOP")


@pytest.mark.parametrize("line, code, text", ROWS)
def test_row(alice, line, code, text):
    reply = alice.expect(code, line)
    assert text is None or re.fullmatch(text, reply.text), reply


def test_avbl_tells_the_room_for_the_user(alice, shared):
    for line in ("AVBL", "AVBL sub"):
        before = os.statvfs(shared.home())
        told = int(re.fullmatch(r"213 (\d+)", alice.expect(213, line).text).group(1))
        slack = 1 << 30  # others write as well
        assert abs(told - before.f_bavail * before.f_frsize) < slack
    assert " AVBL" in alice.expect(211, "FEAT").lines
    with Ftp(shared.port) as c:
        c.expect(530, "AVBL")


@pytest.mark.skipif(not AM_ROOT, reason="needs another user's directory")
def test_avbl_asks_the_rules(start):
    s = start("<Directory @DIR@/home/alice/sub>\n<Limit DIRS>\nDenyAll\n</Limit>\n</Directory>\n")
    s.mkdir("sub")
    with Ftp(s.port, user="alice") as c:
        c.expect(213, "AVBL")
        assert c.expect(550, "AVBL sub").text == "550 sub: Operation not permitted"


def test_mfct_is_not_promised(alice):
    assert "MFCT" not in alice.expect(211, "FEAT").text


@pytest.mark.parametrize("line", ["SITE MKDIR d/e", "SITE RMDIR d", "SITE SYMLINK f l", "SITE UTIME 202302030405 f"])
def test_without_SiteMiscEngine_its_commands_do_not_exist(start, line):
    s = start("SiteMiscEngine off\n")
    s.put("f", b"1")
    with Ftp(s.port, user="alice") as c:
        assert c.expect(500, line).text == f"500 '{' '.join(line.split()[:2])}' not understood"
        assert " ".join(line.split()[:2]) not in c.expect(211, "FEAT").text
        c.expect(200, "SITE CHMOD 600 f")
    assert sorted(os.listdir(s.home())) == ["f"]
