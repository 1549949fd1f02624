"""The tracked files name no machine, the rooms explain themselves, and links lead somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote

from tests.house.tree import PACKAGE, ROOT, documents, name_of, sources, tracked_files

# Composed from parts, so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.~<>/])/(?:work|root|home|Users|tmp|private)/[\w.]")
PACKAGE_HOSTS = re.compile(
    r"\b(?:"
    + "|".join(
        name + r"\." + ending
        for name, ending in (
            ("pypi", "org"),
            ("python(?:hosted)", "org"),
            ("npmjs", "(?:org|com)"),
            ("crates", "io"),
            ("anaconda", "org"),
            ("jfrog", "io"),
        )
    )
    + r")\b|https?://[^\s\"'>]*/simple\b"
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name_of(path)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(path.read_bytes().decode("latin-1").split("\n"), 1)
        if pattern.search(line)
    ]


def anchors(document: Path) -> set[str]:
    """The names under which a document's headings can be linked to."""
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def broken_links(document: Path) -> list[str]:
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    broken = []
    for target in LINK.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        linked = (document.parent / name) if name else document
        lost_anchor = anchor and linked.suffix == ".md" and linked.is_file()
        if not linked.exists() or (lost_anchor and anchor not in anchors(linked)):
            broken.append(target)
    return broken


def test_no_tracked_file_names_a_path_of_a_machine() -> None:
    assert hits(MACHINE_PATHS) == []


def test_no_tracked_file_names_a_package_host() -> None:
    assert hits(PACKAGE_HOSTS) == []


def test_the_lock_holds_versions_and_hashes_only() -> None:
    entry = re.compile(r"[a-z0-9-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # .*")
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not entry.fullmatch(line) or "://" in line] == []


def test_every_room_explains_itself() -> None:
    lacking = [
        room.name
        for room in sorted(PACKAGE.iterdir())
        if any(room.rglob("*.py"))
        if not (room / "README.md").is_file()
    ]
    assert lacking == []


def test_every_folder_of_a_room_is_a_package_that_the_import_check_sees() -> None:
    folders = {path.parent for path in sources()}
    assert [name_of(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = {name_of(document): broken_links(document) for document in documents()}
    assert {name: links for name, links in broken.items() if links} == {}


def test_a_path_of_a_machine_is_recognised() -> None:
    assert MACHINE_PATHS.search("see " + "/" + "home/ada/notes") is not None
    assert MACHINE_PATHS.search("docs/home/page") is None


def test_a_package_host_is_recognised() -> None:
    assert PACKAGE_HOSTS.search("https://files." + "python" + "hosted.org/x") is not None


def test_a_broken_link_is_recognised(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# One `two`\n[a](#one-two) [b](page.md#three) [c](lost.md) [d](mailto:ada@example.org)\n"
    )
    assert broken_links(document) == ["page.md#three", "lost.md"]
