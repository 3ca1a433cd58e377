"""Tables, charts and pages from records. No model or data set is loaded."""
