"""Run commands, a JSON list of ``[program, argument, ...]`` on standard input, each in a process
forked from this one, which has imported what they all import: ``python -m tests.commands``. It
prints a list of ``[exit status, output]``.

A program is ``snakemake``, the name of a module or the path of a script."""

import json
import os
import runpy
import sys
import tempfile
import traceback


def call(program, *arguments):
    """Run one program in this process, as its main program."""
    sys.argv = [program, *arguments]
    if program == "snakemake":
        from snakemake.cli import main

        main()
    elif program.endswith(".py"):
        sys.path[0] = os.path.dirname(program)
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def apart(command):
    """Exit status and output of one command in a forked process."""
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status = 0
            try:
                call(*command)
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return status, output.read().decode(errors="replace")


if __name__ == "__main__":
    import snakemake.cli
    import snakemake.workflow  # noqa: F401 - what a call imports is here already

    import perfedavg.config.load
    import perfedavg.planning.jobs  # noqa: F401

    commands = json.load(sys.stdin)
    json.dump([apart(command) for command in commands], sys.stdout)
