"""What a page says about itself, and where a page that is not there is styled from."""

from html import escape

from docutils import nodes

NOT_FOUND = """
<h1>This page is not in the book</h1>
<p>It may have moved. The search at the left finds every page, and
<a href="{home}">the front page</a> leads to all of them.</p>
"""


def describe(app, pagename, templatename, context, doctree):
    """Description and title for search engines and previews, from the page's first paragraph."""
    if doctree is None:
        return
    text = next((p.astext() for p in doctree.findall(nodes.paragraph) if p.astext().strip()), "")
    text = " ".join(text.split())
    if len(text) > 200:
        text = text[:200].rsplit(" ", 1)[0] + "\N{HORIZONTAL ELLIPSIS}"
    tags = {
        'property="og:title"': context.get("title") or app.config.html_title,
        'property="og:site_name"': app.config.html_title,
        'property="og:type"': "article",
    }
    if text:
        tags |= {'name="description"': text, 'property="og:description"': text}
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n<meta {key} content="{escape(value, quote=True)}" />' for key, value in tags.items()
    )


def place(app, config):
    """A page for any address has absolute links: below the folder that a project page lives in."""
    repository = config.html_theme_options.get("repository_url", "").rstrip("/")
    name = repository.rpartition("/")[2]
    prefix = f"/{name}/" if "github.com" in repository and not name.endswith(".github.io") else "/"
    config.notfound_urls_prefix = prefix
    body = NOT_FOUND.format(home=f"{prefix}{config.root_doc}.html")
    config.notfound_context = {"title": "Page not found", "body": body}


def setup(app):
    app.connect("config-inited", place, priority=400)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
