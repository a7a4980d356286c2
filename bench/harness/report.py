"""The table as text, and the page with bars."""
import html
import statistics


def rows(results):
    """(work, figure, unit, lower is better, {server: [samples]}) of every figure that was measured."""
    for work in results["works"]:
        for figure in work["figures"]:
            yield work["title"], figure["name"], figure["unit"], figure["lower"], figure["servers"]


def summary(samples):
    return statistics.median(samples), min(samples), max(samples)


def ratio(servers, lower):
    """(best peer, median, min, max): ours / that peer's, round by round."""
    peers = {name: samples for name, samples in servers.items() if name != "wherry" and samples}
    if not peers or not servers.get("wherry"):
        return None
    best = (min if lower else max)(peers, key=lambda name: statistics.median(peers[name]))
    pairs = [a / b for a, b in zip(servers["wherry"], peers[best]) if b > 0]
    return (best, *summary(pairs)) if pairs else None


def short(v):
    return f"{v:.0f}" if abs(v) >= 100 else f"{v:.1f}" if abs(v) >= 10 else f"{v:.2f}" if abs(v) >= 0.1 or v == 0 else f"{v:.3f}"


def cell(samples):
    if not samples:
        return "-"
    median, low, high = summary(samples)
    return short(median) if low == high else f"{short(median)} [{short(low)}..{short(high)}]"


def table(results):
    """Markdown, columns aligned."""
    names = results["servers"]
    lines = [["work", "unit", *names, "ours / best peer"], ["---"] * (len(names) + 3)]
    for title, figure, unit, lower, servers in rows(results):
        r = ratio(servers, lower)
        last = f"{short(r[1])} [{short(r[2])}..{short(r[3])}] ({r[0]})" if r else "-"
        label = title if figure in ("cpu", "speed") else f"{title}: {figure}"
        lines.append([label, unit, *(cell(servers.get(n)) for n in names), last])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("| " + " | ".join("-" * w if c == "---" else c.ljust(w) for c, w in zip(line, widths)) + " |" for line in lines)


def limits_table(results):
    return "\n".join(["| this machine's own limit | unit | |", "| --- | --- | --- |"]
                     + [f"| {row['title']} | {row['unit']} | {cell(row['samples'])} |" for row in results["limits"]])


def notes(results):
    return "\n".join(f"- {n}" for n in results["notes"])


STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2024; background: #fff }
h2 { font-size: 1rem; margin: 1.6rem 0 .2rem } h2 small { font-weight: normal; color: #5a626b }
svg { width: 100%; height: auto; display: block } text { font: 12px system-ui, sans-serif; fill: currentColor }
table { border-collapse: collapse } td, th { padding: .2rem .8rem .2rem 0; text-align: left } pre { overflow-x: auto; font-size: 12px }
.ours { fill: #0b6e4f } .peer { fill: #a9b4bf } .range { stroke: #1c2024; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { body { color: #e6e9ec; background: #15181b } .peer { fill: #56606a } .ours { fill: #35b285 }
 .range { stroke: #e6e9ec } h2 small { color: #9aa4ae } }
"""


def bars(servers, names):
    shown = [n for n in names if servers.get(n)]
    top = max(max(servers[n]) for n in shown) or 1
    out = [f'<svg viewBox="0 0 900 {24 * len(shown) + 4}" role="img">']
    for i, name in enumerate(shown):
        median, low, high = summary(servers[name])
        y, scale = 24 * i + 4, 560 / top
        out.append(f'<text x="0" y="{y + 13}">{html.escape(name)}</text>'
                   f'<rect class="{"ours" if name == "wherry" else "peer"}" x="100" y="{y}" width="{max(1, median * scale):.1f}" height="17"/>'
                   f'<line class="range" x1="{100 + low * scale:.1f}" x2="{100 + high * scale:.1f}" y1="{y + 8.5}" y2="{y + 8.5}"/>'
                   f'<text x="{108 + high * scale:.1f}" y="{y + 13}">{html.escape(cell(servers[name]))}</text>')
    return "".join(out) + "</svg>"


def page(results):
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
             f"<title>Wherry bench</title><style>{STYLE}</style><h1>Servers side by side</h1><p>{html.escape(results['machine'])}</p>",
             "<p>Bars are medians, lines reach from the least to the greatest round.</p>"]
    for title, figure, unit, lower, servers in rows(results):
        if not any(servers.values()):
            continue
        label = title if figure in ("cpu", "speed") else f"{title}: {figure}"
        r = ratio(servers, lower)
        said = f"; ours / {r[0]}: {short(r[1])}" if r else ""
        parts.append(f"<h2>{html.escape(label)} <small>{html.escape(unit)}, {'less' if lower else 'more'} is better{html.escape(said)}</small></h2>"
                     + bars(servers, results["servers"]))
    parts.append("<h1>This machine's own limits</h1><table>" + "".join(
        f"<tr><td>{html.escape(row['title'])}<td>{html.escape(row['unit'])}<td>{cell(row['samples'])}" for row in results["limits"]) + "</table>")
    parts.append("<h1>Left out</h1><ul>" + "".join(f"<li>{html.escape(n)}" for n in results["notes"] or ["nothing"]) + "</ul>")
    return "\n".join(parts) + "\n"
