"""Packaging of collective.recipe.productionstack."""

from pathlib import Path

from setuptools import find_namespace_packages
from setuptools import setup

NAME = "collective.recipe.productionstack"
HERE = Path(__file__).parent
TEXTS = ("README.md", "CHANGES.md")
RECIPES = (
    "default",
    "nginx",
    "apache",
    "varnish",
    "haproxy",
    "supervisor",
    "logrotate",
    "cron",
)
CTL = ["click>=8.1", "rich>=13", "supervisor>=4.3"]
TEST = [
    "aioquic",
    "crossplane",
    "hypothesis",
    "import-linter",
    "mypy",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
]

setup(
    name=NAME,
    version="1.0.0.dev0",
    description="One buildout part makes a complete production stack for Plone.",
    long_description="\n\n".join((HERE / name).read_text("utf-8") for name in TEXTS),
    long_description_content_type="text/markdown",
    author="Plone collective",
    url="https://github.com/collective/collective.recipe.productionstack",
    license="GPL-2.0-only",
    keywords="buildout recipe plone zope nginx apache varnish haproxy supervisor",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Framework :: Buildout",
        "Framework :: Buildout :: Extension",
        "Framework :: Buildout :: Recipe",
        "Framework :: Plone",
        "Framework :: Plone :: 6.2",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Systems Administration",
        "Typing :: Typed",
    ],
    package_dir={"": "src"},
    packages=find_namespace_packages("src", exclude=["*.templates", "*.templates.*"]),
    package_data={NAME: ["py.typed", "templates/**"]},
    python_requires=">=3.10",
    install_requires=["Jinja2>=3.1", "zc.buildout>=4.1.12", "zc.recipe.egg"],
    extras_require={"ctl": CTL, "test": [*CTL, *TEST]},
    zip_safe=False,
    entry_points={
        "zc.buildout": [
            f"{entry} = {NAME}.buildout.recipe:Recipe" for entry in RECIPES
        ],
        "zc.buildout.uninstall": [
            f"{entry} = {NAME}.buildout.removal:uninstall" for entry in RECIPES
        ],
        "zc.buildout.extension": [f"default = {NAME}.buildout.extension:load"],
    },
)
