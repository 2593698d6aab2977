"""Tables, figures and the page. Reads CSV and PNG only, imports no torch."""
