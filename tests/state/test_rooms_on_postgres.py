"""Some of the rooms' own stories, on a real PostgreSQL; ``make test-postgres`` runs all of them there.

That every table can be written and read there is in ``test_every_table.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
STORIES = (
    "actions/test_service.py::test_nobody_approves_in_time_also_over_a_restart",
    "app/test_restart.py::test_an_escalation_that_came_due_while_away_goes_on_at_once",
    "incidents/test_merging.py::test_the_alerts_of_two_that_are_one_go_on_in_it",
    "incidents/test_postmortem.py::test_a_restart_keeps_the_document_and_its_deadlines",
    "incidents/test_room.py::test_the_checklists_of_severity_and_runbook_are_ticked_and_told_when_time_is_up",
    "incidents/test_room.py::test_tasks_have_owners_who_are_reminded",
    "incidents/test_statuspage.py::test_maintenance_is_announced_runs_and_is_over",
    "incidents/test_statuspage.py::test_posts_on_one_incident_are_one_story_which_ends_with_it",
    "kernel/test_kernel.py::test_an_effect_is_tried_again_with_growing_pauses_until_it_is_delivered",
    "oncall/test_changes.py::test_an_override_counts_at_once_and_until_it_is_taken_out",
    "oncall/test_steps.py::test_other_rooms_are_asked_once_whatever_restarts",
    "scenarios/test_auditor.py::test_a_page_that_does_not_arrive_is_told_on_another_channel_once_and_so_is_its_end",
    "scenarios/test_deploy_watch.py::test_an_error_burst_is_rolled_back_within_minutes",
    "web/test_access_api.py::test_disabling_ends_sessions_and_tokens",
    "web/test_inbound.py::test_what_is_written_in_the_thread_is_in_the_timeline_once",
    "web/test_push_api.py::test_pushes_survive_a_restart",
)


@pytest.mark.timeout(600)
def test_stories_of_all_rooms():
    command = [sys.executable, "-m", "pytest", "--state", "postgresql", "-q", "-p", "no:cacheprovider", *STORIES]
    run = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert f"{len(STORIES)} passed" in run.stdout
