"""The drop-off report's files: the page of a day, and for the newest one the page for mail too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from journey_analytics.disk import write_whole
from journey_analytics.marts import Snapshot, current
from journey_analytics.project import Project
from journey_analytics.reports.archive import dated, past_reports, remove_old
from journey_analytics.reports.content import Content, read_content
from journey_analytics.reports.page import index_page, mail_page, report_page


@dataclass(frozen=True)
class Written:
    """What was written of a snapshot.

    Attributes:
        content: what its report says.
        path: of the page: report.html of the live snapshot, the page of its day of an older one.
        mail: the page for mail.
    """

    content: Content
    path: Path
    mail: str


def write_report(project: Project, snapshot: Snapshot) -> Written:
    """Write the report of a snapshot, and the index of all reports kept.

    report-<day>.html is written for every snapshot; report.html and mail.html for the live one alone.
    """
    folder = project.reports_folder
    content = read_content(snapshot)
    page, mail = report_page(content), mail_page(content)
    path = dated(folder, snapshot.manifest["as_of"])
    write_whole(path, page)
    if snapshot.folder == current(project.marts_folder).folder:
        path = folder / "report.html"
        write_whole(path, page)
        write_whole(folder / "mail.html", mail)
    remove_old(folder, project.settings.reports.keep)
    write_whole(folder / "index.html", index_page(project.settings.project, past_reports(folder)))
    return Written(content, path, mail)
