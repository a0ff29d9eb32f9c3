"""nginx's subreaper, where stacks that the first release started look for it.

supervisord starts a killed nginx again by the command that it knows. Remove this with
the next format of ``stack.json``.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(
        str(Path(__file__).parents[1] / "daemons/nginx/subreaper.py"),
        run_name="__main__",
    )
