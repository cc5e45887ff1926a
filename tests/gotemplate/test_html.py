"""HTML mode: an interpolation is escaped for the place where it stands."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from hypercare.gotemplate import HTML, KV, Data, Template, TemplateError, TemplateSet, alertmanager_functions

EVIL = "<b>\"x\" & 'y'+z</b>"
LINK = "javascript:alert(1)"

# Written so that Alertmanager's amtool can render them too: data come through variables in the text.
ROWS = [
    ("<p>{{ $x }}</p>", "<p>&lt;b&gt;&#34;x&#34; &amp; &#39;y&#39;&#43;z&lt;/b&gt;</p>"),
    ("<p>{{ $x | safeHtml }}</p>", f"<p>{EVIL}</p>"),
    ('<a title="{{ $x }}">', '<a title="&lt;b&gt;&#34;x&#34; &amp; &#39;y&#39;&#43;z&lt;/b&gt;">'),
    ('<a title="{{ $x | safeHtml }}">', '<a title="&#34;x&#34; & &#39;y&#39;&#43;z">'),
    ("<a title={{ $x }}>", "<a title=&lt;b&gt;&#34;x&#34;&#32;&amp;&#32;&#39;y&#39;&#43;z&lt;/b&gt;>"),
    ('<a href="{{ $l }}">', '<a href="#ZgotmplZ">'),
    ('<a href="{{ $l | safeUrl }}">', '<a href="javascript:alert%281%29">'),
    ('<a href="{{ `http://h/a b?q=<&>` }}">', '<a href="http://h/a%20b?q=%3c&amp;%3e">'),
    ("<a href='/x/{{ `a b/c?d` }}'>", "<a href='/x/a%20b/c?d'>"),
    ('<a href="/x?q={{ `a b&c=d` }}">', '<a href="/x?q=a%20b%26c%3dd">'),
    ('<a href="/x?q={{ `a b` | urlquery }}">', '<a href="/x?q=a&#43;b">'),
    ('<p style="color: {{ `red` }}">', '<p style="color: red">'),
    ('<p style="color: {{ `red;x:expression(1)` }}">', '<p style="color: ZgotmplZ">'),
    ("<title>{{ `<x>` }}</title>{{ `<y>` }}", "<title>&lt;x&gt;</title>&lt;y&gt;"),
    ("a<!-- gone {{ $x }} -->b", "ab"),
    ("<script>var x = {{ `</script>` }};</script><i>{{ `<` }}</i>", None),
    ("{{ if true }}<b>{{ else }}<i>{{ end }}{{ `<` }}", "<b>&lt;"),
    ("<b {{ if true }}class='x'{{ end }} title='{{ `'` }}'>", "<b class='x' title='&#39;'>"),
    ("1 < 2 {{ `<` }}", "1 &lt; 2 &lt;"),
    ("{{ .Nope }}|{{ nil | print | len }}", None),
    ("{{ `<` | html }}", "&lt;"),
    (
        '{{ define "t" }}{{ . }}{{ end }}<a title=\'{{ template "t" "\'" }}\'>{{ template "t" "<" }}',
        "<a title='&#39;'>&lt;",
    ),
]


def source(row: str) -> str:
    return (
        f"{{{{ $x := `{EVIL}` }}}}{{{{ $l := `{LINK}` }}}}{{{{ if false }}}}{{{{ $x }}}}{{{{ $l }}}}{{{{ end }}}}{row}"
    )


def render(text: str) -> str:
    return Template.parse(text, mode=HTML).render(Data(), alertmanager_functions(0))


@pytest.mark.parametrize(("row", "output"), [r for r in ROWS if r[1] is not None])
def test_escaped(row: str, output: str) -> None:
    assert render(source(row)) == output


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
@pytest.mark.parametrize(("row", "output"), [r for r in ROWS if r[1] is not None and "safeUrl" not in r[0]])
def test_amtool_agrees(row: str, output: str, tmp_path) -> None:
    (tmp_path / "x.tmpl").write_text('{{ define "unused" }}{{ end }}')
    command = ["amtool", "template", "render", f"--template.glob={tmp_path}/*.tmpl", "--template.type=html"]
    done = subprocess.run([*command, f"--template.text={source(row)}"], capture_output=True, text=True, check=True)
    assert done.stdout == output


def test_script_never_breaks_out() -> None:
    shown = render("<script>var x = {{ `</script><b>` }}; var y = '{{ `'</script>` }}';</script>{{ `<` }}")
    assert shown.count("</script>") == 1
    assert "''" not in shown
    assert shown.endswith("</script>&lt;")


def test_branches_must_end_in_one_place() -> None:
    with pytest.raises(TemplateError, match="different contexts"):
        render('<a {{ if true }}title="{{ else }}>{{ end }}')


def test_recursive_template() -> None:
    text = '{{ define "t" }}{{ if . }}<i>{{ index . 0 }}</i>{{ template "t" (slice . 1) }}{{ end }}{{ end }}{{ template "t" (list "<" ">") }}'
    assert render(text) == "<i>&lt;</i><i>&gt;</i>"


def test_files_replace_defaults() -> None:
    files = [("mine.tmpl", '{{ define "slack.default.title" }}mine {{ .Receiver }}{{ end }}')]
    templates = TemplateSet.alertmanager(files)
    data = Data(receiver="r", status="firing", group_labels=KV(a="b"))
    assert templates.render('{{ template "slack.default.title" . }}', data, alertmanager_functions(0)) == "mine r"
    with pytest.raises(TemplateError) as caught:
        TemplateSet.alertmanager([("bad.tmpl", "\n{{ nope }}")])
    assert (caught.value.name, caught.value.line, caught.value.column) == ("bad.tmpl", 2, 4)
