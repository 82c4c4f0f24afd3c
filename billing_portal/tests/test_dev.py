"""dev.py: what it says when something is in the way, and the embedded PostgreSQL that survives being killed."""

import ast
import fcntl
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A copy of the project for dev.py to work in: its own data, the packages of this environment."""
    with copied_project() as folder:
        yield folder


@contextmanager
def copied_project() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="portal"))
    for entry in ROOT.iterdir():
        if entry.name not in {".venv", ".data", ".env", ".git", "dev.py"}:
            (folder / entry.name).symlink_to(entry)
    shutil.copy(ROOT / "dev.py", folder)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    dev = load(folder)
    (folder / ".venv" / "stamp").write_text(dev.fingerprint(dev.EVERYTHING))
    yield folder
    shutil.rmtree(dev.home(), ignore_errors=True)
    shutil.rmtree(folder)


def load(folder: Path) -> ModuleType:
    """The dev.py of that folder, as a module."""
    spec = importlib.util.spec_from_file_location("dev_of_a_test", folder / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """dev.py in that folder, in an environment without a database of anybody's."""
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPYCACHEPREFIX"}
    }
    return subprocess.Popen(
        [sys.executable, "dev.py", *arguments],
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Exit status and lines of a dev.py that ends by itself."""
    process = start(folder, *arguments, **environment)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output.strip().splitlines()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- What is in the way, and the way out --------------------------------------------------------


def test_a_port_in_use_is_one_sentence(checkout):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        code, lines = said(checkout, "run", "--port", str(port))

    assert code == 1
    assert lines == [
        f"Port {port} cannot be used ([Errno 98] Address already in use). Take another: dev.py run --port 8001"
    ]


def test_a_second_start_is_one_sentence(checkout):
    with (load(checkout).home() / "run.lock").open("w") as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        running.write(json.dumps({"pid": 4711, "port": 8123}))
        running.flush()

        code, lines = said(checkout, "run", "--port", str(free_port()))

    assert code == 1
    assert lines == [
        "The portal runs already: http://localhost:8123/. Use that one, or stop it with Ctrl-C where it runs "
        "(or: kill 4711)."
    ]


def test_an_unreachable_database_is_one_sentence_after_what_the_driver_said(checkout):
    code, lines = said(checkout, "manage", "check", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")

    assert code == 1
    assert lines[-1] == "The database of DATABASE_URL does not answer: start it, or correct the URL."
    assert "Connection refused" in lines[0]


def test_a_python_without_ensurepip_is_one_sentence(checkout, tmp_path):
    (checkout / ".venv" / "stamp").unlink()
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None")

    code, lines = said(checkout, "manage", "check", PYTHONPATH=str(tmp_path))

    assert code == 1
    assert lines == [
        "This Python has no ensurepip module, which the portal's environment is made with. Install it "
        "(Debian, Ubuntu: apt install python3-venv) and start again."
    ]


def test_packages_that_cannot_be_fetched_are_one_sentence(checkout):
    for entry in (checkout / ".venv").iterdir():
        entry.unlink()
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}

    code, lines = said(checkout, "manage", "check", **nowhere, UV_OFFLINE="1")

    assert code == 1
    assert lines[-1] == (
        "The packages could not be installed. They come over the network: check it, or point pip at an index "
        "that answers (PIP_INDEX_URL), and start again."
    )


def test_an_older_python_reads_far_enough_to_be_told():
    """The file parses as Python 3.8, and the version is asked before anything newer than that is imported."""
    tree = ast.parse((ROOT / "dev.py").read_text(), feature_version=(3, 8))

    assert ast.unparse(tree.body[1]) == "import sys"
    assert ast.unparse(tree.body[2]).startswith("if sys.version_info < (3, 11):")


def test_without_a_command_it_says_what_there_is(checkout):
    code, lines = said(checkout)

    assert code == 0
    assert [line.split()[2] for line in lines if line.startswith("python3 dev.py")] == list(load(checkout).COMMANDS)


def test_an_unknown_command_fails(checkout):
    assert said(checkout, "fly")[0] == 2


# --- Small decisions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["-n", "2"], ["-n0"], ["-p", "no:xdist"], ["--pdb"], ["core/tests"], ["conftest.py::test_x"]],
)
def test_a_person_who_says_how_or_what_is_not_second_guessed(arguments):
    assert load(ROOT).parallel(arguments) == []


def test_a_venv_with_everything_is_enough_to_run(checkout):
    load(checkout).ensure_packages("requirements.lock")


def test_a_dotenv_is_read_as_a_shell_would(checkout):
    (checkout / ".env").write_text("# ours\nPORTAL_NAME='Two words' # here\n\nEMAIL_URL=smtp://localhost:25\n")

    assert load(checkout).dotenv() == {"PORTAL_NAME": "Two words", "EMAIL_URL": "smtp://localhost:25"}


def test_modules_are_compiled_once_and_not_in_the_tree(checkout, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    dev = load(checkout)

    dev.keep_bytecode()
    dev.execute([dev.PYTHON, "-c", "import dev"], os.environ)

    assert list((dev.home() / "bytecode").rglob("dev.*.pyc"))
    assert not list(checkout.glob("__pycache__"))


def test_the_key_of_a_trial_is_made_once_and_is_nobody_elses(checkout):
    dev = load(checkout)

    assert dev.trial_secret() == dev.trial_secret()
    assert len(dev.trial_secret()) >= 50
    assert (dev.home() / "secret_key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_of_a_lock_has_hashes_and_no_place_it_comes_from(name):
    text = (ROOT / name).read_text()

    packages = re.split(r"\n(?=\w)", text)
    assert [package for package in packages if "==" not in package or "--hash=sha256:" not in package] == []
    assert re.findall(r"https?:|file:|index-url|find-links", text) == []


def test_both_locks_hold_the_same_versions():
    runtime, everything = (
        set(re.findall(r"^([\w.-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )

    assert runtime <= everything


# --- The embedded PostgreSQL --------------------------------------------------------------------


@pytest.fixture(scope="module")
def dev() -> Iterator[ModuleType]:
    """The dev.py of a copy that the tests of the server share, where no other database is named."""
    with pytest.MonkeyPatch.context() as patch, copied_project() as folder:
        patch.delenv("DATABASE_URL")
        yield load(folder)


def answers(url: str) -> bool:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def test_a_server_that_was_killed_starts_again(dev):
    cluster = dev.Cluster(dev.home() / "postgres")
    cluster.start()
    os.killpg(cluster.process.pid, signal.SIGKILL)
    cluster.process.wait()

    again = dev.Cluster(dev.home() / "postgres")
    again.start()

    assert answers(again.url)
    again.stop()
    assert not again.answers()


def test_a_pid_that_is_another_process_by_now_does_not_stop_the_start(dev):
    cluster = dev.Cluster(dev.home() / "postgres")
    cluster.start()
    cluster.stop()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n1\n5432\n{cluster.data}\n\n\nready\n")

    cluster.start()

    assert answers(cluster.url)
    cluster.stop()


def test_the_last_of_two_commands_stops_the_server_that_only_its_user_may_read(dev):
    cluster = dev.Cluster(dev.home() / "postgres")

    with dev.database() as url:
        with dev.database() as same:
            assert same == url
        assert answers(url)
        assert cluster.data.stat().st_mode & 0o077 == 0

    assert not cluster.answers()


def test_what_a_killed_test_run_left_is_swept_by_the_next(dev):
    left = dev.Cluster(dev.home() / "test-1")
    left.start()
    left.data.with_suffix(".lock").touch()

    with dev.throwaway_database() as url:
        assert answers(url)
        assert not left.data.exists()

    assert left.process.wait(10) is not None
    assert list(dev.home().glob("test-*")) == []


# --- The whole of it ----------------------------------------------------------------------------


def test_run_serves_the_portal_until_it_is_told_to_stop(checkout):
    port = free_port()
    process = start(checkout, "run", "--port", str(port))
    try:
        lines = read_until(process, "Ctrl-C stops everything.")
        with urllib.request.urlopen(f"http://localhost:{port}/sign-in/login/") as page:
            assert page.status == 200
        left = set(json.loads((load(checkout).home() / "run.lock").read_text())["servers"])
    finally:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)

    assert any(line.startswith(f"The portal runs: http://localhost:{port}/") for line in lines)
    assert any("@alfa" in line for line in lines)
    assert len(left) == 2
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []
    assert not load(checkout).Cluster(load(checkout).home() / "postgres").answers()


def read_until(process: subprocess.Popen[str], last: str) -> list[str]:
    lines = []
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        lines.append(line.rstrip("\n"))
        if last in line:
            return lines
        assert line, "\n".join(lines)
    raise AssertionError("\n".join(lines))
