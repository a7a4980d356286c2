"""The scoreboard as a file: where it may be, what is said without it, long and foreign names, and ftpshut."""
import json
import os
import re

import pytest

from ftpclient import Closed, Ftp
from l_progress import row, who
from servers import PATIENCE_S, wait_until

pytestmark = pytest.mark.ours


def test_without_a_scoreboard_the_server_works_and_the_tools_say_why(start):
    s = start(ScoreboardFile="none", MaxClients="1")
    assert re.search(r"scoreboard.*limits still hold", s.output(), re.I | re.S), s.output()
    with Ftp(s.port, user="alice") as c:
        c.binary().write("STOR f", b"12345")
        assert c.read("RETR f") == b"12345"
        with Ftp(s.port) as second:
            second.expect(331, "USER bob")
            second.expect(530, "PASS bob-pw")
    for tool in ("ftpwho", "ftpcount", "ftptop", "ftpscrub"):
        done = s.tool(tool, "-c", s.path("server.conf"))
        assert done.returncode == 1 and re.search("scoreboard.*(off|disabled|none)", done.stderr, re.I), (tool, done)
    assert not os.path.exists(s.path("run", "scoreboard"))


def test_a_link_in_place_of_the_scoreboard_is_refused(start):
    s = start.prepare()
    with open(s.path("precious"), "w", encoding="ascii") as f:
        f.write("mine")
    os.symlink(s.path("precious"), s.path("run", "scoreboard"))
    s.configure()
    s.start(wait=False)
    assert s.proc.wait(PATIENCE_S) != 0
    assert "symbolic link" in s.output(), s.output()
    assert s.text("precious") == "mine"
    s.proc = None
    for tool in ("ftpwho", "ftpcount", "ftpscrub"):
        assert s.tool(tool, "-f", s.path("run", "scoreboard")).returncode == 1


def test_a_folder_that_everybody_can_write_is_refused(start):
    s = start.prepare()
    os.chmod(s.path("run"), 0o777)
    s.configure()
    done = s.check()
    assert done.returncode != 0 and "can be written by everybody" in done.stdout + done.stderr, done
    s.start(wait=False)
    assert s.proc.wait(PATIENCE_S) != 0
    s.proc = None


@pytest.mark.parametrize("change, words", [
    (lambda head: b"PRFTPSCO" + head[8:], "corrupted or old"),
    (lambda head: head[:8] + b"\x63\0\0\0" + head[12:], "version is too new"),
    (lambda head: head[:8] + b"\0\0\0\0" + head[12:], "version is too old"),
], ids=["magic", "new", "old"])
def test_another_layout_has_its_message(start, change, words):
    s = start()
    wait_until(lambda: os.path.exists(s.path("run", "scoreboard")), "the scoreboard")
    with open(s.path("run", "scoreboard"), "rb") as f:
        head = f.read(1 << 20)
    with open(s.path("other"), "wb") as f:
        f.write(change(head))
    for tool in ("ftpwho", "ftpcount", "ftptop", "ftpscrub"):
        done = s.tool(tool, "-f", s.path("other"))
        assert done.returncode == 1 and words in done.stderr, (tool, done)


def test_long_and_foreign_names_are_cut_between_characters(start):
    s = start()
    folder = "/".join(["Ordner-mit-Umläuten-äöü-€-𝄞" * 4] * 9)
    s.mkdir(folder)
    name = "ファイル" * 20 + "\udcff.iso"  # a byte that is no UTF-8
    os.truncate(s.put(folder + "/" + name), 50_000_000)
    with Ftp(s.port, user="alice") as c:
        c.binary().expect(250, "CWD /" + folder)
        with c.start("RETR " + name) as data:
            assert data.recv(1000)
            r = row(s)
            assert r["command_args"] == name.replace("\udcff", "\ufffd"), r
            cut = r["location"]
            assert ("/" + folder).startswith(cut) and 1020 <= len(cut.encode()) < 1024, (len(cut.encode()), cut)
            assert "?.iso" in who(s)
            raw = s.tool("ftpwho", "-f", s.path("run", "scoreboard"), "-v").stdout
            raw.encode("utf-8")


def test_json_has_numbers_as_numbers_and_obeys_the_server_filter(start):
    s = start()
    with Ftp(s.port, user="alice"):
        wait_until(lambda: row(s), "the session")
        data = json.loads(who(s, "-o", "json", "-S", "Test"))
        assert [c["user"] for c in data["connections"]] == ["alice"]
        for place in [data["server"], *data["connections"]]:
            for key, value in place.items():
                if key.endswith(("_ms", "_port", "pid", "_bytes", "_bps", "session")):
                    assert isinstance(value, int), (key, value)
        assert not json.loads(who(s, "-o", "json", "-S", "Other"))["connections"]


# --- ftpshut

@pytest.fixture
def shut(start):
    s = start.prepare()
    s.configure(ServerName='"Test"')
    s.start(env={"WHERRY_SHUTMSG": s.path("shutmsg")})
    s.shut = lambda *words: s.tool("ftpshut", "-f", s.path("shutmsg"), *words)
    return s


def refused(s):
    """What a new client is told instead of the greeting; None when it is served."""
    with Ftp(s.port, greet=False) as c:
        reply = c.reply()
        return None if reply.code == 220 else reply.text


def test_ftpshut_now_ends_sessions_and_refuses_clients_until_it_is_taken_back(shut):
    with Ftp(shut.port, user="alice") as c:
        assert shut.shut("now", "moving", "to %V: 100%%").returncode == 0
        text = wait_until(lambda: refused(shut), "new clients are refused")
        assert text == "500 FTP server shut down (moving to Test: 100%) -- please try again later"
        goodbye = c.reply()
        assert goodbye.text == "421 FTP server shutting down - moving to Test: 100%"
        assert c.at_eof()
    assert shut.shut("-R").returncode == 0
    wait_until(lambda: refused(shut) is None, "clients are served again")
    assert shut.shut("-R").returncode == 1


def test_ftpshut_later_refuses_before_it_disconnects(shut):
    """In five minutes; no logins ten minutes before; sessions live until one minute before."""
    with Ftp(shut.port, user="alice") as c:
        assert shut.shut("-l", "10", "-d", "1", "+5").returncode == 0
        text = wait_until(lambda: refused(shut), "new clients are refused")
        assert re.fullmatch(r"500 FTP server shut down \(going down at \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\) -- "
                            r"please try again later", text), text
        c.expect(200, "NOOP")
    assert shut.shut("-l", "1", "-d", "1", "+5").returncode == 0
    wait_until(lambda: refused(shut) is None, "it is too early to refuse")


def test_ftpshut_takes_a_time_of_day(shut):
    """HHMM that is past is tomorrow's: nobody is refused today."""
    assert shut.shut("-l", "0", "-d", "0", "0000").returncode == 0
    with open(shut.path("shutmsg"), encoding="ascii") as f:
        year, month, _day, hour, minute, second, deny, disconnect = f.readline().split()
    assert (hour, minute, second, deny, disconnect) == ("0", "0", "0", "0000", "0000") and int(year) > 2000
    assert 0 <= int(month) <= 11
    assert refused(shut) is None


def test_a_broken_shutdown_file_is_ignored(shut):
    with open(shut.path("shutmsg"), "w", encoding="ascii") as f:
        f.write("soon\n")
    wait_until(lambda: refused(shut) is None and "cannot be read, ignoring it" in shut.output(), "the warning")


def test_sessions_that_were_ended_read_no_further_command(shut):
    with Ftp(shut.port, user="alice") as c:
        assert shut.shut("now").returncode == 0
        wait_until(lambda: refused(shut), "new clients are refused")
        with pytest.raises((Closed, ConnectionError)):
            while c.cmd("NOOP").code in (200, 421):
                pass
