import json
import subprocess

from ssvif.io import record


def test_a_record_says_where_a_result_came_from(tmp_path):
    recorder = record.Recorder()
    recorder.write(tmp_path / "record.json", settings={"seed": 3}, device="cpu", switch_epoch=4)
    written = json.loads((tmp_path / "record.json").read_text())
    assert written["settings"] == {"seed": 3}
    assert (written["device"], written["switch_epoch"]) == ("cpu", 4)
    assert {"python", "ssvif", "torch", "transformers"} <= set(written["versions"])
    assert 0 <= written["wall_time_s"] < 60
    assert 10 < written["peak_memory_mb"] < 100_000
    assert {"git_commit", "platform"} <= set(written)


def test_the_commit_says_whether_the_source_was_changed(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    source = tmp_path / "record.py"
    monkeypatch.setattr(record, "__file__", str(source))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record.git_commit() == ""
    git("init")
    source.write_text("a = 1\n")
    git("add", "record.py")
    git("commit", "-m", "first", "--no-gpg-sign")
    head = git("rev-parse", "HEAD")
    assert record.git_commit() == head
    (tmp_path / "untracked").touch()
    assert record.git_commit() == head
    source.write_text("a = 2\n")
    assert record.git_commit() == head + "+changes"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert record.git_commit() == ""


def test_what_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(record, "PACKAGES", ("torch", "no-such-package"))
    assert set(record.installed_versions()) == {"python", "torch"}
