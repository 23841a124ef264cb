"""What ``kracken up`` and ``kracken demo`` start and stop: sandbox exchange, Prefect server, worker, deployments.

- ``signals``    the user asks for the end
- ``logs``       what this process has to say, into the log file
- ``processes``  children with logs and records; leftovers of a crash are found and ended
- ``stack``      the servers as one thing that starts and stops
- ``janitor``    runs that a crash left Running for ever, slots that have passed
- ``flow_runs``  start a deployment's run and wait for its end
- ``stepping``   market time lived through candle by candle · ``control`` a hand on the sandbox's clock
- ``replayed``   where to put the clock of a replayed market
- ``up``         the long-lived stack with its screen · ``screen`` what it shows · ``overview`` the account at a glance
- ``demo``       the same once, in a temporary home, deterministic
"""
