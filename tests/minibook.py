"""A small book in a folder of its own, with chapters that work and chapters that do not."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

STEPS = {
    "leaf.py": "def double(x):\n    return 2 * x\n",
    "model.py": """
        import os
        import signal
        import time
        from pathlib import Path

        from helpers.store.steps import step
        from lab import leaf


        @step
        def doubled(*, value: int, pause: float = 0.0):
            with open(os.environ["CALLS"], "a") as calls:
                calls.write(f"{value}\\n")
            time.sleep(pause)
            return leaf.double(value)


        @step
        def fatal_once(*, marker: str):
            if not Path(marker).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return 1
        """,
    "other.py": """
        from helpers.store.steps import step


        @step
        def three():
            return 3
        """,
}

# What the chapters below import: a parent of warm processes that imports what real ones do takes
# longer to start than the rest of a test.
LIGHT = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "matplotlib",
    "pandas",
    "pyarrow.parquet",
)

HEAD = """---
jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
{extra}
---

# {title}

```{{code-cell}}
:tags: [parameters]
dataset = "papalexi2021"
seed = 0
preset = "book"
value = 1
label = "x"
```
"""

SAVE = """
```{code-cell}
import pandas as pd
from helpers import scores

row = dict(task="lab", dataset="simulated", split="all", protocol="revised", model=label,
           params="{}", post="raw", metric="number", role="candidate", unit_kind="value",
           unit=str(value), cluster="0", seed=seed, n=1, value=float(number))
scores.save(pd.DataFrame([row]))
```
"""


def cell(code: str) -> str:
    return f"\n```{{code-cell}}\n{textwrap.dedent(code).strip()}\n```\n"


def chapter(title: str, *parts: str, extra: str = "") -> str:
    return HEAD.format(title=title, extra=extra) + "".join(parts)


USES_MODEL = cell("""
    from lab.model import doubled

    number = doubled(value=value).result()
    print("number", number)
""")
USES_OTHER = cell("from lab.other import three\n\nnumber = three().result()")
REAL = """
+++ {"tags": ["real-data"]}

## Real data

These cells need the data.

```{code-cell}
:tags: [real-data]
from helpers.data import registry

print(registry.load(dataset))
```
"""

CHAPTERS = {
    "one": chapter("One", USES_MODEL, SAVE),
    "other": chapter("Other", USES_OTHER, SAVE),
    "reader": chapter(
        "Reader",
        cell('from helpers import scores\n\nnumber = scores.load("lab/one")["value"].sum() + 1'),
        SAVE,
        extra="benchbook: {needs: [lab/one]}",
    ),
    "fails": chapter("Fails", cell("number = 1 / 0"), SAVE),
    "dies": chapter("Dies", cell("import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)")),
    "silent": chapter("Silent", cell("number = 1")),
    "needs-failed": chapter(
        "Needs a failed one", cell("number = 1"), SAVE, extra="benchbook: {needs: [lab/fails]}"
    ),
    "slow": chapter(
        "Slow",
        cell("""
            from lab.model import doubled

            number = sum(doubled(value=i, pause=0.5).result() for i in range(value))
        """),
        SAVE,
    ),
    "fatal": chapter(
        "Fatal",
        cell("from lab.model import fatal_once\n\nnumber = fatal_once(marker=label).result()"),
        SAVE,
    ),
    "real": chapter("Real", USES_OTHER, SAVE, REAL),
}


class MiniBook:
    """The book in `folder`; its results go to `folder/home`."""

    def __init__(self, folder: Path, *, warm: bool = True):
        self.folder = folder
        self.warm = warm  # whether kernels are forked; plainly, a single one is there sooner
        self.home = folder / "home"
        (folder / "lab").mkdir(parents=True)
        (folder / "lab" / "__init__.py").touch()
        for name, text in STEPS.items():
            (folder / "lab" / name).write_text(textwrap.dedent(text))
        for name, text in CHAPTERS.items():
            path = folder / "chapters" / "lab" / f"{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "intro.md").write_text("# A small book\n")
        (folder / "CITATION.cff").write_text(
            "title: Small\nauthors: [{name: Nobody}]\nrepository-code: https://github.com/OWNER/small\n"
        )
        self.contents(*CHAPTERS)

    def contents(self, *names: str) -> None:
        """Set the table of contents."""
        lines = "".join(f"- file: chapters/lab/{n}\n" for n in names)
        (self.folder / "_toc.yml").write_text(f"format: jb-book\nroot: intro\nchapters:\n{lines}")

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "BENCHBOOK_HOME": str(self.home),
            # the package beside these tests, not one that is installed
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(Path(__file__).parents[1])]),
            "CALLS": str(self.folder / "calls.txt"),
            "BENCHBOOK_COLD": "" if self.warm else "1",
        }

    def start(self, code: str, **environment: str) -> subprocess.Popen:
        """Run Python code in the book's folder; `run` and `book` are at hand."""
        prelude = f"""
            from helpers.book import warm
            from helpers.book.build import plan_grid, plan_book, unavailable
            from helpers.book.chapters import Book
            from helpers.book.cluster import run_all
            from rich.console import Console

            book = Book()
            warm._KERNEL = {LIGHT!r}

            def run(*names, workers=None, **values):
                grid = {{k: [v] for k, v in values.items()}}
                runs = [plan_grid(book, f"lab/{{n}}", grid)[0] for n in names]
                run_all(runs, workers=workers, console=Console(width=200))
                return runs
        """
        body = textwrap.dedent(prelude) + "\nif __name__ == '__main__':\n"
        script = self.folder / f"script-{os.urandom(4).hex()}.py"
        script.write_text(body + textwrap.indent(textwrap.dedent(code), "    "))
        return subprocess.Popen(
            [sys.executable, script],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a shell's background jobs, and so their children, ignore Ctrl-C
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def python(self, code: str, **environment: str) -> str:
        process = self.start(code, **environment)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def calls(self) -> list[str]:
        """Values that the step `doubled` was computed for."""
        file = self.folder / "calls.txt"
        return file.read_text().split() if file.is_file() else []
