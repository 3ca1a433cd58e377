"""Pages for a browser: ``index.html`` of a suite and of all suites, from the tables that everything else is made of."""
