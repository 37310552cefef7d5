"""`run --memory` of programs that lean on large libraries: they print the same as without, and every block is accounted for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from counting import installed
from pythons import Python, find_python
from test_memory import SECONDS, fits, track  # noqa: F401 - `fits` has the test work in a folder of its own

pytestmark = pytest.mark.beside

NUMPY = """\
import numpy

numbers = numpy.random.default_rng(7)
table = numbers.normal(size=(400, 300))
values, vectors = numpy.linalg.eigh(table.T @ table)
parts = [numpy.sort(part)[::50].copy() for part in numpy.array_split(table.ravel(), 40)]
spectrum = numpy.fft.rfft(numpy.concatenate(parts))
names = numpy.array([f"row {n}" for n in range(5000)], dtype=object)
print(values[-3:], abs(spectrum)[:5], names[numpy.argsort(names)][:3], numpy.unique(names).size, vectors.shape)
"""

PANDAS = """\
import io

import pandas

rows = "\\n".join(f"{n % 97},{n * 7919 % 1000},town {n % 13},2026-01-{n % 28 + 1:02}" for n in range(30000))
table = pandas.read_csv(io.StringIO("key,value,town,day\\n" + rows), parse_dates=["day"])
table["town"] = table["town"].astype("category")
sums = table.groupby(["town", "key"], observed=True)["value"].agg(["sum", "mean", "count"]).reset_index()
wide = sums.pivot(index="key", columns="town", values="sum").fillna(0)
joined = table.merge(sums, on=["town", "key"]).sort_values(["day", "value", "key"]).head(5)
print(wide.iloc[:3].to_string(), joined.to_string(), table.resample("7D", on="day")["value"].sum().to_string())
"""

POLARS = """\
import polars

table = polars.DataFrame({"key": [n % 97 for n in range(50000)], "value": [n * 7919 % 1000 for n in range(50000)],
                          "town": [f"town {n % 13}" for n in range(50000)]})
sums = table.lazy().filter(polars.col("value") > 10).group_by("town").agg(polars.col("value").sum(), polars.col("key").n_unique())
print(sums.sort("town").collect().rows())
print(table.sort("value", "key", "town").join(table.head(50), on="key", how="semi").head(5).rows())
"""

LXML = """\
from lxml import etree

root = etree.Element("shop")
for n in range(5000):
    order = etree.SubElement(root, "order", id=str(n))
    etree.SubElement(order, "town").text = f"town {n % 13}"
    etree.SubElement(order, "total").text = str(n * 7919 % 1000)
text = etree.tostring(root, pretty_print=True)
again = etree.fromstring(text)
for order in again.xpath("//order[number(total) > 500]"):
    order.getparent().remove(order)
style = etree.XSLT(etree.XML('''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:output method="text"/>
<xsl:template match="/"><xsl:for-each select="//order[position() mod 500 = 1]"><xsl:value-of select="@id"/>,</xsl:for-each></xsl:template></xsl:stylesheet>'''))
print(len(text), len(again), str(style(again)), again.xpath("sum(//total)"))
try:
    etree.fromstring(text[:-10])
except etree.XMLSyntaxError as error:
    print(error)
"""

SPHINX = """\
import hashlib
import pathlib

from sphinx.cmd.build import main

source = pathlib.Path("source")
source.mkdir(exist_ok=True)
(source / "conf.py").write_text("project = 'Shop'\\nextensions = ['sphinx.ext.autodoc']\\nhtml_last_updated_fmt = None\\n")
pages = [f"page{n}" for n in range(6)]
(source / "index.rst").write_text("Shop\\n====\\n\\n.. toctree::\\n\\n" + "".join(f"   {page}\\n" for page in pages))
for page in pages:
    (source / f"{page}.rst").write_text(f"{page}\\n=====\\n\\n.. automodule:: json\\n   :members:\\n   :no-index:\\n\\n::\\n\\n    import {page}\\n\\n" + "Words. " * 200)
assert main(["-q", "-E", "-a", "-b", "html", "source", "built"]) == 0
for file in sorted(pathlib.Path("built").glob("*.html")):
    print(file.name, hashlib.sha256(file.read_bytes()).hexdigest())
"""

SPHINX_PINS = (
    *("sphinx==8.1.3", "sphinxcontrib-applehelp==2.0.0", "sphinxcontrib-devhelp==2.0.0", "sphinxcontrib-htmlhelp==2.1.0"),
    *("sphinxcontrib-jsmath==1.0.1", "sphinxcontrib-qthelp==2.0.0", "sphinxcontrib-serializinghtml==2.0.0", "Jinja2==3.1.6"),
    *("MarkupSafe==3.0.3", "Pygments==2.19.2", "docutils==0.21.2", "snowballstemmer==3.0.1", "babel==2.17.0", "alabaster==1.0.0"),
    *("imagesize==1.4.1", "requests==2.32.5", "urllib3==2.5.0", "idna==3.10", "certifi==2025.8.3", "charset-normalizer==3.4.3", "packaging==25.0"),
)

PROGRAMS = {
    "numpy": (NUMPY, ("numpy==2.3.3",)),
    "pandas": (PANDAS, ("pandas==2.3.3", "numpy==2.3.3", "python-dateutil==2.9.0.post0", "pytz==2025.2", "tzdata==2025.2", "six==1.17.0")),
    "polars": (POLARS, ("polars==1.33.1",)),
    "lxml": (LXML, ("lxml==6.0.2",)),
    "sphinx": (SPHINX, SPHINX_PINS),
}


@pytest.fixture(params=["3.12", "3.13"])
def some(request: pytest.FixtureRequest) -> Python:
    wanted = find_python(request.param)
    if wanted.missing:
        pytest.skip(f"Python {wanted.id}: {wanted.missing}")
    return wanted


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_prints_the_same(pyrometer: Path, some: Python, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, pins = PROGRAMS[name]
    monkeypatch.setenv("PYTHONPATH", str(installed(some, f"memory_{name}", *pins)))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    Path("app.py").write_text(program)
    plain = subprocess.run(some.command(["app.py"]), capture_output=True, text=True, timeout=SECONDS, check=True)
    answer, printed = track(pyrometer, some, ["app.py"])
    assert printed == plain.stdout and len(printed) > 50
    assert answer["peak_bytes"] > 5_000_000
