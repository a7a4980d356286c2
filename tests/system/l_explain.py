"""`wherryctl explain`: the same answer as a session gives, and the line that decided."""
import os

import pytest

from ftpclient import Ftp
from servers import AM_ROOT

pytestmark = pytest.mark.ours

RULES = """
<Class lan>
  From 127.0.0.0/8
</Class>
TransferRate RETR 100 class lan
PathDenyFilter \\.exe$
AllowOverride on
<Directory ~/closed>
  <Limit WRITE>
    DenyUser alice
  </Limit>
  Umask 027
  GroupOwner 4321
</Directory>
<Directory ~/secret>
  HideFiles ^x
  <Limit READ>
    IgnoreHidden on
  </Limit>
</Directory>
<Limit LOGIN>
  DenyUser bob
</Limit>
"""


def prepare(start, extra=RULES):
    s = start(extra)
    for name in ("closed", "secret", "open"):
        s.mkdir(name)
    s.put("closed/f", b"1")
    s.put("secret/xyz", b"1")
    s.put("open/f", b"1")
    s.put("open/.ftpaccess", b"AllowOverwrite off\n<Limit DELE>\nDenyAll\n</Limit>\n")
    s.line = {name: n for n, line in enumerate(s.text("server.conf").split("\n"), 1) for name in [line.strip()]}
    return s


def answer(s, *words, options=None):
    done = s.tool("wherryctl", *(options or ["-s", s.path("run", "ctl.sock")]), "explain", *words)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    values = {}
    for line in lines:
        key, _, value = line.partition(" ")
        values.setdefault(key, value.strip())
    return first.partition(": ")[2], values


@pytest.mark.parametrize("offline", [False, True])
def test_the_answer_is_that_of_a_session_and_names_the_line(start, offline):
    s = prepare(start)
    conf = s.path("server.conf")
    options = ["-c", conf] if offline else None
    cases = [
        # command, path, what a session answers, the rule
        ("RETR", "closed/f", 226, None),
        ("DELE", "closed/f", 550, f"{conf}:{s.line['DenyUser alice']}"),
        ("DELE", "open/f", 550, s.home("alice", "open/.ftpaccess") + ":3"),
        ("MKD", "new.exe", 550, f"{conf}:{s.line['PathDenyFilter' + ' ' + chr(92) + '.exe$']}"),
        ("MKD", "new", 257, None),
        ("RETR", "secret/xyz", 550, None),
        ("STOR", "open/f", 550, None),
    ]
    for command, path, code, rule in cases:
        text, values = answer(s, "alice@127.0.0.1", path, command, options=options)
        assert text.startswith("allowed" if code < 400 else "denied"), (command, path, text, values)
        assert values.get("rule") == rule, (command, path, values)
        with Ftp(s.port, user="alice") as c:
            if command == "RETR":
                got = c.read(f"RETR {path}") is not None if code == 226 else c.cmd(f"RETR {path}").code == code
                assert got
            elif command == "STOR":
                c.cmd("PASV")
                assert c.cmd(f"STOR {path}").code == code
            else:
                assert c.cmd(f"{command} {path}").code == code
                if command == "MKD" and code == 257:
                    c.cmd(f"RMD {path}")


def test_effective_values_and_scopes_are_shown(start):
    s = prepare(start)
    text, values = answer(s, "alice@127.0.0.1", "/open/f", "RETR")
    assert text.startswith("allowed")
    assert values["class"] == "lan"
    assert values["TransferRate"].startswith("102400 bytes a second (")
    assert values["UseSendfile"] == "on"
    assert values["ftpaccess"] == s.home("alice", "open/.ftpaccess")
    text, values = answer(s, "alice@127.0.0.1", "closed/new", "STOR")
    assert values["directory"].startswith("<Directory ~/closed>")
    assert values["Umask"] == "027 for files, 027 for directories"
    assert values["path"].endswith("closed/new (does not exist)")
    assert values["GroupOwner"] == "4321" and "UserOwner" not in values
    text, values = answer(s, "alice@10.1.2.3", "/open/f", "RETR")
    assert values["class"] == "none" and values["TransferRate"] == "none"


def test_a_login_that_is_refused_is_explained(start):
    s = prepare(start)
    s.add_user("bob")
    s.write_accounts()
    text, values = answer(s, "bob@127.0.0.1", "/", "LOGIN")
    assert text.startswith("denied: DenyUser matches")
    assert str(s.line["DenyUser bob"]) in text
    text, values = answer(s, "nobody-here@127.0.0.1", "/", "CWD")
    assert text == "denied: no such user" and values["login"] == "refused"


def test_running_bans_are_told(start):
    def ctl(*words):
        assert s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), *words).returncode == 0
    s = prepare(start)
    ctl("ban", "user", "alice", "00:10:00")
    text, values = answer(s, "alice@127.0.0.1", "open/f", "RETR")
    assert text.startswith("denied: user 'alice' is banned (") and text.endswith(" s, by wherryctl)")
    assert values["login"] == "refused"
    ctl("permit", "all")
    assert answer(s, "alice@127.0.0.1", "open/f", "RETR")[0].startswith("allowed")
    ctl("ban", "host", "127.0.0.9")
    assert answer(s, "alice@127.0.0.1", "open/f", "RETR")[0].startswith("allowed")
    assert answer(s, "alice@127.0.0.9", "open/f", "RETR")[0] == "denied: host '127.0.0.9' is banned (for good, by wherryctl)"
    ctl("ban", "class", "lan")
    assert answer(s, "alice@127.0.0.1", "/", "LOGIN")[0] == "denied: class 'lan' is banned (for good, by wherryctl)"
    assert answer(s, "alice@127.0.0.1", "open/f", "RETR", options=["-c", s.path("server.conf")])[0].startswith("allowed")


@pytest.mark.root
@pytest.mark.skipif(not AM_ROOT, reason="needs root")
def test_what_owner_group_and_rights_hide_is_told(start):
    ignore = "<Limit RETR>\nIgnoreHidden on\n</Limit>\n"
    s = prepare(start, f"<Directory ~/user>\nHideUser bob\n{ignore}</Directory>\n"
                       f"<Directory ~/group>\nHideGroup !~\n</Directory>\n<Directory ~/rights>\nHideNoAccess on\n</Directory>\n")
    s.add_user("bob")
    s.write_accounts()
    for name in ("user", "group", "rights"):
        s.put(f"{name}/mine", b"1")
        s.put(f"{name}/theirs", b"1", mode=0o600 if name == "rights" else 0o644)
        os.chown(s.home("alice", name, "theirs"), 20002, 20002)
    for name, rule in (("user", "HideUser"), ("group", "HideGroup"), ("rights", "HideNoAccess")):
        text, values = answer(s, "alice@127.0.0.1", f"{name}/theirs", "LIST")
        assert values["hidden"] == f"{rule} hides it in listings", (text, values)
        assert "hidden" not in answer(s, "alice@127.0.0.1", f"{name}/mine", "LIST")[1]
    assert answer(s, "alice@127.0.0.1", "user/theirs", "RETR")[0] == "denied: HideUser hides it, and IgnoreHidden is on"
    assert answer(s, "alice@127.0.0.1", "user/mine", "RETR")[0].startswith("allowed")
    with Ftp(s.port, user="alice") as c:  # as the session has it
        c.expect(550, "RETR user/theirs")
        assert c.cmd("MDTM user/theirs").code == 213
        for name in ("user", "group", "rights"):
            assert c.lines(f"NLST {name}") == [f"{name}/mine"]


def test_questions_that_make_no_sense_are_refused(start):
    s = prepare(start)
    for words, reason in ((("alice", "/", "CWD"), "usage: explain"), (("alice@127.0.0.1", "/", "FLY"), "is no command"),
                          (("alice@no.such.host.invalid", "/", "CWD"), "is no address"),
                          (("alice@127.0.0.1", "/", "CWD", "elsewhere"), "no server is called")):
        done = s.tool("wherryctl", "-s", s.path("run", "ctl.sock"), "explain", *words)
        assert done.returncode == 1 and reason in done.stderr, done.stderr


@pytest.mark.root
@pytest.mark.skipif(not AM_ROOT, reason="needs root")
def test_what_the_file_system_forbids_is_told_and_files_are_read_with_the_users_rights(start):
    s = prepare(start)
    s.mkdir("root-only")
    path = s.home("alice", "root-only")
    os.chown(path, 0, 0)
    with open(os.path.join(path, "f"), "w") as f:
        f.write("x")
    with open(os.path.join(path, ".ftpaccess"), "w") as f:
        f.write("<Limit ALL>\nDenyAll\n</Limit>\n")
    os.chmod(os.path.join(path, "f"), 0o600)
    os.chmod(os.path.join(path, ".ftpaccess"), 0o600)
    text, values = answer(s, "alice@127.0.0.1", "root-only/f", "RETR")
    assert values["file_system"] == "Permission denied"
    assert "ftpaccess" not in values
    assert len(s.processes()) >= 2  # the daemon goes on


def test_conditional_sections_count(start):
    s = prepare(start, "<IfUser alice>\nUmask 007\n<Limit MKD>\nDenyAll\n</Limit>\n</IfUser>\n")
    s.add_user("bob")
    s.write_accounts()
    text, values = answer(s, "alice@127.0.0.1", "/new", "MKD")
    assert text.startswith("denied: DenyAll") and values["Umask"] == "007 for files, 007 for directories"
    text, values = answer(s, "bob@127.0.0.1", "/new", "MKD")
    assert text.startswith("allowed") and values["Umask"] == "022 for files, 022 for directories"
