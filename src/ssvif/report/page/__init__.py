"""The report: a folder of HTML pages that opens from disk and needs nothing outside itself."""
