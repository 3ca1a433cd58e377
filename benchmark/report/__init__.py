"""Reports: tables and figures from records alone; no model and no data set is loaded here."""
