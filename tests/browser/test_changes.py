"""The tab with the changes of a task: files, patch, attempts, landing, and text that looks like anything."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.dashboard_page import DashboardPage
from support.dashboard import Dashboard
from support.git_repositories import git

pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    '"><svg/onload=window.hit=1>',
    "diff --git a/forged b/forged",
    "@@ -1 +1 @@ forged",
    "--- a/forged\n+++ b/forged",
    "\u202egnp.exe \u200b\u2066 \x1b[31m \r",
)
FILES = {
    "gone.txt": "one\ntwo\n",
    "old-name.txt": "".join(f"line {number}\n" for number in range(40)),
    "src/app.py": "def main():\n    return 1\n\n\nmain()\n",
}
WORK: Mapping[str, Any] = {
    "writes": {
        "src/app.py": "def main():\n    return 2\n\n\nprint(main())\n",
        "pixel.bin": "\x00\x01\x02",
        'new dir/naïve "file".txt': "fresh\n",
    },
    "removes": ["gone.txt"],
    "renames": {"old-name.txt": "new-name.txt"},
}


def begin(dashboard: Dashboard, *, files: Mapping[str, str] = FILES, **part: Any) -> None:
    """Lets the task `a` work in a clone."""
    dashboard.repository(files, {"a": part})
    dashboard.plan({"id": "a", "name": "Change the files"}, max_retries=2)
    dashboard.worker("w", "--workspace", "clone")


def test_what_a_task_changed_is_shown_below_each_other_and_side_by_side(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    begin(dashboard, **WORK)
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a")
    page.get_by_role("link", name=re.compile("^Changes")).click()

    listed = page.locator(".change-file")
    expect(listed).to_have_count(5)
    assert [" ".join(row.inner_text().split()) for row in listed.all()] == [
        "D removed gone.txt +0 −2",
        'A added new dir/naïve "file".txt +1 −0',
        "R renamed new-name.txt +0 −0",
        "A added pixel.bin binary",
        "M modified src/app.py +2 −2",
    ]
    patch = page.get_by_role("table", name="Patch")
    for text in ("old-name.txt → new-name.txt", "binary file", "    return 2", "print(main())", "fresh"):
        expect(patch).to_contain_text(text)
    tip = git(dashboard.stage.project, "rev-parse", "swarm/main")
    expect(page.locator("[data-landed]")).to_have_attribute("data-landed", tip)

    page.get_by_role("button", name="Side by side").click()
    pair = patch.locator(".p-pair", has_text="return 2")
    expect(pair.locator(".p-half").nth(0)).to_have_text("2-    return 1")
    expect(pair.locator(".p-half").nth(1)).to_have_text("2+    return 2")
    page.reload()
    expect(page.get_by_role("button", name="Side by side")).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the patch").click()
    assert saved.value.suggested_filename == "a-attempt-1.patch"
    git(dashboard.stage.project, "apply", "--check", "--exclude=pixel.bin", str(saved.value.path()))
    page.get_by_label("Only files with").fill("APP")
    expect(listed).to_have_count(1)
    expect(patch.locator(".p-file")).to_have_count(1)
    assert "view=split" in page.url
    assert "q=APP" in page.url


def test_the_list_and_the_patch_of_a_landed_task_tell_of_the_landing(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    begin(dashboard, **WORK)
    dashboard_page.go("#/tasks")

    expect(dashboard_page.row("a")).to_contain_text("landed on swarm/main")
    dashboard_page.go("#/task/a")
    expect(page.locator(".task-where")).to_contain_text("landed")
    expect(page.locator(".events")).to_contain_text("task landing")
    expect(page.locator(".events")).to_contain_text("landed on swarm/main as")


def test_attempts_are_switched_and_a_conflict_names_its_files(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page, project = dashboard_page.page, dashboard.stage.project
    begin(dashboard, hold=True, writes={"src/app.py": "mine ATTEMPT\n"})
    dashboard_page.go("#/task/a?tab=changes")
    expect(page.locator(".task[data-status='in_progress']")).to_be_visible()
    expect(page.get_by_text("No attempt left a change.")).to_be_visible()
    git(project, "checkout", "-q", "swarm/main")
    (project / "src" / "app.py").write_text("theirs\n")
    git(project, "commit", "-q", "-a", "-m", "theirs")
    git(project, "checkout", "-q", "main")
    dashboard.cue("a", "end")

    expect(page.locator(".task[data-status='completed']")).to_be_visible()
    expect(page.get_by_role("table", name="Patch")).to_contain_text("mine 2")
    page.get_by_label("Attempt").select_option("1")
    expect(page.locator("[data-refused]")).to_contain_text("the work conflicts with swarm/main")
    expect(page.locator("[data-refused] .finding")).to_contain_text("src/app.py: Your work conflicts")
    expect(page.get_by_role("table", name="Patch")).to_contain_text("mine 1")
    assert "attempt=1" in page.url
    page.get_by_label("Attempt").select_option("2")
    expect(page.locator("[data-landed]")).to_be_visible()


def test_a_patch_of_thousands_of_lines_draws_only_what_is_in_view(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    long = "".join(f"line {number} of a long file\n" for number in range(12_000))
    many = {f"many/{number:04}.txt": "x\n" for number in range(600)}
    begin(dashboard, writes={**many, "big.txt": long, "wide.txt": "word " * 20_000})
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a?tab=changes&file=wide.txt")

    expect(page.locator("[data-heading='wide.txt']")).to_be_visible()
    for rows in (".patch-row", ".change-file"):
        assert 0 < page.locator(rows).count() < 130
    page.keyboard.press("[")
    expect(page.locator("[data-heading='many/0599.txt']")).to_be_visible()
    expect(page.locator("[data-file='many/0599.txt']")).to_have_attribute("aria-current", "true")
    assert "file=many%2F0599.txt" in page.url
    page.locator(".change-files").evaluate("list => { list.scrollTop = 0 }")
    page.locator("[data-file='big.txt']").click()
    heading = page.locator("[data-heading='big.txt']")
    heading.click()
    expect(heading).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_text("line 3 of a long file")).to_have_count(0)
    heading.click()
    expect(page.get_by_text("line 3 of a long file")).to_be_visible()


def test_a_patch_that_is_too_long_is_replaced_by_the_command_that_shows_it(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    begin(dashboard, writes={"big.txt": "a line of the file\n" * 60_000})
    dashboard.stage.until_status("a", "completed")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dashboard_page.go("#/task/a?tab=changes")

    expect(page.locator(".change-file")).to_have_count(1)
    shown = page.locator(".change-view code").inner_text()
    assert re.fullmatch(r"git diff [0-9a-f]{40} [0-9a-f]{40}", shown)
    page.get_by_role("button", name="Copy the command").click()
    expect(page.get_by_text("Copied the command.")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == shown


def test_nothing_in_a_patch_is_markup_or_a_line_of_git(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page = dashboard_page.page
    text = "\n".join(HOSTILE)
    name = "<img src=x onerror=window.hit=1>"
    begin(dashboard, writes={f"{name}.html": text, "forged.txt": text}, notes=text)
    dashboard.stage.until_status("a", "completed")
    page.evaluate(
        "() => document.addEventListener('securitypolicyviolation', e => { window.broke = e.violatedDirective })"
    )

    for view in ("", "&view=split"):
        dashboard_page.go(f"#/task/a?tab=changes{view}")
        patch = page.get_by_role("table", name="Patch")
        expect(patch).to_contain_text("window.hit=1")
        expect(patch.locator(".p-file")).to_have_count(2)
        expect(patch.locator(".p-hunk")).to_have_count(2)
        assert page.locator("main :is(script, iframe, img, svg[onload])").count() == 0
        assert "\u202e" not in page.locator("body").inner_text()
        assert page.evaluate("() => window.hit ?? window.broke") is None


def test_the_tab_fits_a_phone_and_the_dark(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    begin(dashboard, **WORK)
    dashboard.stage.until_status("a", "completed")

    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            dashboard_page.go("#/task/a?tab=changes&view=split")
            expect(page.get_by_role("table", name="Patch")).to_contain_text("return 2")
            expect(page.locator(".p-pair").first).to_have_count(0 if width == 390 else 1)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
            expect(page.locator("html")).to_have_attribute("data-theme", theme)


def test_a_task_in_the_shared_tree_has_no_tab(dashboard_page: DashboardPage, dashboard: Dashboard) -> None:
    page = dashboard_page.page
    dashboard.plan({"id": "a"}, validate=False)
    dashboard.worker()
    dashboard.stage.until_status("a", "completed")
    dashboard_page.go("#/task/a")

    expect(page.locator(".attempt")).to_have_count(1)
    expect(page.get_by_role("link", name=re.compile("^Changes"))).to_have_count(0)


def test_work_that_waits_for_another_landing_says_so(
    dashboard_page: DashboardPage, dashboard: Dashboard
) -> None:
    page, go = dashboard_page.page, dashboard.stage.folder / "go"
    parts = {task: {"writes": {f"{task}.txt": "new\n"}} for task in ("first", "second")}
    dashboard.repository(FILES, parts | {"second": {**parts["second"], "hold": True}})
    dashboard.plan(
        {"id": "first", "landing_checks": [f"until [ -e {go} ]; do sleep 0.05; done"]},
        {"id": "second"},
        validate=False,
    )
    dashboard.worker("w", "--workspace", "clone", "--slots", "2")
    dashboard_page.go("#/task/first")
    expect(page.locator(".why")).to_contain_text("its work lands on swarm/main")
    dashboard_page.go("#/task/second")
    expect(page.locator(".task[data-status='in_progress']")).to_be_visible()
    expect(page.locator(".why").filter(has_text="land")).to_have_count(0)

    dashboard.cue("second", "end")
    expect(page.locator(".why")).to_contain_text(
        "its work waits to land on swarm/main: 1 before it (task first"
    )
    go.touch()

    expect(page.locator(".task[data-status='completed']")).to_be_visible()
    expect(page.locator(".why")).to_have_count(0)
