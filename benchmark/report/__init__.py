"""Reports: tables and figures from records. No model or data set is loaded."""
