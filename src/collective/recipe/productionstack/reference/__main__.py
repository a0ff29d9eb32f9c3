"""Write the pages."""

from __future__ import annotations

import sys

from collective.recipe.productionstack.reference.pages import main

sys.exit(main())
