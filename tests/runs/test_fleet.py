"""Runs are carried out several at a time, at low priority, and interrupted in good order."""

import sys
from pathlib import Path

import pytest

from robot_mbrl.runs.fleet import NICENESS, Fleet, Job, Processes, RayCluster

AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
WAIT = "import signal, sys, pathlib, threading\n"
WAIT += "signal.signal(signal.SIGINT, lambda *_: (pathlib.Path(sys.argv[2]).touch(), sys.exit(0)))\n"
WAIT += "pathlib.Path(sys.argv[1]).touch(); signal.pause()"


def job(folder: Path, name: str, code: str, *words: str) -> Job:
    return Job(name, (sys.executable, "-c", code, *words), folder / f"{name}.log")


def carry_out(fleet: Fleet, jobs: list[Job]) -> dict[str, int]:
    codes: dict[str, int] = {}

    def finished(job: Job, code: int) -> None:
        codes[job.name] = code

    fleet.run(jobs, finished, lambda: False)
    return codes


def test_each_job_ends_with_its_exit_code_and_its_last_word_is_kept(tmp_path: Path):
    jobs = [job(tmp_path, f"job{n}", f"import sys; print('said {n}'); sys.exit({n})") for n in range(3)]
    assert carry_out(Processes(2), jobs) == {"job0": 0, "job1": 1, "job2": 2}
    assert jobs[2].complaint() == f"job2: said 2 (see {tmp_path / 'job2.log'})"


def test_they_give_way_to_everything_else(tmp_path: Path):
    code = "import os, sys, time\nwhile os.nice(0) != int(sys.argv[1]): time.sleep(0.01)"
    assert carry_out(Processes(1), [job(tmp_path, "nice", code, str(NICENESS))]) == {"nice": 0}


@pytest.mark.skipif(
    not AUTOGROUPS.exists() or AUTOGROUPS.read_text() != "1\n", reason="this kernel does not group processes by session"
)
def test_they_give_way_to_other_sessions_too(tmp_path: Path):
    code = (
        "import sys, time\nwhile f'nice {sys.argv[1]}\\n' not in open('/proc/self/autogroup').read(): time.sleep(0.01)"
    )
    assert carry_out(Processes(1), [job(tmp_path, "nice", code, str(NICENESS))]) == {"nice": 0}


def test_no_more_than_so_many_run_at_a_time(tmp_path: Path):
    # Each job makes a file while it runs, and fails if it finds another's.
    code = "import pathlib, sys, time\nd = pathlib.Path(sys.argv[1])\n"
    code += "assert not list(d.glob('*.on')); p = d / (sys.argv[2] + '.on'); p.touch(); time.sleep(0.2); p.unlink()"
    jobs = [job(tmp_path, f"job{n}", code, str(tmp_path), str(n)) for n in range(3)]
    assert set(carry_out(Processes(1), jobs).values()) == {0}


def test_a_stop_interrupts_what_runs_waits_for_it_and_begins_nothing_more(tmp_path: Path):
    began, ended = tmp_path / "began", tmp_path / "ended"
    jobs = [job(tmp_path, "running", WAIT, str(began), str(ended)), job(tmp_path, "waiting", WAIT, "x", "y")]
    codes: list[int] = []
    Processes(1).run(jobs, lambda job, code: codes.append(code), began.exists)
    assert ended.exists()
    assert not (tmp_path / "waiting.log").exists()
    assert codes == []


@pytest.mark.slow
def test_a_ray_cluster_carries_the_same_jobs_out_and_stops_them(tmp_path: Path):
    pytest.importorskip("ray", reason="needs the extra [cluster]")
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        jobs = [job(tmp_path, f"job{n}", f"import sys; sys.exit({n})") for n in range(3)]
        assert carry_out(RayCluster(), jobs) == {"job0": 0, "job1": 1, "job2": 2}
        began, ended = tmp_path / "began", tmp_path / "ended"
        jobs = [job(tmp_path, "running", WAIT, str(began), str(ended)), job(tmp_path, "waiting", WAIT, "x", "y")]
        RayCluster().run(jobs, lambda *_: None, began.exists)
        assert ended.exists()
        assert not (tmp_path / "waiting.log").exists()
        assert not list(tmp_path.glob(".stop*"))
    finally:
        ray.shutdown()
