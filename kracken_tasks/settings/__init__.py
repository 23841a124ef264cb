"""Every setting once: type, bound, unit, sentence.

In: YAML files under ``config/``, the environment.  Out: one frozen ``Settings``.  Never: a default that turns a guard off.

- ``model``    the settings themselves, grouped by the room they serve · ``venues`` those of venues · ``fields`` what they are made of
- ``trading``  those of a tick and its risk · ``paper`` those of the paper broker · ``signals`` those of weights and news
- ``emergency`` what a halt or a flatten needs, read although other things are wrong
- ``sources``  files and environment into one mapping, and errors that name file, key and what is allowed

Only ``wiring``, doors, ``cli`` and ``local_stack`` read settings; rooms are handed plain values.
"""

from kracken_tasks.settings.model import AgentSettings, ExchangeSettings, PaperSettings, Profile, Settings
from kracken_tasks.settings.sources import load_paper_settings, load_settings

__all__ = [
    "AgentSettings",
    "ExchangeSettings",
    "PaperSettings",
    "Profile",
    "Settings",
    "load_paper_settings",
    "load_settings",
]
