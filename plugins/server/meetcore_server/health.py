"""What `meetcore doctor` says of a server that is configured."""

from __future__ import annotations

import sqlalchemy as sa

from meetcore import HealthReport, MeetcoreError, build_options
from meetcore_server.options import ServerSettings
from meetcore_server.storage.engine import find_place

__all__ = ["check_server"]


def check_server(report: HealthReport) -> None:
    """Say whether the table `[plugins.server]` can be used, and whether its database answers.

    The database is neither made nor changed; a SQLite is not looked at. Blocks for some seconds
    where it does not answer.
    """
    try:
        settings = build_options(ServerSettings, report.config["server"], "[plugins.server]")
    except MeetcoreError as error:
        report.trouble("server", error.message, error.remedy)
        # The database is looked at all the same: whoever mends the one wants to know of the other.
        database = report.config["server"]
        database = database.get("database") if isinstance(database, dict) else None
    else:
        report.fine("server", f"listens on {settings.host}, port {settings.port}")
        database = settings.database
    if isinstance(database, str):
        _check_database(report, database)


def _check_database(report: HealthReport, url: str) -> None:
    try:
        place = find_place(url)
    except MeetcoreError as error:
        report.trouble("database", error.message, error.remedy)
        return
    if place.engine.dialect.name == "sqlite":
        report.fine("database", place.shown)
        return
    try:
        with place.engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        remedy = "See whether it runs, and `database` in [plugins.server]."
        report.trouble("database", f"{place.shown} does not answer, or lets nobody in", remedy)
    else:
        report.fine("database", f"{place.shown} answers")
    finally:
        place.engine.dispose()
