"""The page of ``iaside html``: facts in modules; markup, style and script in ``templates/``."""
