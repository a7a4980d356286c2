"""LIST, NLST, MLSD, MLST and STAT: formats, options, dates, links, and directories of 100,000 entries."""
import calendar
import os
import re
import shutil
import subprocess
import time

import pytest

from ftpclient import Ftp
from servers import status

DAY = 86400
LINE = re.compile(r"([-dlsbcp][-rwxsStT]{9}) +(\d+) (\S+) +(\S+) +(\d+) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d:\d\d| \d{4}) (.*)")


@pytest.fixture
def c(shared):
    """An account with a known tree: three files, a dot file, a directory, links."""
    name = f"list{len(shared.users)}"
    shared.add_user(name)
    shared.put("b.txt", b"x" * 1234, name, mtime=1577934245)
    shared.put("a.c", b"1", name, 0o600, mtime=1577934246)
    shared.put("big", b"", name, 0o640, mtime=1577934247)
    os.truncate(shared.home(name, "big"), 123456789)
    os.utime(shared.home(name, "big"), (1577934247, 1577934247))
    shared.put(".hidden", b"", name)
    shared.put("dir/one", b"1", name)
    shared.put("dir/two.c", b"22", name)
    shared.mkdir("empty", name)
    os.symlink("b.txt", shared.home(name, "link"))
    os.symlink("nowhere", shared.home(name, "dangling"))
    with Ftp(shared.port, user=name) as client:
        client.name, client.home, client.server = name, shared.home(name), shared
        yield client


def names(lines):
    found = []
    for line in lines:
        match = LINE.fullmatch(line)
        assert match, f"not a listing line: {line!r}"
        found.append(match.group(9))
    return found


def test_list_line_format(c):
    lines = c.lines("LIST b.txt")
    assert re.fullmatch(r"-rw-r--r--   1 \S+ +\S+ +1234 Jan  2  2020 b\.txt", lines[0]), lines
    assert LINE.fullmatch(lines[0])


@pytest.mark.root
def test_list_columns(c):
    assert c.lines("LIST b.txt") == ["-rw-r--r--   1 %-8s %-8s     1234 Jan  2  2020 b.txt" % (c.name, "g" + c.name)]
    assert c.lines("LIST -n b.txt") == ["-rw-r--r--   1 %-8d %-8d     1234 Jan  2  2020 b.txt"
                                        % c.server.users[c.name][:2]]
    assert re.fullmatch(r"-rw-r----- .* 123456789 Jan  2  2020 big", c.lines("LIST big")[0])


def test_list_of_the_current_directory(c):
    lines = c.lines("LIST")
    assert names(lines) == ["a.c", "b.txt", "big", "dangling -> nowhere", "dir", "empty", "link -> b.txt"]
    kinds = {LINE.fullmatch(x).group(9).split(" ")[0]: x[0] for x in lines}
    assert kinds == {"a.c": "-", "b.txt": "-", "big": "-", "dangling": "l", "dir": "d", "empty": "d", "link": "l"}


LISTS = [
    ("LIST -a", [".", "..", ".hidden", "a.c", "b.txt", "big", "dangling -> nowhere", "dir", "empty", "link -> b.txt"]),
    ("LIST -al", [".", "..", ".hidden", "a.c", "b.txt", "big", "dangling -> nowhere", "dir", "empty", "link -> b.txt"]),
    ("LIST -A", [".hidden", "a.c", "b.txt", "big", "dangling -> nowhere", "dir", "empty", "link -> b.txt"]),
    pytest.param("LIST -r", ["link -> b.txt", "empty", "dir", "dangling -> nowhere", "big", "b.txt", "a.c"], marks=pytest.mark.ours),
    ("LIST *.c", ["a.c"]),
    ("LIST [ab]*", ["a.c", "b.txt", "big"]),
    ("LIST dir", ["one", "two.c"]),
    ("LIST dir/", ["one", "two.c"]),
    ("LIST /dir", ["one", "two.c"]),
    ("LIST -l dir", ["one", "two.c"]),
    ("LIST empty", []),
    ("LIST -tr *.*", ["b.txt", "a.c"]),
    ("LIST -S *.*", ["b.txt", "a.c"]),
]


@pytest.mark.parametrize("line, expected", LISTS, ids=lambda x: x if isinstance(x, str) else "")
def test_list_options(c, line, expected):
    assert names(c.lines(line)) == expected


def test_list_d_shows_the_directory_itself(c):
    lines = c.lines("LIST -d dir")
    assert len(lines) == 1 and lines[0].startswith("d") and lines[0].endswith(" dir")


def test_list_1_gives_bare_names(c):
    assert [x for x in c.lines("LIST -1")] == ["a.c", "b.txt", "big", "dangling", "dir", "empty", "link"] or \
        [x.strip() for x in c.lines("LIST -1")][:3] == ["a.c", "b.txt", "big"]


def test_list_recursive(c):
    lines = c.lines("LIST -R")
    text = "\n".join(lines)
    assert re.search(r"^(\./)?/?dir:$", text, re.M) and re.search(r" one$", text, re.M)
    assert text.index(" link") < text.index("dir:")


def test_list_marks_with_f(c):
    lines = c.lines("LIST -F")
    assert any(x.endswith(" dir/") for x in lines)


def test_list_L_shows_targets(c):
    lines = [x for x in c.lines("LIST -L") if x.endswith(" link")]
    assert len(lines) == 1 and lines[0].startswith("-") and " 1234 " in lines[0]


@pytest.mark.ours
def test_list_of_nothing_is_one_450(c):
    for argument in ("nosuch", "*.nosuch", "nosuch/x"):
        with c.data():
            assert c.cmd("LIST " + argument).text == f"450 {argument}: No such file or directory"
        assert c.silent(0.05)


def test_list_of_a_name_that_looks_like_an_option(c):
    c.server.put("-al", b"12345", c.name)
    assert names(c.lines("LIST -al")) in ([["-al"][0]], [".", "..", "-al", ".hidden", "a.c", "b.txt", "big",
                                                        "dangling -> nowhere", "dir", "empty", "link -> b.txt"])
    assert "-al" in names(c.lines("LIST"))


def test_dates(c):
    now = time.time()
    rows = {"recent": now - 100 * DAY, "edge": now - 180 * DAY + 3600, "old": now - 180 * DAY - 3600, "soon": now + 3600,
            "y2040": 2208988800, "y1969": -86400}
    for name, when in rows.items():
        c.server.put("dates/" + name, b"", c.name, mtime=int(when))
    shown = {}
    for line in c.lines("LIST dates"):
        match = LINE.fullmatch(line)
        shown[match.group(9)] = f"{match.group(6)} {match.group(7)} {match.group(8)}"
    for name in ("recent", "edge", "soon"):
        assert shown[name] == time.strftime("%b %e %H:%M", time.gmtime(int(rows[name]))), name
    assert shown["old"] == time.strftime("%b %e  %Y", time.gmtime(int(rows["old"])))
    assert shown["y1969"] == "Dec 31  1969"


@pytest.mark.ours
def test_far_future_shows_the_year(c):
    when = int(time.time()) + 2 * DAY
    c.server.put("future", b"", c.name, mtime=when)
    assert time.strftime("%b %e  %Y", time.gmtime(when)) in c.lines("LIST future")[0]


def test_times_in_local_time(start):
    s = start.prepare()
    s.put("f", b"", mtime=1577934245)
    s.configure("TimesGMT off\n")
    s.start(env={"TZ": "JST-9"})
    with Ftp(s.port, user="alice") as c:
        assert "Jan  2  2020" in c.lines("LIST f")[0]
        assert c.expect(213, "MDTM f").text == "213 20200102030405"
        assert "modify=20200102030405;" in c.expect(250, "MLST f").text


def test_show_symlinks_off(start):
    s = start(ShowSymlinks="off")
    s.put("f", b"12345")
    os.symlink("f", s.home("alice", "link"))
    os.symlink("nowhere", s.home("alice", "dangling"))
    with Ftp(s.port, user="alice") as c:
        lines = c.lines("LIST")
        assert names(lines) == ["f", "link"] and all(x.startswith("-") for x in lines)


# --- NLST

NLSTS = [
    ("NLST", ["a.c", "b.txt", "big", "dangling", "dir", "empty", "link"]),
    ("NLST .", ["a.c", "b.txt", "big", "dangling", "dir", "empty", "link"]),
    ("NLST dir", ["dir/one", "dir/two.c"]),
    ("NLST *.c", ["a.c"]),
    ("NLST d*/*.c", ["dir/two.c"]),
    ("NLST -1 dir", ["one", "two.c"]),
    ("NLST empty", []),
    ("NLST b.txt", ["b.txt"]),
]


@pytest.mark.parametrize("line, expected", NLSTS, ids=[x[0] for x in NLSTS])
def test_nlst(c, line, expected):
    found = sorted(c.lines(line))
    assert found == expected or (line in ("NLST", "NLST .") and found == [x for x in expected if x != "dangling"])


def test_nlst_hides_dot_files_unless_asked(c):
    assert ".hidden" not in c.lines("NLST")
    assert ".hidden" in c.lines("NLST -a")


def test_nlst_of_nothing_has_no_150(c):
    for argument in ("nosuch", "*.nosuch"):
        with c.data():
            assert c.cmd("NLST " + argument).code == 450
        assert c.silent(0.05)


# --- MLSD, MLST

FACT_LINE = re.compile(r"((?:[\w.\-]+=[^;]*;)*) (.*)")


def facts(line):
    match = FACT_LINE.fullmatch(line)
    assert match, f"not a fact line: {line!r}"
    return match.group(2), dict(f.split("=", 1) for f in match.group(1).split(";") if f)


def test_mlsd(c):
    rows = dict(facts(x) for x in c.lines("MLSD"))
    assert set(rows) == {".", "..", "a.c", "b.txt", "big", ".hidden", "dir", "empty", "link", "dangling"} or \
        set(rows) == {".", "..", "a.c", "b.txt", "big", ".hidden", "dir", "empty", "link"}
    assert rows["."]["type"] == "cdir" and rows[".."]["type"] == "pdir" and rows["dir"]["type"] == "dir"
    file = rows["b.txt"]
    assert (file["type"], file["size"], file["modify"], file["UNIX.mode"]) == ("file", "1234", "20200102030405", "0644")
    uid, gid = c.server.users[c.name][:2]
    assert (file["UNIX.owner"], file["UNIX.group"]) == (str(uid), str(gid))
    assert set("rw") <= set(file["perm"]) <= set("adfrw")
    assert set("el") <= set(rows["dir"]["perm"]) <= set("cdeflmp")
    assert "size" not in rows["dir"]


def test_mlsd_of_a_path_and_mlst_agree(c):
    rows = dict(facts(x) for x in c.lines("MLSD dir"))
    reply = c.expect(250, "MLST dir/one")
    name, row = facts(reply.lines[1][1:])
    assert name.endswith("dir/one") and row == rows["one"]


def test_mlst_gives_back_a_path_of_any_length(c):
    path = "./" * 3000 + "b.txt"
    name, row = facts(c.expect(250, "MLST " + path).lines[1][1:])
    assert name == path and row["size"] == "1234"


def test_unique_is_equal_for_hard_links(c):
    os.link(os.path.join(c.home, "a.c"), os.path.join(c.home, "hard"))
    rows = dict(facts(x) for x in c.lines("MLSD"))
    assert rows["hard"]["unique"] == rows["a.c"]["unique"] != rows["b.txt"]["unique"]


def test_mlsd_works_in_any_type(c):
    before = sorted(c.lines("MLSD"))
    c.binary()
    assert sorted(c.lines("MLSD")) == before


@pytest.mark.root
@pytest.mark.ours
def test_perm_is_never_wrong(c):
    """d and f need write permission on the parent; a file of somebody else in a read-only directory has neither."""
    c.server.mkdir("ro", c.name, 0o755)
    c.server.put("ro/f", b"", c.name, 0o444)
    os.chown(os.path.join(c.home, "ro"), 0, 0)
    os.chown(os.path.join(c.home, "ro", "f"), 0, 0)
    perm = facts(c.expect(250, "MLST ro/f").lines[1][1:])[1]["perm"]
    assert perm == "r"
    perm = facts(c.expect(250, "MLST ro").lines[1][1:])[1]["perm"]
    assert not set(perm) & set("cmp") and set("el") <= set(perm)


@pytest.mark.ours
def test_perm_of_own_files_is_their_mode(c):
    for name, mode in (("both", 0o644), ("read", 0o444), ("write", 0o200), ("none", 0o077)):
        c.server.put("own/" + name, b"", c.name, mode)
    perms = {name: set(row["perm"]) for name, row in map(facts, c.lines("MLSD own"))}
    assert {name: perms[name] & set("rw") for name in ("both", "read", "write", "none")} == \
        {"both": {"r", "w"}, "read": {"r"}, "write": {"w"}, "none": set()}


@pytest.mark.root
@pytest.mark.ours
def test_perm_of_what_cannot_be_written_although_its_mode_says_so(c):
    for name in ("plain", "immutable"):
        c.server.put("own/" + name, b"", c.name, 0o644)
    path = c.server.home(c.name, "own", "immutable")
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", path], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no immutable files here")
    try:
        perms = {name: set(row["perm"]) for name, row in map(facts, c.lines("MLSD own"))}
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert set("rw") <= perms["plain"]
    assert perms["immutable"] & set("arw") == {"r"}


# --- STAT

def test_stat_of_a_directory_and_a_file(c):
    reply = c.expect(212, "STAT dir")
    assert reply.lines[0] == "212-Status of dir:" and reply.last == "212 End of status"
    assert any(x.endswith(" one") for x in reply.lines) and all(x.startswith(" ") for x in reply.lines[1:-1])
    reply = c.expect(213, "STAT b.txt")
    assert len(reply.lines) == 3 and " 1234 " in reply.lines[1]
    assert ".hidden" in c.expect(212, "STAT .").text
    c.expect(450, "STAT nosuch")


# --- options of the server

def test_list_options_directive(start):
    s = start(ListOptions='"-a"')
    s.put(".dot")
    with Ftp(s.port, user="alice") as c:
        assert ".dot" in names(c.lines("LIST"))
        assert ".dot" in names(c.lines("LIST -l"))


def test_list_options_strict(start):
    s = start(ListOptions='"" strict')
    s.put(".dot")
    s.put("seen")
    with Ftp(s.port, user="alice") as c:
        assert names(c.lines("LIST -a")) == ["seen"]


def test_dir_fake(start):
    s = start("DirFakeUser on fakeuser\nDirFakeGroup on fakegrp\nDirFakeMode 0440\n")
    s.put("f", b"x", mode=0o600)
    s.mkdir("d")
    with Ftp(s.port, user="alice") as c:
        lines = c.lines("LIST")
        assert all(re.search(r" fakeuser +fakegrp ", x) for x in lines)
        assert lines[1].startswith("-r--r-----") and lines[0].startswith("dr-xr-x---")


@pytest.mark.ours
def test_windows_style(start):
    s = start("ListStyle Windows\n")
    s.put("f", b"12345", mtime=1577934245)
    s.mkdir("d")
    with Ftp(s.port, user="alice") as c:
        lines = c.lines("LIST")
        assert any(re.fullmatch(r"01-02-20  03:04AM +5 f", x) for x in lines), lines
        assert any(re.fullmatch(r"\d\d-\d\d-\d\d  \d\d:\d\d[AP]M +<DIR> +d", x) for x in lines), lines


# --- large directories

def session_memory_kib(server):
    """The largest peak of resident memory among the server's processes."""
    peaks = [status(p).get("VmHWM", "0 kB") for p in server.processes()]
    return max(int(x.split()[0]) for x in peaks)


@pytest.mark.ours
def test_hundred_thousand_entries_in_bounded_memory(start):
    s = start()
    home = s.mkdir("many")
    for n in range(100_000):
        os.close(os.open(f"{home}/file-with-a-name-{n:06d}", os.O_CREAT | os.O_WRONLY))
    with Ftp(s.port, user="alice") as c:
        c.lines("LIST")
        before = session_memory_kib(s)
        for command, extra in (("LIST -U many", 0), ("NLST many", 0), ("MLSD many", 2), ("LIST many", 0)):
            lines = c.lines(command)
            assert len(lines) == 100_000 + extra
            if command == "LIST many":
                shown = names(lines)
                assert shown == sorted(shown)
            elif not s.sanitized:
                grown = session_memory_kib(s) - before
                assert grown < 12_000, f"{command}: {grown} KiB more"
        if not s.sanitized:
            grown = session_memory_kib(s) - before
            assert grown < 64_000, f"sorted: {grown} KiB more"


def test_many_names_both_orders(start):
    s = start()
    home = s.mkdir("many")
    for n in range(5000):
        os.close(os.open(f"{home}/{n:05d}", os.O_CREAT | os.O_WRONLY))
    with Ftp(s.port, user="alice") as c:
        assert names(c.lines("LIST many")) == [f"{n:05d}" for n in range(5000)]
        assert len(c.lines("MLSD many")) == 5002
        assert len(c.expect(212, "STAT many").lines) >= 5000


def test_utc_calendar_of_mlsd(c):
    for when in (0, 951782400, 4102444799):
        c.server.put("when", b"", c.name, mtime=when)
        stamp = facts(c.expect(250, "MLST when").lines[1][1:])[1]["modify"]
        assert calendar.timegm(time.strptime(stamp, "%Y%m%d%H%M%S")) == when
