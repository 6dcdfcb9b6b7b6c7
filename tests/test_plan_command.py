"""The command that answers for a planned screen."""

from typer.testing import CliRunner

from helpers import cli
from helpers.tasks import screen_design as design


def test_the_command_answers_and_refuses(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(design, "SIMULATED", 8)
    words = "plan --cells 8 --controls 30 --perturbations 12 --genes 60"
    done = CliRunner().invoke(cli.app, words.split())
    assert done.exit_code == 0, done.output
    assert "With 12 held-out perturbations of 8 cells and 30 controls" in done.output
    assert "discrimination_cosine" in done.output
    refused = CliRunner().invoke(cli.app, words.replace("--cells 8", "--cells 2").split())
    assert refused.exit_code == 2
