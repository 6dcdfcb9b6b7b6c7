"""The two cards of a chapter page: what was run, and where it comes from."""

import html
from collections.abc import Mapping


def parameters_card(values: Mapping, defaults: Mapping, types: Mapping) -> str:
    """HTML of a chapter's parameters, to stand where its parameters cell stood; folded as long as
    all of them are the chapter's own.

    Parameters
    ----------
    values, defaults : mapping of name to value
        As run, and as the chapter has them. Values that differ are marked.
    types : mapping of name to type or text
        Shown beside the value.

    Raises
    ------
    ValueError
        A parameter without default or type.
    """
    if lost := [n for n in values if n not in defaults or n not in types]:
        raise ValueError(f"parameters {lost} have no default or no type")
    rows = []
    for name, value in values.items():
        changed = value != defaults[name]
        kind = types[name]
        kind = kind.__name__ if isinstance(kind, type) else str(kind)
        note = f'<span class="bb-changed">default {_text(defaults[name])}</span>' if changed else ""
        rows.append(
            f'<div><dt><code>{_text(name)}</code></dt><dd><span class="bb-value">{_text(value)}'
            f'</span> <span class="bb-type">{_text(kind)}</span> {note}</dd></div>'
        )
    is_open = " open" if any(values[name] != defaults[name] for name in values) else ""
    return _block(
        f'<details class="bb-card bb-params"{is_open}>',
        '<summary class="bb-card-title">Parameters of this page</summary>',
        f'<dl class="bb-facts">{"".join(rows)}</dl>',
        "</details>",
    )


def provenance_card(run: Mapping, links: Mapping) -> str:
    """HTML of where a page comes from, folded: command, commit, machine, data, steps.

    Parameters
    ----------
    run : mapping
        The contents of ``run.json``: status, command, commit, dirty, seconds, peak_memory_mb,
        python, versions, device, threads, datasets, steps, helpers_hash, started (ISO 8601).
    links : mapping of text to address
        Shown below, e.g. the executed notebook and its scores.

    Raises
    ------
    KeyError
        A field of the run is missing.
    """
    commit = f"<code>{_text(run['commit'] or 'none')[:12]}</code>"
    if run["dirty"]:
        commit += ' <span class="bb-changed">with changes not committed</span>'
    facts = {
        "Status": _text(run["status"]),
        "Run": f'<time datetime="{_text(run["started"])}">{_date(run["started"])}</time>, '
        f"{_seconds(run['seconds'])}, {_memory(run['peak_memory_mb'])}",
        "Code": f"{commit}, helpers <code>{_text(run['helpers_hash'])[:12]}</code>",
        "Machine": f"Python {_text(run['python'])}, {_text(run['device'])}, "
        f"{_count(run['threads'], 'thread')}",
    }
    rows = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    parts = [
        '<details class="bb-card bb-provenance">',
        '<summary class="bb-card-title">Run this page again, and where it comes from</summary>',
        f'<pre class="bb-command" tabindex="0"><code>{_text(run["command"])}</code></pre>',
        f'<dl class="bb-facts">{rows}</dl>',
    ]
    if run["datasets"]:
        items = "".join(_dataset(d) for d in run["datasets"])
        parts.append(_folded(_count(len(run["datasets"]), "data set"), f"<ul>{items}</ul>"))
    if run["steps"]:
        stored = sum(bool(s["stored"]) for s in run["steps"])
        summary = f"{_count(len(run['steps']), 'step')}, {stored} of them found in the store"
        by_name: dict[str, list] = {}  # a name goes on with the arguments
        for step in run["steps"]:
            by_name.setdefault(step["name"].partition("(")[0], []).append(step)
        items = "".join(_step(name, asked) for name, asked in by_name.items())
        parts.append(_folded(summary, f"<ul>{items}</ul>"))
    if run["versions"]:
        items = ", ".join(f"{_text(k)} {_text(v)}" for k, v in sorted(run["versions"].items()))
        parts.append(_folded(_count(len(run["versions"]), "library version"), f"<p>{items}</p>"))
    if links:
        items = "".join(f'<li><a href="{_text(h)}">{_text(t)}</a></li>' for t, h in links.items())
        parts.append(f'<ul class="bb-links">{items}</ul>')
    return _block(*parts, "</details>")


def _block(*lines: str) -> str:
    # one HTML block of Markdown: it ends at the first empty line, so there is none inside
    return "\n".join(line.replace("\n", "&#10;") for line in lines) + "\n"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>{body}</details>"


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}" + ("" if n == 1 else "s")


def _dataset(data: Mapping) -> str:
    return (
        f"<li><strong>{_text(data['name'])}</strong>, {_text(data['licence'])}. "
        f"{_text(data['citation'])} <code>sha256 {_text(data['sha256'])[:12]}</code></li>"
    )


def _step(name: str, asked: list[Mapping]) -> str:
    """A step as often as asked; once, with arguments and key, which the record holds of all."""
    shown = f"<code>{_text(name)}</code>"
    stored = sum(bool(s["stored"]) for s in asked)
    computed = [s["seconds"] for s in asked if not s["stored"]]
    # None: it failed, or was never computed
    unfinished = sum(seconds is None for seconds in computed)
    said = [
        f"{stored} from the store" if stored else "",
        f"{len(computed) - unfinished} in {_seconds(sum(filter(None, computed)))}"
        if len(computed) > unfinished
        else "",
        f"{unfinished} not finished" if unfinished else "",
    ]
    if len(asked) == 1:
        said = [next(filter(None, said)).removeprefix("1 ").removeprefix("in ")]
        (step,) = asked
        shown = f"<code>{_text(step['name'])}</code> <code>{_text(step['key'])[:12]}</code>"
    return f"<li>{shown} {', '.join(filter(None, said))}</li>"


def _date(iso: str) -> str:
    return _text(iso[:16].replace("T", " "))


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _memory(megabytes: float | None) -> str:
    if megabytes is None:
        return "memory unknown"  # the kernel died before it could say
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1024 else f"{megabytes:.0f} MB"
