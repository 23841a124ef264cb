"""How well it went: performance figures by one set of definitions, and the pictures that go with them.

- ``daily``    any equity curve into one value per calendar day
- ``metrics``  Sharpe to payoff as a frozen ``Metrics``; what is undefined is None and says why
- ``report``   a Markdown tear sheet
- ``plots``    PNG figures without a display and without time stamps (imports matplotlib) · ``embed`` a picture inside Markdown

In: plain numbers and frames.  Out: values, text, figures.  Never: settings, ledger, lake; nothing is fetched here.
"""
